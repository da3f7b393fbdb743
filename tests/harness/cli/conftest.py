"""Fixtures of the command line's tests."""

from __future__ import annotations

import pytest

from harness.cli.console import console


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables wide enough that no cell is folded."""
    monkeypatch.setattr(console, "_width", 300)
