"""The command line as a user runs it, on the embedded default."""

from __future__ import annotations

import json
import pickle
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from torch import nn

from benchmarks import BENCHMARKS
from benchmarks.nasbench201.enumeration import official_order
from benchmarks.types import Batch, Benchmark
from harness.cli.app import main
from harness.evaluation.aggregates import AGGREGATES, Aggregate
from harness.proxies import register_proxy
from harness.scores.store import Store
from harness.scoring import plugins

HEADER = "proxy,n,failed,kendall_tau,kendall_tau_low,kendall_tau_high,spearman,ndcg,tau_params,"
ENDING = "tau_flops,partial_tau_params,top1_accuracy,truth"


@pytest.fixture(autouse=True)
def without_real_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a refused call says: one line, no traceback, exit code 2."""
    assert run(*arguments) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("error: ")
    assert len(message.splitlines()) == 1
    return message


def test_eval_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--sample", 6, "--batch-size", 4, "--device", "cpu", "--workers", 1)
    assert run("eval", "vkdnw", "naswot", *options, "--resamples", 50) == 0
    said = capsys.readouterr().out
    assert "analog-nasbench" in said
    folder = tmp_path / "harness-out/nasbench201/cifar10"
    evaluation = pd.read_csv(folder / "evaluation.csv")
    assert set(f"{HEADER}{ENDING}".split(",")) <= set(evaluation.columns)
    assert set(evaluation["proxy"]) == {"vkdnw", "nwot", "params", "flops", "layers"}
    assert (evaluation["n"] + evaluation["failed"] == 6).all()
    environment = json.loads((folder / "environment.json").read_text())
    assert {"python", "torch", "numpy", "nas-proxy-harness"} <= set(environment)
    page = (folder / "evaluation.md").read_text()
    for words in ("6 (seed 0) of the 9,445 of reachable", "Gaussian noise", "ori-test", "P = 1"):
        assert words in page
    for name in ("tau.png", "ranking.png"):
        assert name in page
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]

    # A second evaluation computes nothing again, and shows what the store has besides.
    assert run("eval", "synflow", *options, "--resamples", 50) == 0
    assert "30 scores are in" not in capsys.readouterr().out
    again = pd.read_csv(folder / "evaluation.csv").set_index("proxy")
    assert {"vkdnw", "nwot", "synflow"} <= set(again.index)
    before = evaluation.set_index("proxy")
    assert float(again["kendall_tau"]["vkdnw"]) == float(before["kendall_tau"]["vkdnw"])


def test_eval_of_the_whole_set_on_the_embedded_truth(tmp_path: Path) -> None:
    arguments = ("--set", "reachable", "--sample", "all", "--resamples", 20, "--out", tmp_path)
    assert run("eval", "flops", *arguments) == 0
    table = pd.read_csv(tmp_path / "nasbench201/cifar10/evaluation.csv").set_index("proxy")
    # FLOPs against the independent retraining; a fact of the package's data.
    assert table.loc["flops", "kendall_tau"] == pytest.approx(0.608, abs=0.002)
    assert table.loc["flops", "n"] == 9445


def test_real_data_reproduces_the_published_row(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(real_data))
    assert run("eval", "layers", "--sample", "all", "--resamples", 20, "--out", tmp_path) == 0
    folder = tmp_path / "nasbench201/cifar10"
    table = pd.read_csv(folder / "evaluation.csv").set_index("proxy")
    flops = table.loc["flops"]
    assert flops["kendall_tau"] == pytest.approx(0.623, abs=0.002)
    assert flops["spearman"] == pytest.approx(0.799, abs=0.002)
    assert flops["ndcg"] == pytest.approx(0.744, abs=0.01)
    assert table.loc["layers", "kendall_tau"] == pytest.approx(0.626, abs=0.002)
    assert "tau 0.921" in (folder / "evaluation.md").read_text()


def test_score_list_and_export(tmp_path: Path) -> None:
    cells = [official_order()[index] for index in (9, 13714, 284)]
    listed = tmp_path / "archs.txt"
    listed.write_text(f"# mine\n{cells[0]}\n13714\n\n284\n9\n")
    store = tmp_path / "s.sqlite"
    common = ("--store", store, "--device", "cpu", "--workers", 1)
    assert run("score", "params", "synflow", "--archs", listed, "--seeds", 2, *common) == 0
    assert run("export", "--store", store, "--benchmark", "nasbench201", tmp_path / "s.csv") == 0
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame["arch"].unique()) == [c.id for c in sorted(cells, key=_index)]
    assert list(frame["index"]) == [9, 9, 284, 284, 13714, 13714]
    assert list(frame["seed"]) == [0, 1] * 3
    assert {"params", "params_seconds", "synflow", "synflow_seconds"} <= set(frame.columns)
    assert frame["synflow"].nunique() == 6
    assert run("export", "--store", store, tmp_path / "s.parquet") == 0
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), frame, check_dtype=False)


def _index(cell: object) -> int:
    return next(k for k, other in enumerate(official_order()) if other == cell)


def test_listing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "proxies") == 0
    said = capsys.readouterr().out
    for name in ("params", "flops", "layers", "synflow", "nwot", "vkdnw", "vkdnw_exact"):
        assert name in said
    for name in ("az_nas", "vkdnw_agg", "graf_m", "vkdnw_zcs_graf_m", "rank(te_nas.ntk"):
        assert name in said
    assert run("list", "benchmarks") == 0
    assert "reachable (9,445)" in capsys.readouterr().out
    assert run("data", "info") == 0
    assert "analog" in capsys.readouterr().out


def test_agreement(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "same trainings" in refused(capsys, "data", "agreement")
    monkeypatch.setenv("HARNESS_DATA", str(real_data))
    assert run("data", "agreement") == 0
    assert "0.921" in capsys.readouterr().out


# ------------------------------------------------------------------ others' files and proxies


def test_scores_travel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [official_order()[index] for index in (9, 13714, 284, 5000)]
    listed = tmp_path / "archs.txt"
    listed.write_text("\n".join(map(str, cells)))
    common = ("--archs", listed, "--batch-size", 4, "--device", "cpu", "--workers", 1)
    assert run("score", "params", "nwot", *common) == 0
    assert run("export", "ours.json", "--truth", "analog") == 0
    assert run("export", "ours.csv", "--form", "suite-zero-csv") == 0
    content = json.loads((tmp_path / "ours.json").read_text())["cifar10"]
    assert set(content) == {str(cell.suite_zero) for cell in cells}
    assert {"params", "nwot", "test_accuracy"} <= set(content[str(cells[0].suite_zero)])

    # Somebody else's scores of three of them: another order, another name, no params.
    theirs = {
        str(cell.suite_zero): {"naswot": -content[str(cell.suite_zero)]["nwot"]["score"]}
        for cell in cells[:3]
    }
    (tmp_path / "theirs.json").write_text(json.dumps({"cifar10": theirs}))
    assert run("compare", "theirs.json", "--out", "c.csv") == 0
    assert "nasbench201 cifar10: ours and theirs.json" in capsys.readouterr().out
    (row,) = pd.read_csv(tmp_path / "c.csv").to_dict("records")
    assert (row["proxy"], row["n"], row["n_accuracy"]) == ("nwot", 3, 3)
    assert row["kendall_tau"] == row["spearman"] == pytest.approx(-1)
    assert row["tau_ours"] == -row["tau_theirs"]
    assert run("compare", "ours.csv", "--dataset", "cifar10", "--out", "c.csv") == 0
    same = pd.read_csv(tmp_path / "c.csv").set_index("proxy")
    assert same["kendall_tau"]["nwot"] == pytest.approx(1)

    assert run("import-scores", "theirs.json", "--label", "them") == 0
    assert "nwot@them" in capsys.readouterr().out
    assert run("eval", "nwot@them", "nwot", *common, "--resamples", 20) == 0
    folder = tmp_path / "harness-out/nasbench201/cifar10"
    evaluation = pd.read_csv(folder / "evaluation.csv").set_index("proxy")
    assert evaluation["n"]["nwot@them"] == 3
    assert evaluation["failed"]["nwot@them"] == 1
    assert evaluation["n"]["nwot"] == 4
    assert "imported, scored by others: nwot@them" in (folder / "evaluation.md").read_text()
    # Ours go out again without theirs; the whole table has both.
    assert run("export", "again.csv", "--form", "suite-zero-csv") == 0
    assert "@" not in (tmp_path / "again.csv").read_text()
    assert run("export", "all.csv") == 0
    assert "nwot@them" in pd.read_csv(tmp_path / "all.csv").columns


@pytest.mark.usefixtures("own_proxies")
@pytest.mark.parametrize("workers", [1, 2])
def test_the_worked_example(
    workers: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(plugins, "_loaded", {plugins.GROUP})
    example = Path(__file__).parents[3] / "examples/my_proxy.py"
    options = ("--sample", 4, "--batch-size", 2, "--device", "cpu", "--workers", workers)
    mine = ("log_grad", "my_snip", "--proxy-file", example)
    assert run("eval", *mine, *options, "--resamples", 20) == 0
    evaluation = pd.read_csv(tmp_path / "harness-out/nasbench201/cifar10/evaluation.csv")
    assert {"log_grad", "my_snip"} <= set(evaluation["proxy"])
    assert (evaluation["n"] + evaluation["failed"] == 4).all()
    assert run("list", "proxies", "--proxy-file", example) == 0
    assert "arXiv:1810.02340" in capsys.readouterr().out


def test_aggregates_and_models_stand_beside_proxies(
    tmp_path: Path, own_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @register_proxy("halves", paper="a test", input="none")
    def halves(network: nn.Module, batch: Batch) -> dict[str, float]:
        """Two parts, no score of its own."""
        size = float(sum(p.numel() for p in network.parameters()))
        return {"small": -size, "odd": size % 7}

    joint = Aggregate("halves", ("halves.small", "halves.odd"), "log-rank")
    monkeypatch.setattr(AGGREGATES, "_entries", {**AGGREGATES._entries, "halves": joint})
    options = ("--sample", 12, "--device", "cpu", "--workers", 1, "--resamples", 20)
    own = ("--aggregate", "mine=rank(flops,halves.small)", "--aggregate", "rank(flops,params)")
    assert run("eval", "halves", "graf_m", *own, *options) == 0
    folder = tmp_path / "harness-out/nasbench201/cifar10"
    table = pd.read_csv(folder / "evaluation.csv").set_index("proxy")
    rows = {"halves", "mine", "rank(flops,params)", "graf_m", "params", "flops", "layers"}
    assert set(table.index) == rows
    assert (table["n"]["halves"], table["failed"]["halves"]) == (12, 0)
    assert [table[c]["graf_m"] for c in ("n", "trained_on", "seeds")] == [6, 6, 5]
    assert table["trained_on"].notna().sum() == 1
    assert "random forest of 300 trees" in (folder / "evaluation.md").read_text()

    # What the store has besides is added: the aggregate, not the proxy that has only parts.
    assert run("eval", "params", *options) == 0
    again = pd.read_csv(folder / "evaluation.csv").set_index("proxy")
    assert set(again.index) == {"params", "flops", "layers", "halves"}
    assert "trained_on" not in again.columns


def test_parts_alone_are_no_ranking(
    tmp_path: Path, own_proxies: None, capsys: pytest.CaptureFixture[str]
) -> None:
    @register_proxy("only_parts", paper="a test", input="none")
    def only_parts(network: nn.Module, batch: Batch) -> dict[str, float]:
        """Two parts."""
        return {"one": 1.0, "two": 2.0}

    options = ("--sample", 3, "--device", "cpu", "--workers", 1, "--resamples", 20)
    message = refused(capsys, "eval", "only_parts", *options)
    assert "name one: only_parts.one, only_parts.two" in message
    assert run("eval", "params", *options) == 0  # in the store, and no obstacle


def test_scores_of_an_aggregate_are_those_of_its_members(tmp_path: Path) -> None:
    options = ("--sample", 3, "--device", "cpu", "--workers", 1, "--store", tmp_path / "s.sqlite")
    assert run("score", "rank(params,layers)", "graf_m", "flops", *options) == 0
    with Store(tmp_path / "s.sqlite") as store:
        assert {record.key.proxy for record in store.records()} == {"params", "layers", "flops"}


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("mean(params,flops)", "unknown rule 'mean'; known: log-rank, rank"),
        ("rank(params,flop)", "did you mean 'flops'"),
        ("params,flops", "no rule with members in brackets"),
        ("vkdnw=rank(params,flops)", "'vkdnw' is taken"),
    ],
)
def test_bad_formulas(formula: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--sample", 3, "--device", "cpu")
    assert words in refused(capsys, "eval", "params", "--aggregate", formula, *options)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "vkdwn"), "did you mean 'vkdnw'"),
        (("eval", "flops", "--dataset", "cifar11"), "unknown NAS-Bench-201 dataset 'cifar11'"),
        (("eval", "flops", "--set", "most"), "unknown NAS-Bench-201 set 'most'"),
        (("eval", "flops", "--benchmark", "nasbench-201"), "unknown benchmark 'nasbench-201'"),
        (("eval", "flops", "--sample", "9446"), "a sample of 9446 cannot be drawn from 9445"),
        (("eval", "flops", "--sample", "many"), "--sample takes a number or all"),
        (("eval", "flops", "--truth", "oracle"), "unknown ground truth 'oracle'"),
        (("eval", "flops", "--truth", "official"), "harness data import"),
        (("eval", "flops", "--dataset", "cifar100"), "harness data fetch nats_bench"),
        (("eval", "flops", "--split", "x-valid"), "no ground truth"),
        (("score", "nwot", "--sample", "3", "--input", "mnist"), "unknown input 'mnist'"),
        (("score", "nwot", "--sample", "3", "--input", "cifar10"), "no cifar10 images"),
        (("score", "nwot", "--sample", "3", "--batch-size", "1"), "batch size 1 is too small"),
        (("score", "nwot", "--sample", "3", "--device", "tpu"), "unknown device 'tpu'"),
        (("score", "nwot", "--archs", "none.txt"), "cannot read the architecture list none.txt"),
        (("export", "x.csv"), "there is no score store"),
        (("export", "x.xlsx"), "must end in .csv, .parquet or .json"),
        (("export", "x.csv", "--form", "suite-zero"), "must end in .json"),
        (("export", "x.csv", "--form", "suite-zero-csv"), "there is no score store"),
        (("import-scores", "none.json"), "cannot read the score file none.json"),
        (("compare", "none.csv"), "cannot read the score file none.csv"),
        (("compare", "none.csv", "--out", "x.txt"), "must end in .csv"),
        (("score", "nwot@zc"), "is imported and cannot be scored"),
        (("eval", "nwot@zc", "--sample", "3"), "no imported scores 'nwot@zc' on cifar10"),
        (("score", "mine", "--proxy-file", "none.py"), "there is no proxy file none.py"),
        (("data", "fetch", "mnist"), "unknown data source 'mnist'"),
        (("data", "import", "nasbench201", "nowhere"), "nowhere does not exist"),
    ],
)
def test_one_clear_message(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, *arguments, *_cpu(arguments))
    written = [p for p in tmp_path.rglob("*") if p.is_file() and ".sqlite" not in p.name]
    assert written == []


def _cpu(arguments: tuple[str, ...]) -> tuple[str, ...]:
    asks = arguments[0] in ("eval", "score") and "--device" not in arguments
    return ("--device", "cpu") if asks else ()


def test_malformed_architecture_in_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "archs.txt"
    listed.write_text("13714\n|conv~0|\n")
    message = refused(capsys, "score", "params", "--archs", listed)
    assert "archs.txt, line 2" in message
    assert "|conv~0|" in message


@pytest.mark.parametrize("command", ["score", "eval"])
def test_unwritable_places(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    message = refused(
        capsys, command, "params", "--sample", 3, "--store", tmp_path / "file/s.sqlite"
    )
    assert "cannot open the score store" in message
    assert (tmp_path / "file").read_text() == "in the way"


def test_unwritable_out_is_found_before_scoring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    message = refused(capsys, "eval", "params", "--sample", 3, "--out", tmp_path / "file")
    assert "choose another --out" in message


def test_store_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"this is no database, but long enough to look at" * 20)
    message = refused(capsys, "score", "params", "--sample", 3, "--store", other)
    assert "cannot be used as a score store" in message
    with sqlite3.connect(tmp_path / "foreign.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    message = refused(capsys, "score", "params", "--store", tmp_path / "foreign.sqlite")
    assert "version 99" in message


def test_damaged_and_hostile_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = [f"{d}TestAccuracy200Epochs" for d in ("CIFAR10", "CIFAR100", "ImageNet")]
    rows = [f"50,20,10,{cell}" for cell in official_order()]
    table = tmp_path / "t.csv"

    def message(lines: list[str]) -> str:
        table.write_text("\n".join([",".join([*columns, "ArchitectureString"]), *lines]))
        return refused(capsys, "eval", "params", "--sample", 9, "--truth", table)

    assert "1 of 15625 cells are missing" in message(rows[1:])
    assert "data row 15626" in message([*rows, rows[7]])
    assert "accuracy 101" in message([rows[0].replace("50", "101"), *rows[1:]])
    assert "is no NAS-Bench-201 cell" in message([*rows[1:], "50,20,10,|conv~0|"])

    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (marker,)

    hostile = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    parts: list[object] = [1, 1001, {}, Hostile()]
    hostile.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    said = refused(capsys, "data", "import", "nasbench201", hostile)
    assert "not plain data" in said
    assert "096897.pth" in said
    assert not marker.exists()


def test_a_space_without_accuracies(
    wide: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space = BENCHMARKS["nasbench201"].space
    list(BENCHMARKS)  # the real ones register themselves on first use
    monkeypatch.setattr(BENCHMARKS, "_entries", dict(BENCHMARKS._entries))
    BENCHMARKS.add("untrained", Benchmark("untrained", space))
    common = ("--benchmark", "untrained")
    assert "untrained has no accuracies" in refused(capsys, "eval", "params", *common)
    assert "no published figures" in refused(capsys, "tables", *common)
    assert "untrained has no accuracies" in refused(capsys, "data", "agreement", *common)
    assert "nothing to import" in refused(capsys, "data", "import", "untrained", "file")
    assert run("data", "fetch", "untrained") == 0
    assert run("data", "info") == 0
    assert run("list", "benchmarks") == 0
    said = capsys.readouterr().out
    assert "untrained: a space without accuracies" in said
    (listed,) = [line for line in said.splitlines() if line.count("untrained") and "│" in line]
    assert "a space without accuracies" in listed
    sample = ("--sample", 3, "--device", "cpu", "--workers", 1)
    assert run("score", "params", *common, *sample) == 0
