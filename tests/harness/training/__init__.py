"""Tests of trainings; they run in the training environment (make unit-train)."""
