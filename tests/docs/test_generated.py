"""Generated pages say what the registries, the results and the command line say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document

import harness
from _ext import commands, gallery, measured, plain, prose
from benchmarks.errors import InputError
from harness.evaluation.aggregates import AGGREGATES
from harness.evaluation.predict import MODELS
from harness.proxies import PROXIES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands for the build's environment: sections are not registered anywhere."""

    def section(_: object, label: str, title: str, content: list[nodes.Node]) -> nodes.section:
        return nodes.section("", nodes.title("", title), *content, ids=[nodes.make_id(label)])

    monkeypatch.setattr("_ext.pages.section", section)
    return object()


def written(found: list[nodes.Node]) -> str:
    """The text of nodes."""
    document = new_document("page", get_default_settings())
    document += found
    return document.astext()


def test_text_of_a_docstring_stays_what_it_is() -> None:
    found = prose.docstring(
        """log |det K| of K_ij = <g_i, g_j>, arXiv:2006.04647.

        Two things:
        - `a` of
          the first,
        - **b**.

        Args:
            network: In train mode,
                as always.
            batch: inputs (B, 3, R, R).

        Returns:
            score: the value.
        """
    )
    assert [type(node).__name__ for node in found] == [
        "paragraph", "paragraph", "bullet_list", "field_list"
    ]  # fmt: skip
    text = written(found)
    assert "log |det K| of K_ij = <g_i, g_j>, arXiv:2006.04647." in text
    assert "a of the first,\n\n**b**." in text
    assert "network: In train mode, as always." in text
    assert "score: the value." in text
    (link,) = found[0].findall(nodes.reference)
    assert link["refuri"] == "https://arxiv.org/abs/2006.04647"


def test_the_gallery_has_every_method_once(env: Any) -> None:
    figures = measured.read(ROOT / "results")
    sections: list[Any] = [
        section
        for part in (gallery.proxies, gallery.aggregates, gallery.models)
        for section in part(env, figures)
    ]
    ids = [section["ids"][0] for section in sections]
    assert (
        len(set(ids)) == len(ids) == len(list(PROXIES)) + len(list(AGGREGATES)) + len(list(MODELS))
    )
    assert set(gallery.links().values()) <= set(ids)


def test_figures_of_the_gallery_are_those_of_the_table(env: Any) -> None:
    figures = measured.read(ROOT / "results")
    rows = pd.read_csv(figures.file).query("dataset == 'cifar10'").set_index("method")
    row = rows.loc["nwot"]
    expected = f"{row.kendall_tau:.3f} [{row.kendall_tau_low:.3f}, {row.kendall_tau_high:.3f}]"
    sections: list[Any] = gallery.proxies(env, figures)
    (nwot,) = (section for section in sections if section["ids"] == ["proxy-nwot"])
    text = written([nwot])
    assert f"{expected} on {row.n} architectures, batch 64 of noise" in text
    assert PROXIES["nwot"].summary in text
    assert "arXiv:2006.04647" in text
    assert "naswot" in text
    cost = pd.read_csv(figures.file.parent / "cost.csv").query("dataset == 'cifar10'")
    te_nas = cost.loc[cost["method"].str.startswith("te_nas"), "milliseconds"].item()
    assert figures.methods["te_nas"].milliseconds == te_nas


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no paper's table in .*nasbench201.*harness tables"):
        measured.read(tmp_path)


def test_the_command_reference_has_every_command_and_default(env: Any) -> None:
    names = [name for name, _ in commands.commands()]
    assert {"harness eval", "harness list proxies", "harness data fetch"} <= set(names)
    (command,) = (command for name, command in commands.commands() if name == "harness eval")
    text = written([commands._section(env, "harness eval", command)])
    assert "harness eval PROXIES... [OPTIONS]" in text
    assert "--min-tau NUMBER" in text
    assert "First seed of weights and batch; default: 0" in text
    assert "--drop-diverged\n" in text


def test_every_public_function_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    missing = [name for name in harness.__all__ if f":: harness.{name}\n" not in page]
    assert not missing


def test_prose_is_no_markup() -> None:
    assert plain.escaped("(B, *shape), |x|, `f(*x)`") == r"(B, \*shape), \|x\|, `f(*x)`"
