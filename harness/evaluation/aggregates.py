"""Rank aggregates: scores of a whole set of architectures in, one score each out.

Some methods rank a set, not a network: their score of an architecture is a sum of its ranks
under several proxies, so it changes with the set. An aggregate is a pure function of columns,
so it serves an evaluation and the history of a search alike:

>>> columns = {"a": [1.0, 2.0, 3.0], "b": [float("nan"), 5.0, 4.0]}
>>> parse_aggregate("rank(a,b)")(columns).tolist()
[2.0, 5.0, 5.0]

numpy and scipy only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchmarks.errors import InputError
from benchmarks.registry import Registry
from harness.evaluation.metrics import Array

#: By member name: (n,) scores of the same architectures, higher is better.
Columns = Mapping[str, ArrayLike]
Rule = Callable[[Columns], Array]


def average_ranks(values: ArrayLike) -> Array:
    """Ranks from the worst, 1, to the best, n; equal values share their average rank.

    NaN and -inf stand for a failed score. They are equal, and worse than every other value.

    Args:
        values: (n,) scores, higher is better; +inf is the best.

    Returns:
        (n,).

    >>> average_ranks([0.5, float("nan"), 7, float("-inf")]).tolist()
    [3.0, 1.5, 4.0, 1.5]
    """
    column = np.asarray(values, dtype=float)
    ranks: Array = stats.rankdata(np.where(np.isnan(column), -np.inf, column))
    return ranks


def log_rank(columns: Columns) -> Array:
    """sum_k log(rank_k / n): AZ-NAS (Lee and Ham, CVPR 2024, arXiv:2403.19232), its score.

    Being the worst in one column costs log n, which no other column can win back: it asks for
    architectures that are good at everything. Ranks are `average_ranks`.

    Args:
        columns: (n,) each.

    Returns:
        (n,), at most 0; 0 is the best in every column.

    Raises:
        ValueError: There is no column, or they differ in length.
    """
    return join_ranks("log-rank", _ranks(columns))


def rank_sum(columns: Columns) -> Array:
    """sum_k rank_k: TE-NAS (Chen, Gong and Wang, ICLR 2021, arXiv:2102.11535), its score.

    Arguments, errors and ranks as in `log_rank`.

    Returns:
        (n,), between 1 and n times the number of columns.
    """
    return join_ranks("rank", _ranks(columns))


def join_ranks(rule: str, ranks: Array) -> Array:
    """The joint scores that a rule of `RULES` makes of ranks that are known already.

    Args:
        rule: Its name.
        ranks: (members, n), of `average_ranks`.

    Returns:
        (n,).
    """
    terms = np.log(ranks / ranks.shape[1]) if rule == "log-rank" else ranks
    return np.asarray(terms.sum(axis=0))


def _ranks(columns: Columns) -> Array:
    """(members, n)."""
    arrays = [np.asarray(column, dtype=float) for column in columns.values()]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 1:
        raise ValueError(f"expected vectors of one length, got {sorted(shapes)}")
    return np.array([average_ranks(array) for array in arrays])


#: Rules by the name that `parse_aggregate` reads.
RULES: Mapping[str, Rule] = MappingProxyType({"log-rank": log_rank, "rank": rank_sum})


@dataclass(frozen=True)
class Aggregate:
    """A rule and the scores that it joins; called with columns, it gives the joint score.

    Attributes:
        name: What its row is called.
        members: Names of proxies, parts of them as `<proxy>.<part>`, or other aggregates.
        rule: Of `RULES`.
        paper: Where it comes from; empty for a user's own.
        summary: What it is, in a line.
    """

    name: str
    members: tuple[str, ...]
    rule: str
    paper: str = ""
    summary: str = ""

    def __call__(self, columns: Columns) -> Array:
        """Score of every architecture of a set.

        Args:
            columns: (n,) scores by member, higher is better, NaN or -inf where there is none;
                columns of others are not looked at.

        Returns:
            (n,), finite, higher is better.

        Raises:
            InputError: A member's column is not there.
        """
        missing = [member for member in self.members if member not in columns]
        if missing:
            raise InputError(f"{self.name} needs scores of {', '.join(missing)}; score them too")
        return RULES[self.rule]({member: columns[member] for member in self.members})

    @property
    def formula(self) -> str:
        """The text that `parse_aggregate` reads, without a name."""
        return f"{self.rule}({','.join(self.members)})"


#: The aggregates of the literature. A proxy of the same name gives only parts, so the name by
#: itself means the aggregate.
AGGREGATES: Registry[Aggregate] = Registry("aggregate")

for _aggregate in (
    Aggregate(
        "az_nas",
        ("flops", "az_nas.expressivity", "az_nas.progressivity", "az_nas.trainability"),
        "log-rank",
        "arXiv:2403.19232",
        "AZ-NAS: complexity, expressivity, progressivity and trainability.",
    ),
    Aggregate(
        "te_nas",
        ("te_nas.ntk", "te_nas.linear_regions"),
        "rank",
        "arXiv:2102.11535",
        "TE-NAS: conditioning of the tangent kernel and number of linear regions.",
    ),
    # The V, J, E, T and F of the paper; AZ-NAS' progressivity is none of them.
    Aggregate(
        "vkdnw_agg",
        ("vkdnw", "jacov", "az_nas.expressivity", "az_nas.trainability", "flops"),
        "log-rank",
        "arXiv:2502.04975",
        "VKDNW joined with jacov, two AZ-NAS parts and FLOPs.",
    ),
):
    AGGREGATES.add(_aggregate.name, _aggregate)

_TEXT = re.compile(r"(?:(?P<name>[^=()]*)=)?(?P<rule>[^=(),]*)\((?P<members>[^()]*)\)")
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_MEMBER = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+|@[\w.-]+)?")


def parse_aggregate(text: str) -> Aggregate:
    """Read `<rule>(<member>,...)` or `<name>=<rule>(<member>,...)`.

    Without a name, the text itself is the name. Whether the members exist is for the caller
    to find out.

    Raises:
        InputError: The text is not of that form, or its rule is unknown.

    >>> parse_aggregate("mine = log-rank(nwot, vkdnw.entropy)").members
    ('nwot', 'vkdnw.entropy')
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise InputError(_malformed(text, "it is no rule with members in brackets"))
    name, rule = match["name"], match["rule"].strip()
    if rule not in RULES:
        raise InputError(_malformed(text, f"unknown rule {rule!r}; known: {', '.join(RULES)}"))
    members = tuple(member.strip() for member in match["members"].split(","))
    for member in members:
        if not _MEMBER.fullmatch(member):
            raise InputError(_malformed(text, f"{member!r} names no proxy and no part of one"))
        if members.count(member) > 1:
            raise InputError(_malformed(text, f"{member!r} stands there twice"))
    if name is not None and not _NAME.fullmatch(name.strip()):
        raise InputError(
            _malformed(text, f"{name.strip()!r} is no name (letters, digits, - and _)")
        )
    unnamed = Aggregate("", members, rule, summary="given by its formula")
    return Aggregate(
        unnamed.formula if name is None else name.strip(), members, rule, summary=unnamed.summary
    )


def formula(text: str) -> str:
    """The text itself, checked: one that is to be an aggregate and nothing else.

    Raises:
        InputError: As `parse_aggregate`.
    """
    parse_aggregate(text)
    return text


def _malformed(text: str, reason: str) -> str:
    return (
        f"malformed aggregate {text!r}: {reason}; write it as log-rank(vkdnw,jacov,flops), "
        "rank(te_nas.ntk,nwot) or mine=log-rank(nwot,flops)"
    )
