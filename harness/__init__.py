"""How architectures are ranked: proxies, scoring, metrics, reports, search."""
