"""What a store holds of a request, by one rule.

A seed counts as covered where at most `TOLERANCE` of the architectures are missing: an occasional
hole makes nothing incomplete, and a table's n and `failed` count it. `complete` asks it of values
and of all architectures, since it adds rows that nobody asked for; `held` asks it of records, since
a failure is a record too, and of the seed that has most of them.

A table of many methods is made while some are still being scored, some only with a smaller
batch. Every method is therefore judged on the architectures and seeds that it has records of,
under one batch size a proxy, and says which.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from fractions import Fraction

import pandas as pd

from harness.evaluation.ground import FEWEST, Scores
from harness.evaluation.predict import MODELS, Features
from harness.proxies import PROXIES
from harness.scores.frames import features_of, scores_of
from harness.scores.names import columns_of, labels, proxies_of
from harness.scores.names import label as label_of
from harness.scores.store import Store
from harness.scoring.engine import Request

#: Share of the architectures that may be missing of a seed that counts as covered.
TOLERANCE = Fraction(2, 100)


def covers(found: int, wanted: int) -> bool:
    """Whether so many architectures stand for all that are wanted.

    >>> covers(98, 100), covers(97, 100), covers(0, 0)
    (True, False, False)
    """
    return found > 0 and wanted - found <= TOLERANCE * wanted


class Coverage:
    """Which of a request's architectures have a record, and which a value.

    Args:
        store: Read.
        request: Benchmark, dataset, architectures, batch size and input.
    """

    def __init__(self, store: Store, request: Request) -> None:
        self._store = store
        self._request = request
        self._wanted = frozenset(request.archs)

    def records(self, proxy: str, seed: int) -> Set[str]:
        """Architectures with a record, be it a failure."""
        found = self._store.statuses(**self._request.column(PROXIES[proxy], seed))
        return self._wanted.intersection(found)

    def values(self, proxy: str, part: str | None, seed: int) -> Set[str]:
        """Architectures with a score of a proxy, or of a part of it."""
        column = self._request.column(PROXIES[proxy], seed)
        statuses = self._store.statuses(**column)
        if part is not None:
            if not covers(len(self._wanted.intersection(statuses)), len(self._wanted)):
                return frozenset()  # there is no need to read the records
            name = label_of(proxy, part)
            found = self._store.records(**column)
            return self._wanted.intersection(r.key.arch for r in found if name in r.columns())
        ok = [arch for arch in self._wanted if statuses.get(arch) == "ok"]
        # One record tells whether the proxy has a score of its own; all would be slow.
        of_one = self._store.records(**column, arch=ok[0]) if ok else ()
        return frozenset(ok if any(record.value is not None for record in of_one) else ())


def complete(store: Store, request: Request, names: Iterable[str]) -> list[str]:
    """Those of the named proxies, parts and aggregates that the store holds for the request.

    A part is held where it has a value, even if another part of its proxy failed; a proxy
    that gives only parts has no score of its own to hold; an aggregate is held with all its
    members.
    """
    coverage, wanted = Coverage(store, request), len(set(request.archs))
    found: list[str] = []
    for name in names:
        columns = [(*column, seed) for column in columns_of(name) for seed in request.seeds]
        if all(covers(len(coverage.values(*each)), wanted) for each in columns):
            found += labels([name])
    return found


@dataclass(frozen=True)
class Held:
    """What there is of one method; a `harness.evaluation.judge.Method`.

    Attributes:
        name: Proxy, aggregate or model.
        request: The part of what was asked for that the store holds, under one batch size a
            proxy; its proxies are those that the method needs.
        scores: Indexed by all architectures asked for, NaN where there is none; one column a
            seed of `request`. None of a model, which has no one score an architecture.
        features: Makes the features of a model; None of all others.
        devices: Where it was scored.
    """

    name: str
    request: Request
    scores: Scores | None
    features: Callable[[], Features] | None
    devices: tuple[str, ...]

    @property
    def records(self) -> int:
        """Architectures with a record."""
        return len(self.request.archs)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What its proxies see, "none" left out where another sees something."""
        seen = {self.request.input_of(PROXIES[name]): None for name in self.request.proxies}
        return tuple(name for name in seen if name != "none") or ("none",)

    @property
    def input(self) -> str:
        """Its `inputs`, joined by "+"."""
        return "+".join(self.inputs)

    @property
    def batches(self) -> dict[str, int]:
        """Images in the batch of each of its proxies that see any."""
        sizes = {p: self.request.batch_size_of(PROXIES[p]) for p in self.request.proxies}
        return {proxy: size for proxy, size in sizes.items() if size}

    @property
    def batch(self) -> str:
        """Its batch: "64", or "64, te_nas 32"; where all proxies share one, that alone."""
        sizes = self.batches
        if len(set(sizes.values())) <= 1:
            return "".join(str(size) for size in set(sizes.values()))
        usual = self.request.batch_size
        others = [f"{proxy} {size}" for proxy, size in sizes.items() if size != usual]
        return ", ".join([str(usual), *others])


