"""Tables as text."""

from __future__ import annotations

import io

import pandas as pd

from harness.report import tables


def evaluation() -> pd.DataFrame:
    names = ["kendall_tau", "spearman", "ndcg", "tau_minus_params", "partial_tau_params"]
    names += ["tau_params", "tau_flops", "tau_layers", "top1_accuracy", "top1_regret"]
    names += ["precision_top5"]
    rows = []
    for proxy, tau in (("low", 0.25), ("high", 0.75)):
        row: dict[str, object] = {"proxy": proxy, "n": 1234, "failed": 2, "seeds": 1}
        for name in names:
            row |= {name: tau, f"{name}_low": tau - 0.1, f"{name}_high": tau + 0.1}
            row[f"{name}_sd"] = float("nan")
        rows.append(row | {"tie_share": 0.5, "seconds": 1.5, "ndcg_p": 131, "truth": "t"})
    return pd.DataFrame(rows)


def test_cells_are_ordered_by_tau_and_show_intervals() -> None:
    heading, *body = tables.cells(evaluation())
    assert [row[0] for row in body] == ["high", "low"]
    assert body[0][heading.index("Kendall tau")] == "0.750 [0.650, 0.850]"
    assert body[0][heading.index("n")] == "1,234"
    assert body[0][heading.index("ms/arch")] == "1,500"


def test_seeds_show_their_deviation_and_nan_is_a_dash() -> None:
    table = evaluation()
    table["seeds"] = 3
    table["kendall_tau_sd"] = 0.0123
    table["partial_tau_params"] = float("nan")
    heading, row, _ = tables.cells(table)
    assert row[heading.index("Kendall tau")] == "0.750 ± 0.012 [0.650, 0.850]"
    assert row[heading.index("partial tau | params")] == "-"


def test_narrow_columns_exist() -> None:
    assert tables.cells(evaluation(), tables.NARROW)[0] == list(tables.NARROW)


def test_csv_reads_back() -> None:
    table = evaluation()
    again = pd.read_csv(io.StringIO(tables.evaluation_csv(table)))
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_page_holds_protocol_and_figures() -> None:
    page = tables.evaluation_markdown(evaluation(), ["a protocol line"], ["tau.png"])
    assert "- a protocol line" in page
    assert "![tau](tau.png)" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
