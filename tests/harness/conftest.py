"""Fixtures of the harness' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.proxies import PROXIES
from harness.scores.store import Store


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much where cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def own_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies that the test registers are gone after it."""
    list(PROXIES)  # the real ones register themselves on first use
    monkeypatch.setattr(PROXIES, "_entries", dict(PROXIES._entries))
    monkeypatch.setattr(PROXIES, "_aliases", dict(PROXIES._aliases))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store(tmp_path / "scores.sqlite") as opened:
        yield opened
