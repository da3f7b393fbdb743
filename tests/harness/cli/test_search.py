"""`harness search` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import BENCHMARKS
from benchmarks.truth import TruthTable, resolve
from benchmarks.types import TruthSource
from harness.cli.app import main
from harness.pipelines import searching
from harness.scoring import plugins

ROOT = Path(__file__).parents[3]
#: As slow as it is told to be.
SLOW = '''
import os, time
from harness.proxies import register_proxy

@register_proxy("slow", paper="a test", needs="costs", init="none", input="none")
def slow(costs):
    """Some order of the cells."""
    time.sleep(float(os.environ.get("SLOW", "0")))
    return float(costs.flops % 9973)
'''


@pytest.fixture(autouse=True)
def without_real_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["search", *(str(argument) for argument in arguments), "--device", "cpu"])
    return int(stop.value.code or 0)


def test_several_proxies_in_one_table_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("flops", "random", "rank(flops,layers)")
    options = ("--iterations", 60, "--population", 10, "--max-flops", 120e6, "--seeds", 2)
    assert run(*wanted, *options) == 0
    folder = tmp_path / "harness-out/nasbench201/cifar10/search"
    frame = pd.read_csv(folder / "trajectory.csv")
    assert len(frame) == 3 * 2 * 60
    assert frame["flops"].max() <= 120e6
    assert set(frame["seed"]) == {123, 124}
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "trajectory.parquet"), frame, check_dtype=False, rtol=1e-5
    )
    truth = resolve(BENCHMARKS["nasbench201"], "auto", "cifar10")
    expected = truth.values.loc[frame["architecture"]].to_numpy()
    assert frame["accuracy"].to_numpy() == pytest.approx(expected, rel=1e-5)
    table = pd.read_csv(folder / "search.csv").set_index("proxy")
    space = BENCHMARKS["nasbench201"].space
    best = max(
        accuracy
        for arch, accuracy in truth.values.items()
        if space.costs(space.parse(str(arch)), "cifar10").flops <= 120e6
    )
    assert (table["accuracy"] + table["regret"]).to_numpy() == pytest.approx(best, abs=1e-3)
    page = (folder / "search.md").read_text()
    for words in (truth.protocol, "flops at most 120,000,000", "population 10", "search.png"):
        assert words in page
    assert (folder / "search.png").read_bytes().startswith(b"\x89PNG")
    assert "svg" in (folder / "search.svg").read_text()
    assert "python" in json.loads((folder / "environment.json").read_text())
    for seed in (123, 124):
        winner = json.loads((folder / f"winners/evolution_flops_{seed}.json").read_text())
        own = frame[(frame["proxy"] == "flops") & (frame["seed"] == seed)]
        assert winner["flops"] == own["flops"].max()
        assert winner["architecture"] in set(own["architecture"])
        assert (winner["space"], winner["dataset"]) == ("nasbench201", "cifar10")
    assert "analog-nasbench" in capsys.readouterr().out

    # Again, it has nothing to do and comes to the same; longer, it goes on.
    before = (folder / "trajectory.csv").read_bytes()
    assert run(*wanted, *options) == 0
    assert (folder / "trajectory.csv").read_bytes() == before
    assert "360 evaluations were made earlier" in capsys.readouterr().out
    assert run(*wanted, "--iterations", 70, *options[2:]) == 0
    longer = pd.read_csv(folder / "trajectory.csv")
    assert list(longer[longer["evaluation"] <= 60]["architecture"]) == list(frame["architecture"])

    # With other limits it is another search: nothing is overwritten.
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(*wanted, *options[:4], "--max-flops", 1e9) == 2
    assert "another protocol" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == written


@pytest.mark.usefixtures("own_proxies")
@pytest.mark.parametrize("algorithm", ["evolution", "local"])
def test_killed_and_run_again_it_comes_to_the_same(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(plugins, "_loaded", {plugins.GROUP})
    proxy = tmp_path / "slow.py"
    proxy.write_text(SLOW)
    arguments = [
        "rank(slow,params)", "--proxy-file", str(proxy), "--algorithm", algorithm,
        "--iterations", "60", "--population", "12", "--seeds", "2", "--workers", "1",
    ]  # fmt: skip
    killed = subprocess.Popen(
        [sys.executable, "-m", "harness", "search", *arguments, "--out", "a"],
        cwd=tmp_path, env={**os.environ, "SLOW": "0.1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    states = tmp_path / "a/nasbench201/cifar10/search/state"

    def evaluated() -> list[int]:
        texts = [path.read_text() for path in sorted(states.glob("[!.]*.json"))]
        return [len(json.loads(text)["evaluations"]["status"]) for text in texts]

    try:
        for _ in range(2400):
            if sum(evaluated()) > 70:  # in the second search
                break
            assert killed.poll() is None
            time.sleep(0.05)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    first, second = evaluated()
    assert first == 60
    assert 0 < second < 60
    assert not (states.parent / "trajectory.csv").exists()

    assert run(*arguments, "--out", "a") == 0
    assert run(*arguments, "--out", "b") == 0
    folders = [tmp_path / out / "nasbench201/cifar10/search" for out in "ab"]
    once, other = (pd.read_csv(folder / "trajectory.csv") for folder in folders)
    pd.testing.assert_frame_equal(once.drop(columns="seconds"), other.drop(columns="seconds"))
    for path in (folders[1] / "winners").iterdir():
        assert (folders[0] / "winners" / path.name).read_text() == path.read_text()


def test_no_accuracy_is_read_before_the_search_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ground truth that is not to be touched while a search runs."""
    searches: list[str] = []
    real, benchmark = searching.search, BENCHMARKS["nasbench201"]

    def watched(*arguments: object, **options: object) -> object:
        searches.append("begins")
        found = real(*arguments, **options)  # type: ignore[arg-type]
        searches.append("ends")
        return found

    def guarded(truth: TruthSource) -> TruthSource:
        def load(path: Path) -> TruthTable:
            searches.append("reads")
            return truth.load(path)

        return replace(truth, load=load)

    truths = [*map(guarded, benchmark.truths)]
    watching = replace(benchmark, truths=truths)
    monkeypatch.setattr(searching, "search", watched)
    monkeypatch.setattr(BENCHMARKS, "_entries", {**BENCHMARKS._entries, "nasbench201": watching})
    options = ("--iterations", 20, "--population", 5, "--seeds", 2)
    assert run("flops", "--algorithm", "aging", "--algorithm", "local", *options) == 0
    assert searches == ["begins", "ends"] * 4 + ["reads"]


