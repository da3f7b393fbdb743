"""The built package in an environment of its own, outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if name.startswith(("benchmarks/", "harness/", "pyproject", "README", "LICENSE")):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.check_call([*pip, "wheel", "-q", "--no-deps", "-w", folder, source])
    (wheel,) = folder.glob("*.whl")
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
    python = folder / "venv/bin/python"
    subprocess.check_call([*pip, "--python", python, "install", "-q", "--no-deps", wheel])
    # A line of a .pth adds the folder alone: what is installed there in place is not seen.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "venv/lib" / version / "site-packages"
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python.parent


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working directory with a folder of the user's own called `benchmarks`."""
    folder = tmp_path / "work" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('not this one')")
    return tmp_path / "work"


def run(command: list[object], folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HARNESS", "PYTHON"))}
    environment["HARNESS_STORE"] = str(folder.parent / "scores.sqlite")
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, check=True, text=True,
        stdout=subprocess.PIPE,
    ).stdout  # fmt: skip


def test_evaluate_beside_a_folder_called_benchmarks(installed: Path, elsewhere: Path) -> None:
    options = ("--sample", 6, "--batch-size", 2, "--resamples", 20, "--workers", 2)
    for start in ([installed / "harness"], [installed / "python", "-m", "harness"]):
        said = run([*start, "eval", "nwot", *options], elsewhere)
        assert "analog-nasbench" in said
        assert (elsewhere / "harness-out/nasbench201/cifar10/evaluation.md").is_file()
    assert run([installed / "harness", "--version"], elsewhere).startswith("harness ")
    (elsewhere / "script.py").write_text("import harness")
    done = subprocess.run(
        [installed / "python", "script.py"], cwd=elsewhere, check=False, text=True,
        capture_output=True,
    )  # fmt: skip
    assert "hides the harness' own; rename that folder" in done.stderr


def test_what_travels_with_the_package(installed: Path, tmp_path: Path) -> None:
    code = (
        "import harness, benchmarks\n"
        "from pathlib import Path\n"
        "from harness.pipelines.check import BASELINE, read\n"
        "from benchmarks import BENCHMARKS\n"
        "assert read(BASELINE).columns\n"
        "assert 'venv' in harness.__file__ and 'venv' in benchmarks.__file__\n"
        "assert (Path(harness.__file__).parent / 'py.typed').is_file()\n"
        "benchmark = BENCHMARKS['nasbench201']\n"
        "assert all(benchmark.published(paper).source for paper in benchmark.papers)\n"
        "print('whole')"
    )
    (tmp_path / "empty").mkdir()
    assert run([installed / "python", "-c", code], tmp_path / "empty") == "whole\n"
