"""Evaluations as tables and figures. Takes finished numbers; computes none."""
