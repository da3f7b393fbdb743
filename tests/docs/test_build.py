"""The pages are built, and the gallery has everything that ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("sphinx")
sys.path.insert(0, str(ROOT / "docs"))

import harness  # noqa: E402
from _ext import (  # noqa: E402
    commands,
    docstrings,
    gallery,
    results,
)
from benchmarks.errors import InputError  # noqa: E402
from harness.evaluation.aggregates import AGGREGATES  # noqa: E402
from harness.evaluation.predict import MODELS  # noqa: E402
from harness.proxies import PROXIES  # noqa: E402


@pytest.fixture(scope="module")
def figures() -> gallery.Figures:
    return gallery.Figures()


def test_everything_that_ranks_has_a_page(figures: gallery.Figures) -> None:
    assert set(gallery.names()) == {*PROXIES, *AGGREGATES, *MODELS}
    for name in gallery.names():
        text = gallery.page(name, figures)
        assert text.startswith(f"# {name}\n")
        assert "Paper: " in text
        assert f"proxies/{name}.md" in gallery.overview(figures)


def test_figures_of_a_page_are_those_of_the_results(figures: gallery.Figures) -> None:
    table = pd.read_csv(gallery.table_file())
    row = table[(table["method"] == "nwot") & (table["dataset"] == "cifar10")].iloc[0]
    text = gallery.page("nwot", figures)
    assert f"| {int(row['n'])} | {row['kendall_tau']:.3f} [" in text
    assert f"{row['kendall_tau_published']:.3f}" in text


def test_the_table_is_that_of_the_first_paper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "RESULTS", tmp_path)
    with pytest.raises(InputError, match=r"no paper's table in .*; make it with harness tables"):
        gallery.table_file()
    for paper in ("another", "vkdnw"):
        folder = tmp_path / "nasbench201" / paper
        folder.mkdir(parents=True)
        (folder / "cost.csv").write_text("dataset,method,n\n")
        columns = "dataset,method,n,kendall_tau,kendall_tau_published\n"
        (folder / f"{paper}.csv").write_text(columns)
    assert gallery.table_file().name == "vkdnw.csv"


def test_the_command_reference_has_every_command_and_default() -> None:
    sections = {name: commands.section(name, command) for name, command in commands.commands()}
    assert {"harness eval", "harness list proxies", "harness data fetch"} <= set(sections)
    text = sections["harness eval"].astext()
    assert "harness eval PROXIES... [OPTIONS]" in text
    assert "--min-tau NUMBER" in text
    assert "First seed of weights and batch; default: 0" in text
    assert "--drop-diverged\n" in text


def test_every_public_function_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert not [name for name in harness.__all__ if f":: harness.{name}\n" not in page]


def test_signs_of_a_docstring_are_no_markup() -> None:
    assert docstrings.escape(["a_ *b |c| `d_*` e_f"]) == [r"a\_ \*b \|c\| `d_*` e_f"]


TEXT = """# Title

## a

| proxy | tau | note |
|:---|---:|---:|
| x | 0.1 | p \\| q |
| y | 0.2 | |

Protocol:

- n = 3

## b

| proxy |
|:---|
| z |
"""


def test_columns_and_rows_of_a_table() -> None:
    table = results.read_table(results.section(TEXT, "a"))
    assert table == (["proxy", "tau", "note"], [["x", "0.1", r"p \| q"], ["y", "0.2", ""]])
    assert results.choose(table, ["proxy", "tau"], ["y"]) == (["proxy", "tau"], [["y", "0.2"]])
    assert results.protocol(results.section(TEXT, "a")) == ["n = 3"]
    assert results.read_table(results.section(TEXT, "b"))[1] == [["z"]]


@pytest.mark.parametrize(("columns", "rows"), [(["rho"], []), ([], ["w"])])
def test_what_a_table_has_not_is_an_error(columns: list[str], rows: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no (column 'rho'|row 'w'); there are: "):
        results.choose(results.read_table(TEXT), columns, rows)


@pytest.mark.slow
def test_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "-d", tmp_path / "trees",
         ROOT / "docs", tmp_path / "html"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "[0.596, 0.641]" in (tmp_path / "html" / "results.html").read_text("utf-8")
