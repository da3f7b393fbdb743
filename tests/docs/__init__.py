"""Tests of the pages, of the README and of the examples."""