def held(store: Store, request: Request, name: str) -> Held | None:
    """What the store holds of one method, or None where that is too little to rank.

    Of each proxy the requested batch size is taken if there are at least as many architectures
    with it as with any other, else the one with the most. A failure is a record too; an
    aggregate or a model needs records of all its members.

    Args:
        store: Read.
        request: Benchmark, dataset, architectures, seeds, batch size and input asked for; its
            proxies are not looked at.
        name: A proxy, an aggregate or a model.

    Raises:
        InputError: The name means nothing known.
    """
    request = replace(request, proxies=proxies_of([name]))
    own = {proxy: _fullest_batch(store, request, proxy) for proxy in request.proxies}
    best = _covered(store, replace(request, batch_sizes=own))
    if len(best.archs) < FEWEST:
        return None
    scores, features = None, None
    if name in MODELS:
        features = functools.partial(features_of, store, best, name)
    else:
        (scores,) = scores_of(store, best, [name]).values()
        scores = replace(scores, values=scores.values.reindex(pd.Index(request.archs)))
    where = [best.column(PROXIES[proxy], best.seeds[0]) for proxy in best.proxies]
    devices = {str(device) for each in where for device in store.distinct("device", **each)}
    return Held(name, best, scores, features, tuple(sorted(devices)))


def _fullest_batch(store: Store, request: Request, proxy: str) -> int:
    """The batch size of a proxy with the most architectures; the one asked for if it is one."""
    asked = request.batch_size_of(PROXIES[proxy])
    key = {"benchmark": request.benchmark, "dataset": request.dataset, "proxy": proxy}
    others = {int(size) for size in store.distinct("batch_size", **key) if size} - {asked}

    def architectures(size: int) -> int:
        alone = replace(request, proxies=[proxy], batch_sizes={proxy: size})
        return len(_covered(store, alone).archs)

    return max([asked, *sorted(others, reverse=True)], key=architectures)


def _covered(store: Store, request: Request) -> Request:
    """The seeds and architectures of a request that have records of all its proxies."""
    coverage = Coverage(store, request)
    by_seed: dict[int, Set[str]] = {}
    for seed in request.seeds:
        each = (coverage.records(proxy, seed) for proxy in request.proxies)
        by_seed[seed] = set(request.archs).intersection(*each)
    most = max(map(len, by_seed.values()), default=0)
    seeds = [seed for seed, archs in by_seed.items() if covers(len(archs), most)]
    common = set(request.archs).intersection(*(by_seed[seed] for seed in seeds)) if seeds else ()
    return replace(request, archs=[a for a in request.archs if a in common], seeds=seeds)


def seconds_on(store: Store, each: Held, archs: Sequence[str]) -> float:
    """Mean seconds of a method on some of its architectures; NaN where one is not there."""
    if each.scores is None or not set(archs) <= set(each.request.archs):
        return float("nan")
    part = replace(each.request, archs=list(archs))
    return scores_of(store, part, [each.name])[each.name].seconds
