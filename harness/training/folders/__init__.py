"""Data in its real layouts."""
