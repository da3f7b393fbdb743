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
        "harness.evaluation",
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_spaces_are_known_by_what_they_can_do(path: Path) -> None:
    """A space is imported by itself alone; others ask for the protocols of `benchmarks.types`."""
    spaces = {p.parent.name for p in (ROOT / "benchmarks").glob("*/space.py")}
    own = path.parts[len(ROOT.parts) + 1]
    others = tuple(f"benchmarks.{name}." for name in spaces - {own})
    assert not [m for m in imports(path) if m.startswith(others)]


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
        "harness.report.tables",
        "harness.report.plots",
        "harness.report.published",
        "harness.report.published_plots",
        "benchmarks.nasbench201.table",
        "benchmarks.nasbench201",
        "benchmarks.nasbench101",
        "benchmarks.mobilenetv2",
        "benchmarks.uninas",
        "benchmarks.uninas.drawing",
        "benchmarks.uninas.moves",
        "benchmarks.uninas.files",
        "harness.report.drawings",
        "harness.cli.app",
    ],
)
def test_loads_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def edges() -> dict[str, set[str]]:
    """For each module, the modules of the project that its text imports, wherever it does."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in FILES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = set()
        for imported in imports(path):
            whole = imported.rstrip(".")
            # "a.b.c" is the module a.b.c, or the name c of the module a.b.
            target = whole if whole in names else whole.rpartition(".")[0]
            if target in names and target != name:
                targets.add(target)
        found[name] = targets
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle, the first last too; none: no such."""
    done: set[str] = set()

    def search(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph[name]):
            found = search(target, [*way, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    found = circle(edges())
    assert not found, " -> ".join(found)
