"""Search algorithms, one file each; `harness.search.optimiser` says what one is."""
