"""What an evaluation gives: a table, the scores behind it, and the protocol of both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation.compare import compare_all, turned
from harness.evaluation.ground import SIZES, Scores

#: Resamples where the facts say nothing else.
RESAMPLES = 1000


@dataclass(frozen=True)
class Evaluation:
    """How well proxies rank the architectures of a benchmark.

    Attributes:
        table: One row a proxy, of `harness.evaluation.judge.evaluate_all`.
        scores: One row an architecture: `arch`; the scores of every proxy; `accuracy` (NaN where
            it is not known), `params`, `flops`, `layers`. Scores of one seed stand in a column
            that has the proxy's name, those of several in `<proxy>#<seed>` each. A proxy that is
            itself a size has no other column than the size. Models have none.
        protocol: Lines that say what the figures rest on.
        facts: The protocol as plain data: `benchmark`, `dataset`, `set`, `sample`,
            `sample_seed`, `n`, `seeds`, `batch`, `input`, `truth`, `split`, `epochs`,
            `resamples`, `ndcg_p` (P of the nDCG, or [P, of how many]), `title` (of figures),
            `ceiling` (tau of two trainings and its interval, or None), `baselines` (proxies
            shown in grey).
        pairs: Of `harness.evaluation.compare.compare_all`, where that is known already.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    protocol: tuple[str, ...]
    facts: dict[str, Any]
    pairs: pd.DataFrame | None = None

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        scores: Mapping[str, Scores],
        truth: Accuracies,
        sizes: pd.DataFrame,
        protocol: Sequence[str],
        facts: Mapping[str, Any],
    ) -> Evaluation:
        """The result of an evaluation, from what went into it.

        Args:
            table: As the attribute.
            scores: By proxy, all of the same architectures.
            truth: Accuracies in percent, by architecture id.
            sizes: Columns `SIZES`, indexed by architecture id.
            protocol: As the attribute.
            facts: As the attribute.

        Raises:
            InputError: A proxy is called as a column that is no score.
        """
        taken = sorted({"arch", "accuracy"}.intersection(scores))
        if taken:
            raise InputError(f"{taken[0]!r} is a column of every result; rename the proxy")
        columns: dict[str, Any] = {"arch": sizes.index.to_numpy()}
        for name, scored in scores.items():
            values = scored.values.reindex(sizes.index)
            if name not in SIZES:
                several = values.shape[1] > 1
                columns |= {
                    f"{name}#{s}" if several else name: values[s].to_numpy() for s in values
                }
        columns["accuracy"] = truth.values.reindex(sizes.index).to_numpy(dtype=float)
        columns |= {size: sizes[size].to_numpy() for size in SIZES}
        return cls(table, pd.DataFrame(columns), tuple(protocol), dict(facts))

    @property
    def ranked(self) -> list[str]:
        """Proxies whose scores are there, in the order of the table."""
        seen = {column.partition("#")[0] for column in self.scores.columns}
        return [str(name) for name in self.table["proxy"] if name in seen]

    @property
    def baselines(self) -> tuple[str, ...]:
        """Proxies that are shown as what the others have to beat."""
        return tuple(self.facts.get("baselines") or ())

    @property
    def title(self) -> str:
        """Of figures."""
        return str(self.facts.get("title", "Evaluation"))

    def scores_of(self, name: str) -> Scores:
        """Scores of a proxy, indexed by architecture id, one column a seed.

        Raises:
            InputError: They are not there.
        """
        if name not in self.ranked:
            raise InputError(
                f"there are no scores of {name} in this result; there are: "
                f"{', '.join(self.ranked) or 'none, as it was read without them'}"
            )
        columns = [c for c in self.scores.columns if c == name or c.startswith(f"{name}#")]
        values = self.scores[columns].set_axis(self.scores["arch"].to_numpy(), axis=0)
        seconds = self.table.loc[self.table["proxy"] == name, "seconds"]
        return Scores(values.astype(float), float(seconds.iloc[0]))

    @property
    def has_accuracies(self) -> bool:
        """Whether scores and accuracies are there, which `compare` and figures of them need."""
        return "accuracy" in self.scores and bool(self.scores["accuracy"].notna().any())

    def compare(self, a: str, b: str) -> pd.DataFrame:
        """How much better `a` ranks than `b`, paired on architectures and resamples.

        Returns:
            One row a metric: `metric`, `n`, `difference`, `low`, `high`, `share_above`, as
            `harness.evaluation.compare.compare`.

        Raises:
            InputError: There are no scores of one, or no accuracies.
        """
        if a == b:
            raise InputError(f"{a} cannot be compared with itself; name two proxies")
        if self.pairs is None:
            rows = self._compared((a, b), b)
        else:
            self._check(a, b)
            rows = turned(self.pairs, b)
        return rows[rows["a"] == a].drop(columns=["a", "b"]).reset_index(drop=True)

    def comparisons(self, against: str | None = None) -> pd.DataFrame:
        """Comparisons of every pair of proxies, or of all with one, which is then `b`.

        Returns:
            As `compare`, with the names `a` and `b` before.

        Raises:
            InputError: There are no scores of `against`, or no accuracies.
        """
        if against is None:
            return self._all_pairs
        self._check(against)
        if self.pairs is None and "_all_pairs" not in self.__dict__:
            return self._compared(self.ranked, against)
        return turned(self._all_pairs, against)

    @functools.cached_property
    def _all_pairs(self) -> pd.DataFrame:
        return self._compared(self.ranked, None) if self.pairs is None else self.pairs

    def _check(self, *names: str) -> None:
        known = self.ranked
        if self.pairs is not None:
            known = list(dict.fromkeys([*self.pairs["a"], *self.pairs["b"]]))
        for name in names:
            if name not in known:
                raise InputError(
                    f"there are no scores of {name} in this result; there are: {', '.join(known)}"
                )

    def _compared(self, names: Sequence[str], against: str | None) -> pd.DataFrame:
        scores = {name: self.scores_of(name) for name in names}
        if not self.has_accuracies:
            raise InputError(
                "there are no accuracies in this result, so that nothing can be compared; "
                "evaluate again"
            )
        index = pd.Index(self.scores["arch"].to_numpy())
        accuracy = self.scores["accuracy"].set_axis(index).dropna()
        words = {name: str(self.facts.get(name, "")) for name in ("truth", "split")}
        return compare_all(
            scores,
            Accuracies(accuracy, words["split"], words["truth"], ""),
            self.scores[list(SIZES)].set_axis(index, axis=0),
            ndcg_p=self._ndcg_p(),
            against=against,
            resamples=int(self.facts.get("resamples", RESAMPLES)),
            seed=int(self.facts.get("resample_seed", 0)),
        )

    def _ndcg_p(self) -> Callable[[int], int]:
        """P of the nDCG for n architectures, as `benchmarks.types.Benchmark.ndcg_p`."""
        given = self.facts.get("ndcg_p")
        if given is None:
            given = int(np.nanmax(self.table["ndcg_p"]))
        if isinstance(given, int):
            return lambda n: given
        top, of = given
        return lambda n: max(1, round(top * n / of))
