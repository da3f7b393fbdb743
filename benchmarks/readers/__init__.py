"""Readers of formats in which files come from strangers: nothing runs, nothing grows unbounded."""
