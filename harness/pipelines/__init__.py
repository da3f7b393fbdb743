"""Stages joined to whole jobs: what the Python API and the command line call."""
