"""A published table beside ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks import BENCHMARKS
from benchmarks import published as reader
from benchmarks.errors import InputError
from benchmarks.published import METRICS
from harness.evaluation.published import compare
from harness.report import published, published_plots, style

TEXT = """# source: a paper, Table 9
# title: Table 9
# set: all
# protocol: mean of 3 runs
# note: c has no tau
method,type,dataset,kendall_tau,spearman,ndcg
a,simple,d,0.5,0.6,0.7
b_m,model,d,0.9,0.9,0.9
c,aggregate,d,,0.8,
"""


def ours(name: str, value: float, **more: object) -> dict[str, object]:
    row: dict[str, object] = {"proxy": name, "n": 1234, "failed": 1, "seeds": 1, "batch": "64"}
    for metric in (*METRICS, "tau_params", "tau_flops", "tau_layers"):
        row |= {metric: value, f"{metric}_low": value - 0.05, f"{metric}_high": value + 0.05}
        row[f"{metric}_sd"] = float("nan")
    return row | {"input": "gaussian", "ndcg_p": 100, "seconds": 0.1, "truth": "t"} | more


def compared(*rows: dict[str, object]) -> pd.DataFrame:
    return compare(pd.DataFrame(rows), reader.parse(TEXT, "f.csv"), "d", 64)


def test_differences_marks_order_and_missing_rows() -> None:
    rows = compared(ours("x", 0.1), ours("y", 0.3), ours("c", 0.8), ours("a", 0.56, batch="32"))
    assert rows["method"].tolist() == ["a", "b_m", "c", "y", "x"]
    assert rows["label"].tolist() == ["a (batch 32)", "b_m", "c", "y", "x"]
    assert rows["in_paper"].tolist() == [True, True, True, False, False]
    a, b, c = (rows.iloc[k] for k in range(3))
    np.testing.assert_allclose(a["kendall_tau_difference"], 0.06)
    assert a["kendall_tau_outside"]
    assert not a["spearman_outside"]
    assert (b["n"], b["kendall_tau_published"], b["kendall_tau_outside"]) == (0, 0.9, False)
    assert np.isnan(b["kendall_tau"])
    assert np.isnan(c["kendall_tau_difference"])
    assert not c["kendall_tau_outside"]
    heading, *body = published.cells(rows[rows["in_paper"]])
    assert heading[:6] == ["method", "type", "n", "tau", "published", "difference"]
    assert body[0][:6] == [
        "a (batch 32)", "simple", "1,234", "0.560 [0.510, 0.610]", "0.500", "+0.060 †",
    ]  # fmt: skip
    assert body[1][:6] == ["b_m", "model", "-", "-", "0.900", "-"]
    assert body[2][4:6] == ["-", "-"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# source: a paper, Table 9\n", "", "no line '# source"),
        ("# set: all\n", "", "no line '# set"),
        ("# note: c", "# hint: c", "should be a leading line"),
        ("spearman", "rho", "expected the columns"),
        ("model", "oracle", "type 'oracle'"),
        ("b_m,model", "a,simple", "a on d has two rows"),
        ("0.5,", "50,", "a has a figure outside"),
    ],
)
def test_malformed_files_are_refused(old: str, new: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        reader.parse(TEXT.replace(old, new, 1), "f.csv")


def test_packaged_values() -> None:
    table = BENCHMARKS["nasbench201"].published("vkdnw")
    assert (table.key, table.title, table.set_name) == ("vkdnw", "Table 1", "reachable")
    assert table.datasets == ["cifar10", "cifar100", "ImageNet16-120"]
    assert len(table.methods) == 19
    assert table.values("vkdnw", "ImageNet16-120") == {
        "kendall_tau": 0.622, "spearman": 0.814, "ndcg": 0.608,
    }  # fmt: skip
    gradsign = table.values("gradsign", "cifar10")
    assert np.isnan(gradsign["kendall_tau"])
    assert gradsign["spearman"] == 0.765


def test_tables_of_a_benchmark() -> None:
    benchmark = BENCHMARKS["nasbench201"]
    assert benchmark.papers[0] == "vkdnw"
    assert benchmark.published() is benchmark.published("vkdnw")
    for name in BENCHMARKS:
        for paper in BENCHMARKS[name].papers:
            table = BENCHMARKS[name].published(paper)
            assert table.key == paper
            assert table.set_name in BENCHMARKS[name].space.sets
            assert set(table.datasets) <= set(BENCHMARKS[name].space.datasets)
    with pytest.raises(InputError, match="no published table 'zico' of nasbench201; name one of"):
        benchmark.published("zico")
    with pytest.raises(InputError, match="no published figures of mobilenetv2"):
        BENCHMARKS["mobilenetv2"].published()


def test_packaged_values_on_all_cells() -> None:
    table = BENCHMARKS["nasbench201"].published("vkdnw_all")
    assert (table.set_name, len(table.frame)) == ("all", 27)
    assert table.values("vkdnw_agg", "cifar100")["kendall_tau"] == 0.735
    assert table.frame[["spearman", "ndcg"]].isna().all(axis=None)


def test_labels_do_not_meet() -> None:
    rng = np.random.RandomState(0)
    with style.house_style():
        figure = Figure(figsize=(6, 5))
        axes = figure.subplots()
        x, y = rng.rand(2, 20) * 0.5
        axes.plot(x, y, "o")
        boxes = published_plots.label_points(axes, x, y, [f"method_{k}" for k in range(20)])
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])


def test_a_paper_that_reports_tau_alone() -> None:
    text = TEXT.replace("0.5,0.6,0.7", "0.5,,").replace("0.9,0.9,0.9", "0.9,,")
    text = text.replace(",0.8,", ",,")
    paper = reader.parse(text, "f.csv")
    rows = compare(pd.DataFrame([ours("a", 0.4), ours("c", 0.8)]), paper, "d", 64)
    heading, *body = published.cells(rows)
    assert heading == ["method", "type", "n", "tau", "published", "difference", "rho", "nDCG"]
    assert body[0][4:] == ["0.500", "-0.100 †", "0.400 [0.350, 0.450]", "0.400 [0.350, 0.450]"]
    assert published.verdict(rows).startswith(
        "Outside our 95 % intervals: 1 of 1 published values of Kendall's tau. Not scored yet"
    )
    lines = published.latex(rows, paper, {"d": []}).splitlines()
    (under,) = (line for line in lines if "0.500" in line)
    assert under.count("&") == 5
    assert under.endswith(r"{\scriptsize ($0.500$)} &  &  \\")
    page = published.page(rows, paper, {"d": ["a line"]}, [])
    assert f"All columns: `{published.stem(paper)}.csv`" in page
