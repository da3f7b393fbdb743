"""`harness tables` on a store of made-up scores."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import BENCHMARKS
from benchmarks.published import METRICS
from benchmarks.truth import resolve
from harness.cli.app import main
from harness.evaluation import predict
from harness.proxies import PROXIES
from harness.scores.names import proxies_of
from harness.scores.store import Record, Store
from harness.scoring.engine import Request
from harness.scoring.sampling import sample

CELLS = 40
PARTS = {
    "az_nas": ("expressivity", "progressivity", "trainability"),
    "te_nas": ("ntk", "linear_regions"),
    "vkdnw": ("entropy", *(f"decile_{k}" for k in range(1, 10))),
    "gradsign": ("mean",),
}
ONLY_PARTS = ("az_nas", "te_nas")


def synthetic(
    store: Store,
    dataset: str,
    cells: int,
    *,
    missing: Sequence[str] = (),
    batches: dict[str, int] | None = None,
    fewer: dict[str, int] | None = None,
) -> None:
    """Scores that follow the accuracies with noise of their own; nwot's are the accuracies."""
    benchmark = BENCHMARKS["nasbench201"]
    truth = resolve(benchmark, "auto", dataset).values
    archs = [a.id for a in sample(list(benchmark.space.architectures("reachable")), cells, 0)]
    accuracies = truth.loc[archs].to_numpy(dtype=float)
    methods = benchmark.published().methods
    names = proxies_of([m for m in methods if m not in missing])
    for number, name in enumerate(n for n in [*names, "fisher"] if n not in missing):
        rng = np.random.RandomState(number)
        size = (batches or {}).get(name, 64)
        request = Request("nasbench201", dataset, archs, [name], batch_size=size)
        noise = 0 if name == "nwot" else (1 + number) * accuracies.std() / 8
        records = []
        for arch, accuracy in list(zip(archs, accuracies, strict=True))[
            : (fewer or {}).get(name, cells)
        ]:
            parts = {p: float(accuracy + noise * rng.randn()) for p in PARTS.get(name, ())}
            value = float(accuracy + noise * rng.randn())
            key = request.key(arch, PROXIES[name], 0)
            records.append(
                Record(
                    key,
                    None if name in ONLY_PARTS else value,
                    components=parts,
                    seconds=0.01 * (1 + number),
                )
            )
        store.add(records)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_tables_of_what_the_store_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Small forests, and few forward passes.
    models = functools.partial(predict.evaluate_models, trees=5)
    monkeypatch.setattr("harness.evaluation.judge.evaluate_models", models)
    monkeypatch.setattr("harness.pipelines.tabulating.TIMED", 2)
    file = tmp_path / "s.sqlite"
    with Store(file) as store:
        synthetic(
            store, "cifar10", CELLS,
            missing=["snip"], batches={"te_nas": 32}, fewer={"zico": 20, "grasp": 2},
        )  # fmt: skip
    options = ("--no-score", "--sample", CELLS, "--resamples", 20, "--store", file)
    arguments = ("tables", "--dataset", "cifar10", *options, "--out", tmp_path, "--device", "cpu")
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    folder = tmp_path / "nasbench201/vkdnw"

    table = pd.read_csv(folder / "vkdnw.csv", dtype={"batch": str}).set_index("method")
    assert list(table.index[table["in_paper"]])[:3] == ["flops", "grad_norm", "grasp"]
    assert table["in_paper"].sum() == 19
    assert "fisher" in table.index[~table["in_paper"]]
    # A perfect score ranks perfectly.
    for metric in METRICS:
        assert table.loc["nwot", metric] == pytest.approx(1)
    # Scored on fewer architectures: shown with its n; on too few: missing.
    assert table.loc["zico", "n"] == 20
    assert table.loc[["snip", "grasp"], "n"].tolist() == [0, 0]
    assert table.loc[["snip", "grasp"], "kendall_tau"].isna().all()
    # Another batch size is used, and named.
    assert [table.at["te_nas", c] for c in ("n", "batch", "label")] == [
        CELLS, "32", "te_nas (batch 32)",
    ]  # fmt: skip
    assert table.loc["vkdnw_agg", "n"] == CELLS
    # vkdnw_zcs_m needs snip; vkdnw_m has all that it needs; graf_m needs no score.
    assert table.loc["vkdnw_zcs_m", "n"] == 0
    assert [table.at["vkdnw_m", c] for c in ("n", "trained_on")] == [20, 20]
    assert [table.at["graf_m", c] for c in ("n", "trained_on")] == [8421, 1024]
    for metric in METRICS:
        difference = table[metric] - table[f"{metric}_published"]
        np.testing.assert_allclose(table[f"{metric}_difference"], difference, atol=2e-6)
        outside = (table[f"{metric}_published"] < table[f"{metric}_low"]) | (
            table[f"{metric}_published"] > table[f"{metric}_high"]
        )
        assert (table[f"{metric}_outside"] == outside).all()
    assert table["kendall_tau_outside"].any()

    page = (folder / "vkdnw.md").read_text()
    for words in (
        "| te_nas (batch 32) | aggregate | 40 |", "| snip | simple | - | - | 0.431 | - |",
        "batch 32 of", "Not scored yet: cifar10: grasp, snip", "P is 1,000 n / 9,445",
        "(seed 0) of the 9,445 of reachable", "published.png", "20 bootstrap resamples",
    ):  # fmt: skip
        assert words in page
    assert "te_nas (batch 32)" in said
    for name in ("published", "size", "correlation_cifar10"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.svg").read_text().rstrip().endswith("</svg>")
    assert {"python", "torch"} <= set(json.loads((folder / "environment.json").read_text()))
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    _check_latex((folder / "vkdnw.tex").read_text(), datasets=1)
    _check_correlations(folder, table)
    cost = pd.read_csv(folder / "cost.csv").set_index("method")
    assert cost.loc["grad_norm", "milliseconds"] == pytest.approx(10, abs=60)
    assert (cost["forward_passes"] > 0).all()
    assert "one thread" in (folder / "cost.md").read_text()


def _check_latex(text: str, datasets: int) -> None:
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert text.count("{") == text.count("}")
    assert body[0].startswith(r"\begin{tabular}")
    assert body[-1] == r"\end{tabular}"
    rows = [line for line in body if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(rows) == 1 + 2 * 19
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {1 + 4 * datasets}
    assert not re.search(r"(?<!\\)_", "\n".join(rows))
    assert r"$^\dagger$" in text


def _check_correlations(folder: Path, table: pd.DataFrame) -> None:
    pairs = pd.read_csv(folder / "correlation.csv").set_index(["a", "b"])
    assert pairs.loc[("accuracy", "nwot"), "kendall_tau"] == pytest.approx(1)
    assert pairs.loc[("accuracy", "zico"), "n"] == 20
    names = set(pairs.index.get_level_values("b"))
    assert {"params", "flops", "layers", "az_nas", "fisher"} <= names
    assert not {"vkdnw_m", "snip"} & names
    assert pairs.loc[("accuracy", "az_nas"), "kendall_tau"] == pytest.approx(
        table.loc["az_nas", "kendall_tau"], abs=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dataset", "cifar10-valid"), "has no figures of cifar10-valid; it has: cifar10"),
        (("--dataset", "cifar11"), "unknown NAS-Bench-201 dataset"),
        ((), "name the datasets with --dataset"),
        (("--dataset", "cifar10", "--store", "none.sqlite"), "no score store none.sqlite"),
    ],
)
def test_one_clear_message(
    arguments: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("tables", "--no-score", *arguments) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("error: ")
    assert words in message
    assert not list(tmp_path.glob("**/*.sqlite"))


def test_an_empty_store_gives_a_table_of_missing_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = functools.partial(predict.evaluate_models, trees=2)
    monkeypatch.setattr("harness.evaluation.judge.evaluate_models", models)
    file = tmp_path / "s.sqlite"
    with Store(file):
        pass
    options = ("--no-score", "--sample", 5, "--resamples", 20, "--store", file, "--out", tmp_path)
    assert run("tables", "--dataset", "cifar10", *options, "--device", "cpu") == 0
    table = pd.read_csv(tmp_path / "nasbench201/vkdnw/vkdnw.csv").set_index("method")
    free = ["flops", "layers", "graf_m"]  # closed forms, and what needs no score
    assert (table.loc[free, "n"] > 0).all()
    assert (table.drop([*free, "params"], errors="ignore")["n"] == 0).all()
    assert table.drop([*free, "params"], errors="ignore")["kendall_tau"].isna().all()
