"""Every metric, declared once: how it is computed, what it is called, where it is shown.

`evaluate`, its columns, the tables, the titles of figures and the docs iterate over `METRICS`, so
that another metric is another declaration:

>>> "kendall_tau" in METRICS.names
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.registry import Registry
from harness.evaluation import metrics
from harness.evaluation.ground import SIZES, TOP_SHARE, Measured, Ranking
from harness.evaluation.metrics import Array


@dataclass(frozen=True)
class Metric:
    r"""A metric of a ranking.

    Attributes:
        name: Its column in `evaluation.csv`, beside `<name>_low`, `_high` and `_sd`.
        title: Its heading.
        value: Of a ranking.
        bootstrap: Its values under the resamples of the ranking's ground, (resamples,).
        summary: What it is, in a line.
        long: Its name in a sentence; default: the title.
        short: Its name where there is little room; default: the title.
        symbol: Its name in LaTeX; default: the title, escaped.
        label: Its name on the axis of a figure, with mathematics; default: the long one.
        higher_is_better: None where neither is, as of a correlation with size.
        shown: "narrow": in the terminal's table and the pages; "wide": in the pages;
            "csv": in `evaluation.csv` alone.
        place: Among the columns that are shown, the lowest first; equal places in the order of
            declaration.
        interval: Whether its cell shows the interval, and the deviation over seeds.
        digits: Of its cell.
        beside: Another metric that stands in brackets in its cell.
        comparable: Whether two proxies are compared by it; a difference of differences is not.
        published: Whether papers' tables report it.
    """

    name: str
    title: str
    value: Callable[[Ranking], float]
    bootstrap: Callable[[Ranking], Array]
    summary: str
    long: str = ""
    short: str = ""
    symbol: str = ""
    label: str = ""
    higher_is_better: bool | None = True
    shown: Literal["narrow", "wide", "csv"] = "wide"
    place: int = 100
    interval: bool = True
    digits: int = 3
    beside: str = ""
    comparable: bool = False
    published: bool = False

    def __post_init__(self) -> None:
        for field, other in (("long", self.title), ("short", self.title), ("label", self.long)):
            object.__setattr__(self, field, getattr(self, field) or other or self.title)

    def measure(self, ranking: Ranking) -> Measured:
        """Its value, and its values under resampling."""
        return Measured(self.value(ranking), self.bootstrap(ranking))


#: Every metric, by name, in the order of the columns of `evaluation.csv` (`METRICS.names`).
METRICS: Registry[Metric] = Registry("metric")


def declared(names: Iterable[str] | None = None) -> list[Metric]:
    """Metrics in the order of their declaration.

    Args:
        names: Only these; default: all.

    Raises:
        InputError: A name is none of them.
    """
    return [METRICS[name] for name in (METRICS.names if names is None else names)]


def shown(narrow: bool = False) -> list[Metric]:
    """Metrics that a table shows, in its order; a narrow one shows fewer."""
    kinds = ("narrow",) if narrow else ("narrow", "wide")
    return sorted((m for m in declared() if m.shown in kinds), key=lambda m: m.place)


def comparable() -> list[Metric]:
    """Metrics by which two proxies are compared."""
    return [metric for metric in declared() if metric.comparable]


def published_metrics() -> list[Metric]:
    """Metrics that papers' tables report."""
    return [metric for metric in declared() if metric.published]


def measure(ranking: Ranking, chosen: Iterable[Metric] | None = None) -> dict[str, Measured]:
    """Metrics of a ranking, by name.

    Args:
        ranking: A column of scores on its ground.
        chosen: Which; default: all.
    """
    return {m.name: m.measure(ranking) for m in (declared() if chosen is None else chosen)}


def _declare(metric: Metric) -> None:
    METRICS.add(metric.name, metric)


