"""The notebook runs from top to bottom, and is committed without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docs import pages

NOTEBOOK = pages.ROOT / "examples" / "quickstart.ipynb"


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    return found


def test_it_is_committed_without_outputs(notebook: nbformat.NotebookNode) -> None:
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_it_runs(
    notebook: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in pages.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in set(os.environ) - set(pages.environment(tmp_path)):
        monkeypatch.delenv(name)
    # The notebook's own, so that figures are shown.
    monkeypatch.delenv("MPLBACKEND")
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] != "stream"
    ]
    assert any("image/png" in output["data"] for output in shown)
    tables = "\n".join(output["data"].get("text/plain", "") for output in shown)
    assert "log_gradient" in tables
    assert "share_above" in tables
    assert "az_nas" in tables
