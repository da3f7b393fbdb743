"""What the public functions return: data of the stages, with its figures and its folder."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from benchmarks.errors import InputError
from harness.evaluation import result as evaluated
from harness.evaluation import tabled
from harness.evaluation.predict import MODELS
from harness.inspect import built
from harness.report import drawings, folders, published_folder, style, tables
from harness.report import published as published_report
from harness.report import search as search_report
from harness.report import trained as trained_report
from harness.report import training as training_report
from harness.report import write as evaluation_report
from harness.scores.names import labels
from harness.search import result as searched
from harness.training import compared
from harness.training import result as training

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _Shown:
    """A result that can be written; it is the stage's own, with what only the report knows."""

    @classmethod
    def showing(cls, plain: Any) -> Self:
        """The same data with figures and folder."""
        return cls(**{field.name: getattr(plain, field.name) for field in fields(plain)})


@dataclass(frozen=True)
class Evaluation(_Shown, evaluated.Evaluation):
    """How well proxies rank; see `harness.evaluation.result.Evaluation` for its data."""

    def __repr__(self) -> str:
        """What was evaluated, in a line."""
        return f"<Evaluation: {self.title}, {len(self.table)} rankings; see .table>"

    def _repr_html_(self) -> str:
        (heading, *body), _ = self.cells()
        shown = pd.DataFrame(body, columns=heading).to_html(index=False)
        return f"<p><b>{html.escape(self.title)}</b></p>{shown}"

    @property
    def figures(self) -> list[str]:
        """Names of the figures that there is the data for."""
        return [name for name, make in evaluation_report.FIGURES.items() if make(self) is not None]

    def figure(self, name: str = "tau") -> Figure:
        """A figure: "tau", "ranking" (predicted rank against accuracy), "differences".

        Raises:
            InputError: There is no such figure, or not the data for it.
        """
        return evaluation_report.figure(self, name)

    def write(
        self, folder: str | Path, *, against: str | None = None, force: bool = False
    ) -> list[Path]:
        """Write data, tables and figures.

        Args:
            folder: Made where it is not there.
            against: Show on the page how all proxies compare with this one.
            force: Overwrite results of another protocol.

        Returns:
            The files.

        Raises:
            InputError: The folder holds results of another protocol, or cannot be written.
        """
        target = Path(folder)
        folders.claim(target, "evaluation", self.facts.get("identity", {}), force=force)
        written = evaluation_report.save(self, target)
        return written + evaluation_report.write_evaluation(self, target, against=against)

    def cells(self) -> tuple[list[list[str]], str]:
        """Heading and rows of the table as text that fits a terminal, and what is left out."""
        return tables.cells(self.table, narrow=True), tables.left_out(self.table)

    def comparison_cells(self, against: str) -> list[list[str]]:
        """Heading and rows of the paired differences to one proxy, as text."""
        name = self.labels([against])[0]
        return tables.comparison_cells(self.comparisons(name), name, narrow=True)

    @staticmethod
    def labels(names: Sequence[str]) -> list[str]:
        """What the rows of names are called: of an alias the proxy, of a formula its name."""
        return [n for name in names for n in ([name] if name in MODELS else labels([name]))]