_declare(
    Metric(
        "kendall_tau",
        "Kendall tau",
        lambda ranking: ranking.tau.value,
        lambda ranking: ranking.tau.drawn,
        "Kendall's tau-b of scores and accuracies: concordant less discordant pairs.",
        long="Kendall's tau",
        short="tau",
        symbol=r"$\tau$",
        label=r"Kendall's $\tau$",
        shown="narrow",
        place=10,
        comparable=True,
        published=True,
    )
)
_declare(
    Metric(
        "spearman",
        "Spearman",
        lambda r: metrics.spearman_rho(r.scores, r.ground.accuracies),
        lambda r: metrics.bootstrap_spearman(r.scores, r.ground.accuracies, r.ground.weights),
        "Spearman's rho: the linear correlation of the ranks.",
        long="Spearman's rho",
        short="rho",
        symbol=r"$\rho$",
        label=r"Spearman's $\rho$",
        shown="narrow",
        place=20,
        comparable=True,
        published=True,
    )
)
_declare(
    Metric(
        "ndcg",
        "nDCG",
        lambda r: metrics.ndcg(r.scores, r.ground.accuracies, r.top, r.ground.seed),
        lambda r: r.at_top["ndcg"],
        "Normalised discounted cumulative gain of the best P by score.",
        shown="narrow",
        place=30,
        comparable=True,
        published=True,
    )
)
_declare(
    Metric(
        "top1_accuracy",
        "top-1 % (regret)",
        lambda r: metrics.top1_accuracy(r.scores, r.ground.accuracies, r.ground.seed),
        lambda r: r.at_top["top1_accuracy"],
        "Accuracy of the architecture with the best score, in percent.",
        long="top-1 accuracy",
        place=80,
        interval=False,
        digits=2,
        beside="top1_regret",
    )
)
_declare(
    Metric(
        "top1_regret",
        "regret",
        lambda r: (
            float(r.ground.accuracies.max())
            - metrics.top1_accuracy(r.scores, r.ground.accuracies, r.ground.seed)
        ),
        lambda r: r.at_top["top1_regret"],
        "The best accuracy there is less the top-1 accuracy.",
        long="top-1 regret",
        higher_is_better=False,
        shown="csv",
        digits=2,
    )
)
_declare(
    Metric(
        "precision_top5",
        "prec. top 5%",
        lambda r: metrics.precision_at_top(r.scores, r.ground.accuracies, TOP_SHARE, r.ground.seed),
        lambda r: r.at_top["precision_at_top"],
        "Share of the best 5 % by score that are among the best 5 % by accuracy.",
        long="precision at the top 5 %",
        place=90,
        interval=False,
    )
)
for _size, _title, _place in zip(
    SIZES, ("tau to params", "to flops", "to layers"), (60, 70, 71), strict=True
):
    _declare(
        Metric(
            f"tau_{_size}",
            _title,
            lambda ranking, size=_size: ranking.tau_to(size).value,  # type: ignore[misc]
            lambda ranking, size=_size: ranking.tau_to(size).drawn,  # type: ignore[misc]
            f"Kendall's tau of the scores to {_size}: how much a proxy ranks by size.",
            long=f"Kendall's tau to {_size}",
            short=f"to {_size}",
            symbol=rf"$\tau_\mathrm{{{_size}}}$",
            higher_is_better=None,
            shown="narrow" if _size == "params" else "wide",
            place=_place,
            interval=False,
        )
    )
_declare(
    Metric(
        "partial_tau_params",
        "partial tau | params",
        lambda r: float(
            metrics.partial_tau(r.tau.value, r.tau_to("params").value, r.tau_of("params").value)
        ),
        lambda r: metrics.partial_tau(
            r.tau.drawn, r.tau_to("params").drawn, r.tau_of("params").drawn
        ),
        "Kendall's partial tau of scores and accuracies given the number of parameters.",
        long="partial tau given params",
        symbol=r"$\tau_{\cdot\mid\mathrm{params}}$",
        place=50,
        interval=False,
    )
)
_declare(
    Metric(
        "tau_minus_params",
        "tau - tau(params)",
        lambda r: r.tau.value - r.tau_of("params").value,
        lambda r: r.tau.drawn - r.tau_of("params").drawn,
        "By how much tau exceeds that of the number of parameters, on the same resamples.",
        long="tau less that of params",
        short="over params",
        symbol=r"$\tau - \tau(\mathrm{params})$",
        shown="narrow",
        place=40,
    )
)
