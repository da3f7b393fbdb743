"""Fixtures of all tests: real data where there is some, and a cache of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.nasbench101 import enumeration as nasbench101

# Times depend on the machine; no example fails for being slow.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

_REAL_DATA = os.environ.get("HARNESS_DATA")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data files; a test that asks for it is skipped where there is none."""
    if not _REAL_DATA:
        pytest.skip("HARNESS_DATA is not set, so there is no real data to compare with")
    return Path(_REAL_DATA)


@pytest.fixture(autouse=True)
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder and score store; HARNESS_DATA only in tests with `real_data`."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "scores.sqlite"))
    if "real_data" not in request.fixturenames:
        monkeypatch.delenv("HARNESS_DATA", raising=False)
    return folder


@pytest.fixture(scope="session")
def enumerated() -> nasbench101.Enumeration:
    """All NAS-Bench-101 cells, enumerated anew (half a minute)."""
    return nasbench101.enumerate_cells()


@pytest.fixture
def nasbench101_cells(enumerated: nasbench101.Enumeration, cache: Path) -> nasbench101.Enumeration:
    """All NAS-Bench-101 cells, in the cache too, where worker processes find them."""
    nasbench101.write(enumerated, cache / nasbench101.FILE)
    return enumerated
