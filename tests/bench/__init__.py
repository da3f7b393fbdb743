"""Speeds: `python -m tests.bench`."""
