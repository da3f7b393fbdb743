"""The one-way flow: who may import whom, and what loads without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [p for package in ("benchmarks", "harness") for p in (ROOT / package).rglob("*.py")]
PROXIES = [p for p in (ROOT / "harness/proxies").glob("*.py") if not p.name.startswith("_")]
ALGORITHMS = [
    p for p in (ROOT / "harness/search/algorithms").glob("*.py") if not p.name.startswith("_")
]

#: What a function of columns knows nothing of.
_STAGES = (
    "harness.scoring.", "harness.scores", "harness.report", "harness.pipelines", "harness.cli",
)  # fmt: skip

#: How results come about; a report knows results, and what metrics are called.
_JUDGING = (
    "aggregates", "compare", "correlations", "evaluate", "ground", "judge", "metrics", "predict",
    "published",
)  # fmt: skip

#: Each room of `harness` and those it must not know, directly or by a function-level import.
LATER = {
    "harness/evaluation/metrics.py": ("harness.",),
    "harness/scores/store.py": ("harness.",),
    "harness/scoring/sampling.py": ("harness.",),
    "harness/scoring/jacobian": ("benchmarks.",),
    "harness/proxies": (
        "harness.scoring.engine",
        "harness.scores",
        "harness.evaluation",
        "harness.report",
        "harness.pipelines",
        "harness.cli",
    ),
    "harness/scoring": (
        "harness.evaluation",
        "harness.report",
        "harness.search",
        "harness.pipelines",
        "harness.cli",
    ),
    "harness/evaluation": _STAGES,
    "harness/scores": ("harness.report", "harness.search", "harness.pipelines", "harness.cli"),
    "harness/search/": (
        "benchmarks.types",
        "benchmarks.truth",
        "benchmarks.BENCHMARKS",
        "benchmarks.nasbench",
        "benchmarks.mobilenetv2",
        "benchmarks.uninas",
        "harness.proxies",
        *_STAGES,
    ),
    "harness/inspect/describe.py": ("harness.",),
    "harness/inspect": (*_STAGES, "harness.proxies", "harness.search"),
    "harness/report": (
        "harness.scoring",
        "harness.scores",
        *(f"harness.evaluation.{name}" for name in _JUDGING),
        "harness.pipelines",
        "harness.cli",
    ),
    "harness/pipelines": ("harness.cli",),
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, with a trailing dot: prefixes match whole names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {f"{alias.name}." for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}." for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    if relative.startswith("benchmarks/"):
        assert not [m for m in imports(path) if m.startswith("harness.")]
    for room, forbidden in LATER.items():
        if relative.startswith(room):
            assert not [m for m in imports(path) if m.startswith(forbidden)]


@pytest.mark.parametrize("path", PROXIES, ids=lambda p: p.stem)
def test_no_proxy_imports_another(path: Path) -> None:
    others = {f"harness.proxies.{p.stem}." for p in PROXIES if p != path}
    assert not [m for m in imports(path) if m.startswith(tuple(others))]


@pytest.mark.parametrize("path", ALGORITHMS, ids=lambda p: p.stem)
def test_no_algorithm_imports_another(path: Path) -> None:
    others = {f"harness.search.algorithms.{p.stem}." for p in ALGORITHMS if p != path}
    assert not [m for m in imports(path) if m.startswith(tuple(others))]


@pytest.mark.parametrize(
    "module",
    [
        "harness.search",
        "harness.search.trajectories",
        "harness.report.search",
        "harness.report.search_plots",
        "harness.evaluation.metrics",
        "harness.evaluation.evaluate",
        "harness.evaluation.aggregates",
        "harness.evaluation.predict",
        "harness.evaluation.judge",
        "harness.evaluation.correlations",
        "harness.evaluation.result",
        "harness.report.tables",
        "harness.report.write",
        "harness.report.plots",
        "harness.report.published",
        "harness.report.published_plots",
        "benchmarks.nasbench201.table",
        "benchmarks.nasbench201",
        "benchmarks.mobilenetv2",
        "benchmarks.uninas",
        "benchmarks.uninas.walk",
        "benchmarks.uninas.files",
        "harness.report.uninas_drawing",
        "harness.cli.app",
    ],
)
def test_loads_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