@dataclass(frozen=True)
class SearchResult(_Shown, searched.SearchResult):
    """What searches found; see `harness.search.result.SearchResult` for its data."""

    def figure(self) -> Figure:
        """Accuracy and regret, or rank and FLOPs, against evaluations."""
        with style.house_style():
            made = search_report.figure(self)
        return made

    def write(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write data, tables, figure and winners.

        Returns:
            The files.

        Raises:
            InputError: The folder holds results of another protocol, or cannot be written.
        """
        folders.claim(Path(folder), "search", self.facts.get("identity", {}), force=force)
        return search_report.write(self, Path(folder))

    def cells(self, *, narrow: bool = False) -> list[list[str]]:
        """Heading and rows of the table as text; a narrow one fits a terminal."""
        return search_report.cells(self.table, search_report.NARROW if narrow else None)


@dataclass(frozen=True)
class TableResult(_Shown, tabled.TableResult):
    """A paper's table; see `harness.evaluation.tabled.TableResult` for its data."""

    @property
    def figures(self) -> list[str]:
        """Names of the figures."""
        return published_folder.figures(self)

    def figure(self, name: str = "published") -> Figure:
        """A figure: "published", "size", "correlation_<dataset>".

        Raises:
            InputError: There is no such figure.
        """
        return published_folder.figure(self, name)

    def write(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write data, tables and figures.

        Returns:
            The files.

        Raises:
            InputError: The folder holds results of another protocol, or cannot be written.
        """
        folders.claim(Path(folder), "table", self.facts.get("identity", {}), force=force)
        return published_folder.write(self, Path(folder))

    def cells(self, dataset: str) -> list[list[str]]:
        """Heading and rows of the paper's methods on a dataset, tau alone, as text."""
        rows = self.table[(self.table["dataset"] == dataset) & self.table["in_paper"]]
        return published_report.cells(rows, ["kendall_tau"])

    def further_cells(self, dataset: str) -> list[list[str]]:
        """Heading and rows of methods that the paper does not report, as text."""
        rows = self.table[(self.table["dataset"] == dataset) & ~self.table["in_paper"]]
        return published_report.further_cells(rows)

    @property
    def verdict(self) -> str:
        """How many published values there are, and how many lie outside our intervals."""
        return published_report.verdict(self.table)


@dataclass(frozen=True)
class Training(_Shown, training.Training):
    """A trained network; see `harness.training.result.Training` for its data."""

    def __repr__(self) -> str:
        """What was trained, for how long, and how good it is, in a line."""
        name = str(self.facts["metric"])
        value = self.figures.get(name, float("nan"))
        said = f"{self.title}, epochs {training_report.state(self)}, {name} {value:.2f}"
        return f"<Training: {said}; see .figures>"

    def figure(self, name: str = "curve") -> Figure:
        """The figure "curve": loss, learning rate and the task's figures against epochs.

        Raises:
            InputError: There is no such figure.
        """
        with style.house_style():
            made = training_report.figure(self, name)
        return made

    def write(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write data, tables and figure.

        Args:
            folder: Made where it is not there.
            force: Overwrite the result of another training.

        Returns:
            The files.

        Raises:
            InputError: The folder holds another training, or cannot be written.
        """
        target = Path(folder)
        folders.claim(target, training_report.KIND, self.facts["identity"], force=force)
        return training_report.save(self, target) + training_report.write(self, target)

    def cells(self) -> list[list[str]]:
        """Heading and rows of the table as text: a row a figure."""
        return training_report.cells(self)


@dataclass(frozen=True)
class TrainedComparison(_Shown, compared.Comparison):
    """Trained models beside a paper's; see `harness.training.compared.Comparison`."""

    @property
    def groups(self) -> list[str]:
        """Names of the data sets of the table."""
        return [group.name for group in self.published.groups]

    def write(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write the table as data, page and LaTeX.

        Returns:
            The files.

        Raises:
            InputError: The folder holds other results, or cannot be written.
        """
        folders.claim(Path(folder), trained_report.KIND, self.facts["identity"], force=force)
        return trained_report.write(self, Path(folder))

    def cells(self, group: str) -> list[list[str]]:
        """Heading and rows of a data set's columns as text, published and ours."""
        return trained_report.cells(self, group)

    @property
    def legend(self) -> list[str]:
        """What the figures rest on, and their notes, a line each."""
        return trained_report.legend(self)


@dataclass(frozen=True)
class Built(_Shown, built.Built):
    """An architecture and its network; see `harness.inspect.built.Built`."""

    def draw(self, path: str | Path) -> list[Path]:
        """Draw the architecture: a .png, .svg and .pdf of this name.

        Returns:
            The files.

        Raises:
            InputError: There is no drawing of its space, or it cannot be written.
        """
        with style.house_style():
            return style.save(drawings.figure(self.drawing), Path(path))


Result = Evaluation | SearchResult | TableResult | Training | TrainedComparison


def load(folder: Path) -> Result:
    """A result that was written into a folder; see `harness.api.load`."""
    kind = folders.read(folder)["kind"]
    if kind == "evaluation":
        return Evaluation.showing(evaluation_report.load(folder))
    if kind == "search":
        return SearchResult.showing(search_report.load(folder))
    if kind == "table":
        return TableResult.showing(published_folder.load(folder))
    if kind == training_report.KIND:
        return Training.showing(training_report.load(folder))
    if kind == trained_report.KIND:
        return TrainedComparison.showing(trained_report.load(folder))
    raise InputError(f"{folder / folders.FILE} is of the unknown kind {kind!r}")
