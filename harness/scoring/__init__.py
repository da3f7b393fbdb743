"""How a score is made: requests, the engine that serves them, and what proxies share."""
