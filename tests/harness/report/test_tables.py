"""Tables as text."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table as RichTable

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


def many(changes: dict[str, float]) -> pd.DataFrame:
    """Twenty proxies, one with a long name."""
    row = evaluation().iloc[0].to_dict()
    names = [f"vkdnw.log_volume_{k:02d}" for k in range(18)] + ["params", "log-rank(vkdnw,jacov)"]
    frame = pd.DataFrame([{**row, "proxy": name} for name in names])
    frame["n"] = 15625
    return frame.assign(**{name: float(value) for name, value in changes.items()})


@pytest.mark.parametrize("changes", [{}, {"failed": 0}, {"seeds": 3, "kendall_tau_sd": 0.012}])
def test_the_narrow_table_fits_a_terminal(changes: dict[str, float]) -> None:
    heading, *body = tables.cells(many(changes), narrow=True)
    line = tables.left_out(many(changes))
    shown = RichTable()
    for name in heading:
        shown.add_column(name, overflow="fold")
    for row in body:
        shown.add_row(*row)
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(shown)
    lines = console.export_text().splitlines()
    assert len(lines) == 20 + 4  # no cell is folded
    assert max(map(len, lines)) <= 100
    assert {"proxy", "n", "tau [95 % interval]", "rho", "ms/arch"} <= set(heading)
    assert "partial tau | params, " in line
    assert ("failed" in heading) == (changes.get("failed") != 0)


def test_a_long_name_is_shortened_in_a_narrow_table() -> None:
    name = "log-rank(vkdnw,jacov,az_nas.expressivity,az_nas.trainability,flops)"
    _, *body = tables.cells(evaluation().assign(proxy=name), narrow=True)
    assert "…" in body[0][0]
    assert body[0][0].endswith("flops)")


def test_latex_is_escaped_and_has_the_shown_columns() -> None:
    table = evaluation().assign(proxy="grad_norm", seeds=3, kendall_tau_sd=0.0123)
    text = tables.evaluation_latex(table, ["a line: 95 %"])
    assert r"grad\_norm & 1{,}234 & $0.750$ $\pm$ $0.012$ {\scriptsize [$0.650$, $0.850$]}" in text
    assert r"top-1 \% (regret)" in text
    assert "% a line: 95 %" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in rows}) == 1


def test_comparisons_with_one() -> None:
    columns = ["a", "b", "metric", "n", "difference", "low", "high", "share_above"]
    pairs = pd.DataFrame(
        [
            ("low", "x", "kendall_tau", 90, -0.1, -0.2, 0.0, 0.02),
            ("low", "x", "ndcg", 90, 0.1, 0.05, 0.2, 0.99),
            ("high", "x", "kendall_tau", 90, 0.1, 0.05, 0.2, 1.0),
            ("high", "x", "ndcg", 90, math.nan, math.nan, math.nan, math.nan),
        ],
        columns=columns,
    )
    assert tables.comparison_cells(pairs, "x") == [
        ["less x", "n", "tau", "above 0", "nDCG", "above 0"],
        ["high", "90", "+0.100 [+0.050, +0.200]", "100%", "-", "-"],
        ["low", "90", "-0.100 [-0.200, +0.000]", "2%", "+0.100 [+0.050, +0.200]", "99%"],
    ]
    long = tables.comparison_cells(pairs.assign(b="x" * 99), "x" * 99, narrow=True, width=80)
    assert len(long[0][0]) < 40
    narrow = tables.comparison_cells(pairs, "x", narrow=True)
    assert narrow[2] == ["low", "-0.100 [-0.200, +0.000]", "2%", "+0.100", "99%"]
    assert "## Compared with x" in tables.comparison_markdown(pairs, "x")


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


def test_a_proxy_without_figures_has_dashes() -> None:
    row = {"proxy": "broken", "n": 0, "failed": 9, "seeds": 1, "seconds": math.nan}
    table = pd.concat([evaluation(), pd.DataFrame([row])], ignore_index=True)
    for narrow in (False, True):
        last = tables.cells(table, narrow=narrow)[-1]
        assert last[:3] == ["broken", "0", "9"]
        assert {cell.strip("- ()") for cell in last[3:]} == {""}
    assert "broken & 0 & --" in tables.evaluation_latex(table, [])
