"""One architecture as a network: described, counted, exported."""
