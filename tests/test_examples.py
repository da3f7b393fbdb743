"""Examples that are programs of their own."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_path_from_a_resnet_to_a_transformer_block(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "uninas_path.py"), run_name="__main__")
    steps = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert steps[0] == "| 0 | `conv3,bn,gelu,conv3,bn,gelu` | `zero` |"
    assert steps[-1].startswith("| 18 | `attention(")
    assert len(steps) == 19
