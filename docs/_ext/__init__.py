"""Pages that are generated from the code: the gallery of proxies and the command reference."""
