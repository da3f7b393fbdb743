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

#: What each room may import of the project, directly or by a function-level import. Rooms lie
#: in the order of the flow: load, score, evaluate, report; special places before their room.
KNOWS = {
    "benchmarks/": ("benchmarks",),
    "harness/evaluation/metrics.py": (),
    "harness/evaluation/": ("benchmarks", "harness.evaluation"),
    "harness/scores/store.py": ("benchmarks.errors",),
    "harness/scoring/sampling.py": ("benchmarks.errors", "benchmarks.types"),
    "harness/scoring/jacobian/": ("harness.scoring.jacobian",),
    "harness/proxies/": (
        "benchmarks.",
        "harness.proxies",
        "harness.scoring.passes",
        "harness.scoring.jacobian",
        "harness.scoring.plugins",
        "harness.scoring.fingerprint",
    ),
    "harness/scoring/": (
        "benchmarks",
        "harness.proxies",
        "harness.scoring",
        "harness.scores.store",
    ),
    # What names and columns mean, for the engine's records and for the functions that judge them.
    "harness/scores/": (
        "benchmarks",
        "harness.proxies",
        "harness.scoring",
        "harness.scores",
        "harness.evaluation.aggregates",
        "harness.evaluation.ground",
        "harness.evaluation.metrics",
        "harness.evaluation.predict",
    ),
    # Neither a space nor a proxy nor a truth: moves, columns and plain data.
    "harness/search/": (
        "benchmarks.data",
        "benchmarks.errors",
        "benchmarks.registry",
        "harness.evaluation.aggregates",
        "harness.evaluation.metrics",
        "harness.search",
    ),
    "harness/inspect/": ("benchmarks", "harness.inspect"),
    "harness/training/": (
        "benchmarks",
        "harness.inspect",
        "harness.training",
        "harness.scoring.devices",
        "harness.scoring.workers",
    ),
    # Results, and nothing that makes them.
    "harness/report/": (
        "benchmarks.data",
        "benchmarks.drawing",
        "benchmarks.errors",
        "benchmarks.published",
        "benchmarks.trained",
        "harness.evaluation.declared",
        "harness.evaluation.result",
        "harness.evaluation.tabled",
        "harness.search.result",
        "harness.search.trajectories",
        "harness.training.result",
        "harness.training.compared",
        "harness.report",
    ),
    "harness/paths.py": ("benchmarks.BENCHMARKS", "benchmarks.data"),
    "harness/pipelines/": (
        "benchmarks",
        "harness.evaluation",
        "harness.paths",
        "harness.inspect",
        "harness.pipelines",
        "harness.proxies",
        "harness.report",
        "harness.scores",
        "harness.scoring",
        "harness.search",
        "harness.training",
    ),
    "harness/results.py": (
        "benchmarks.errors",
        "harness.evaluation",
        "harness.inspect",
        "harness.report",
        "harness.scores.names",
        "harness.search.result",
        "harness.training.result",
        "harness.training.compared",
    ),
    "harness/api/": (
        "benchmarks.errors",
        "benchmarks.truth",
        "benchmarks.tables",
        "harness.api",
        "harness.evaluation",
        "harness.inspect",
        "harness.paths",
        "harness.pipelines",
        "harness.proxies",
        "harness.results",
        "harness.scoring",
    ),
    "harness/cli/options.py": (
        "benchmarks.errors",
        "harness.evaluation.aggregates",
        "harness.scoring.plugins",
    ),
    "harness/cli/": ("benchmarks.errors", "harness.api", "harness.cli", "harness.paths"),
    "harness/__init__.py": ("harness.api",),
    "harness/__main__.py": ("harness.cli",),
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
    room = next(room for room in KNOWS if relative.startswith(room))
    known = tuple(f"{name.removesuffix('.')}." for name in KNOWS[room])
    ours = [m for m in imports(path) if m.startswith(("benchmarks.", "harness."))]
    if room == "harness/cli/":  # `from harness import api, paths`
        ours = [m for m in ours if m not in ("harness.api.", "harness.paths.")]
    assert not [m for m in ours if not m.startswith(known)]


def test_no_file_is_more_than_one_story() -> None:
    lengths = {p: len(p.read_text().splitlines()) for p in FILES}
    assert not [str(p.relative_to(ROOT)) for p, length in lengths.items() if length > 500]


def test_no_function_is_longer_than_a_screen() -> None:
    """Signatures and docstrings of public functions apart, which say what their options mean."""
    long = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                start = (first.end_lineno if documented else first.lineno) or first.lineno
                if (node.end_lineno or 0) - start > 60:
                    long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not long


def test_the_house_has_few_doors() -> None:
    entries = [p for p in (ROOT / "harness").iterdir() if not p.name.startswith("__pycache__")]
    assert len([p for p in entries if not p.is_dir()]) <= 8


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
        "harness.evaluation.judge",
        "harness.evaluation.correlations",
        "harness.report.tables",
        "harness.report.plots",
        "harness.report.published",
        "harness.report.published_plots",
        "harness.report.training",
        "harness.report.trained",
        "harness.pipelines.trained",
        "benchmarks.trained",
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


def test_the_entrance_is_light() -> None:
    heavy = ("torch", "numpy", "pandas", "matplotlib", "rich", "benchmarks")
    code = f"import sys, harness; sys.exit(' '.join(m for m in {heavy} if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
