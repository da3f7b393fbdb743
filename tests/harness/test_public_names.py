"""The public functions keep their names, whatever else is imported."""

from __future__ import annotations

import importlib
from types import FunctionType

import harness


def test_a_room_does_not_take_the_name_of_a_function() -> None:
    room = importlib.import_module("harness.search")
    assert hasattr(room, "ALGORITHMS")
    assert isinstance(harness.search, FunctionType)
    assert all(isinstance(getattr(harness, name), FunctionType) for name in harness.__all__)