class Doubled:
    """nasbench201 with a counter of its own for the limits, and a cell to begin at."""

    def __init__(self) -> None:
        self._space = BENCHMARKS["nasbench201"].space
        self.initial = self._space.parse("0")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def limits(self, cell: Any, dataset: str) -> dict[str, float]:
        costs = self._space.costs(cell, dataset)
        return {"flops": 2 * costs.flops, "params": costs.params, "layers": 1}


def test_a_space_without_accuracies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space: Any = Doubled()
    untrained = replace(BENCHMARKS["nasbench201"], space=space, truths=())
    monkeypatch.setattr(BENCHMARKS, "_entries", {"nasbench201": untrained})
    options = ("--iterations", 30, "--population", 12, "--max-flops", 100e6)
    assert run("flops", *options) == 0
    folder = tmp_path / "harness-out/nasbench201/cifar10/search"
    frame = pd.read_csv(folder / "trajectory.csv")
    assert frame["incumbent_rank"].iloc[-1] == 1
    assert "accuracy" not in frame
    assert (frame["limited_flops"] == 2 * frame["flops"]).all()
    assert frame["limited_flops"].max() <= 100e6
    first = space.parse(frame["architecture"][0])
    assert sum(a != b for a, b in zip(first.ops, space.initial.ops, strict=True)) == 1
    winner = json.loads((folder / "winners/evolution_flops_123.json").read_text())
    assert "accuracy" not in winner
    assert winner["limited_flops"] == frame["limited_flops"].max()
    assert "limited MFLOPs" in (folder / "search.md").read_text()
    assert (folder / "search.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("flops", "--algorithm", "evolutoin"), "did you mean 'evolution'"),
        (("flopps",), "did you mean 'flops'"),
        (("graf_m",), "cannot guide a search"),
        (("nwot@zc",), "cannot guide a search"),
        (("flops", "--space", "nasbench7"), "unknown benchmark"),
        (("flops", "--dataset", "mnist"), "unknown NAS-Bench-201 dataset"),
        (("flops", "--population", 20000, "--iterations", 30000), "has 15,625 arch"),
        (("flops", "--population", 100, "--iterations", 50), "from 2 to 49"),
        (("flops", "--max-flops", 1e6), "--max-flops 1,000,000); give wider"),
        (("flops", "--max-layers", 21, "--max-params", "nan"), "--max-params nan"),
        (("flops", "--truth", "nothing"), "unknown ground truth 'nothing'"),
        (("vkdnw", "--batch-size", 1, "--iterations", 200), "batch size 1 is too small"),
    ],
)
def test_one_clear_message(
    arguments: tuple[object, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("error: ")
    assert len(message.splitlines()) == 1
    assert words in message
    assert [p for p in tmp_path.rglob("*") if p.is_file() and ".sqlite" not in p.name] == []


def test_algorithms_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "algorithms"])
    said = capsys.readouterr().out
    for words in ("evolution", "aging", "arXiv:1802.01548", "local", "random"):
        assert words in said
