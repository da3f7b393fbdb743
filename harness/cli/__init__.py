"""The command line: `harness score | eval | tables | search | export | import-scores ...`."""
