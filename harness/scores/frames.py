"""Records of the store as frames: for the evaluation, and for export."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.types import HasFeatures
from harness.evaluation import predict
from harness.evaluation.ground import SIZES, Scores
from harness.evaluation.predict import MODELS, Features
from harness.proxies import PROXIES
from harness.scores.names import (
    IMPORTED,
    aggregate_of,
    check_model,
    columns_of,
    imported_key,
    is_imported,
    label,
    labels,
    only_parts,
    split_part,
    unknown_part,
)
from harness.scores.store import Key, Record, Store
from harness.scoring.engine import Request
from harness.scoring.plugins import FIRST_HASH


def scores_of(
    store: Store, request: Request, names: Sequence[str] | None = None
) -> dict[str, Scores]:
    """Scores by name: NaN where there is none.

    An aggregate is computed for each seed over the request's architectures. Where some member
    has no score, the architecture ranks worst in it; where none has, there is none. Its seconds
    are those of its proxies, each once.

    Args:
        store: Read.
        request: Says which records count.
        names: Proxies, parts of them as `<proxy>.<part>`, or aggregates, registered or as a
            formula; default: the request's proxies.

    Raises:
        InputError: A proxy has no such part, or only parts; two formulas share a name.
    """
    reader = Reader(store, request)
    called = labels(request.proxies if names is None else names)
    return {each: reader.scores(name) for each, name in called.items()}


def features_of(store: Store, request: Request, model: str) -> Features:
    """Features of a model on the request's architectures.

    Raises:
        InputError: The model is unknown, or its features are not those of the benchmark.
    """
    return Reader(store, request).features(model)


def rankings_of(
    store: Store, request: Request, names: Sequence[str]
) -> tuple[dict[str, Scores], dict[str, Features]]:
    """What the names mean, as `harness.evaluation.evaluate.evaluate_all` takes it.

    Args:
        store: Read.
        request: Says which records count.
        names: Proxies, parts, aggregates and models.

    Returns:
        Scores by name, and of the models their features.

    Raises:
        InputError: A name means nothing, or its scores are not there.
    """
    reader = Reader(store, request)
    models = [name for name in dict.fromkeys(names) if name in MODELS]
    others = labels(name for name in names if name not in MODELS)
    scores = {each: reader.scores(name) for each, name in others.items()}
    return scores, {model: reader.features(model) for model in models}


def check_imported(store: Store, request: Request, names: Sequence[str]) -> None:
    """See that the store holds all imported scores among the names.

    Raises:
        InputError: It does not; the message lists those that there are.
    """
    key = {"benchmark": BENCHMARKS[request.benchmark].name, "dataset": request.dataset}
    there = {str(name) for name in store.distinct("proxy", **key, input=IMPORTED)}
    for name in names:
        if is_imported(name) and name not in there:
            raise InputError(
                f"{store.path} holds no imported scores {name!r} on {request.dataset}; there are: "
                f"{', '.join(sorted(there)) or 'none'}. Get some with harness import-scores FILE"
            )


class Reader:
    """Columns of a request; the records of a proxy and seed are read once.

    Args:
        store: Read.
        request: Says which records count.
    """

    def __init__(self, store: Store, request: Request) -> None:
        self._store = store
        self._request = request
        self._records: dict[tuple[str, int], dict[str, Record]] = {}

    def records(self, proxy: str, seed: int) -> dict[str, Record]:
        """By architecture, whether the request asks for it or not."""
        if (proxy, seed) not in self._records:
            found = self._store.records(**self._request.column(PROXIES[proxy], seed))
            self._records[proxy, seed] = {record.key.arch: record for record in found}
        return self._records[proxy, seed]

    def scores(self, name: str) -> Scores:
        """Scores of a proxy, part or aggregate.

        Raises:
            InputError: A proxy has no such part, or only parts.
        """
        if is_imported(name):
            return self._imported(name)
        aggregate = aggregate_of(name)
        if aggregate is None:
            return self._column(*split_part(name))
        members = {member: self.scores(member).values for member in aggregate.members}
        archs = pd.Index(self._request.archs)
        values = pd.DataFrame(index=archs, columns=list(self._request.seeds), dtype=float)
        for seed in self._request.seeds:
            columns = {member: frame[seed].to_numpy() for member, frame in members.items()}
            scored = np.any([np.isfinite(column) for column in columns.values()], axis=0)
            values[seed] = np.where(scored, aggregate(columns), np.nan)
        return Scores(values, self.seconds(columns_of(name)))

    def features(self, model: str) -> Features:
        """Features of a model.

        Raises:
            InputError: The model is unknown, its features are not those of the benchmark, or a
                member has no such part.
        """
        chosen = MODELS[model]
        check_model(model, self._request.benchmark)
        scores = {each: self.scores(name) for each, name in labels(chosen.members).items()}
        seconds = self.seconds(columns_of(model))
        space, archs = BENCHMARKS[self._request.benchmark].space, self._request.archs
        graph = None
        if chosen.graf and isinstance(space, HasFeatures):
            graph = space.graph_features([space.parse(arch) for arch in archs])
        return predict.features_of(chosen, scores, archs, seconds, graph)

    def seconds(self, columns: Sequence[tuple[str, str | None]]) -> float:
        """Mean seconds an architecture of the distinct proxies together."""
        parts = dict(reversed(columns))  # the first of each proxy's
        return sum(self._column(proxy, part).seconds for proxy, part in parts.items())

    def _imported(self, name: str) -> Scores:
        """Imported scores: one column, since they know nothing of our seeds."""
        request = self._request
        check_imported(self._store, request, [name])
        key = asdict(imported_key(request.benchmark, request.dataset, "", name))
        del key["arch"]
        records = {record.key.arch: record for record in self._store.records(**key)}
        values = [value_of(records.get(arch), None) for arch in request.archs]
        frame = pd.DataFrame({request.seeds[0]: values}, pd.Index(request.archs), dtype=float)
        seconds = [records[arch].seconds for arch in request.archs if arch in records]
        return Scores(frame, float(np.mean(seconds)) if seconds else 0.0)

    def _column(self, proxy: str, part: str | None) -> Scores:
        """Scores of a proxy or part."""
        columns, seconds = {}, []
        for seed in self._request.seeds:
            records = self.records(proxy, seed)
            check_part(proxy, part, records.values())
            kept = [records.get(arch) for arch in self._request.archs]
            columns[seed] = values = [value_of(record, part) for record in kept]
            pairs = zip(kept, values, strict=True)
            seconds += [record.seconds for record, v in pairs if record and not np.isnan(v)]
        frame = pd.DataFrame(columns, index=pd.Index(self._request.archs), dtype=float)
        return Scores(frame, float(np.mean(seconds)) if seconds else 0.0)


def value_of(record: Record | None, part: str | None) -> float:
    """Score of a record, or of a part of it; NaN where there is none."""
    if record is None:
        return np.nan
    value = record.columns().get(label(record.key.proxy, part))
    return np.nan if value is None else value


def check_part(proxy: str, part: str | None, records: Collection[Record]) -> None:
    """See that a proxy has a part, or with None a score of its own, judged by its records.

    Raises:
        InputError: It has not.
    """
    # A record with a failed part lacks it, so only whole ones tell what parts there are.
    whole = [record for record in records if record.ok]
    known = sorted({name for record in whole for name in record.components})
    if part is None and any(record.value is None for record in whole):
        raise only_parts(proxy, known)
    if part is not None and whole and part not in known:
        raise unknown_part(proxy, part, known)


def sizes_of(request: Request) -> pd.DataFrame:
    """Closed-form `SIZES` of the request's architectures, indexed by id."""
    space = BENCHMARKS[request.benchmark].space
    costs = (space.costs(space.parse(arch), request.dataset) for arch in request.archs)
    rows = [[getattr(cost, size) for size in SIZES] for cost in costs]
    return pd.DataFrame(rows, index=pd.Index(request.archs), columns=list(SIZES))


def export_frame(
    store: Store,
    benchmark: str,
    dataset: str,
    *,
    batch_size: int | None = None,
    input: str | None = None,  # noqa: A002 - the option's name
    proxies: Collection[str] = (),
) -> pd.DataFrame:
    """Every score of a benchmark and dataset, one row an architecture and seed.

    Args:
        store: Read.
        benchmark: Name.
        dataset: Its dataset key.
        batch_size: Keep only proxies' records with it (and those that see no batch).
        input: Likewise for the input.
        proxies: Keep only these; none: all.

    Returns:
        Columns `arch`, `index`, `seed`; then for every proxy its score (NaN where it failed),
        its components as `<proxy>_<component>`, and `<proxy>_seconds`. Only the newest
        version of each proxy counts, of one from a proxy file that of the file at hand.
        `attrs["left_out"]` names proxies that were scored with other contents of their file.

    Raises:
        InputError: There is nothing, or a proxy was scored under several protocols.
    """
    records, left_out = chosen_records(
        store, benchmark, dataset, batch_size=batch_size, input=input, proxies=proxies
    )
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for record in sorted(records, key=lambda r: (r.key.proxy, r.key.arch)):
        row = rows.setdefault((record.key.arch, record.key.seed), {})
        proxy = record.key.proxy
        for name, value in record.columns().items():
            column = proxy + name.removeprefix(proxy).replace(".", "_", 1)
            row[column] = np.nan if value is None else value
        row[f"{proxy}_seconds"] = record.seconds
    frame = pd.DataFrame.from_dict(rows, orient="index")
    scored = sorted({record.key.proxy for record in records})
    columns: list[str] = sorted(map(str, frame.columns), key=_column_order(scored))
    frame = frame[columns]
    space = BENCHMARKS[benchmark].space
    archs = [arch for arch, _ in rows]
    indices = pd.Series([space.index(space.parse(arch)) for arch in archs], dtype="Int64")
    frame.insert(0, "seed", [seed for _, seed in rows])
    frame.insert(0, "index", indices.to_numpy())
    frame.insert(0, "arch", archs)
    frame = frame.sort_values(["index", "arch", "seed"]).reset_index(drop=True)
    frame.attrs["left_out"] = left_out
    return frame


def chosen_records(
    store: Store,
    benchmark: str,
    dataset: str,
    *,
    batch_size: int | None = None,
    input: str | None = None,  # noqa: A002 - the option's name
    proxies: Collection[str] = (),
) -> tuple[list[Record], list[str]]:
    """Records of the current version of every proxy, under one protocol; arguments as above.

    Returns:
        The records, and the proxies that are left out because their file was edited since.
    """
    name = BENCHMARKS[benchmark].name
    wanted = {p if is_imported(p) else split_part(p)[0] for p in proxies}
    where = {"proxy": sorted(wanted)} if wanted else {}
    records = [
        record
        for record in store.records(benchmark=name, dataset=dataset, **where)
        if batch_size is None or record.key.batch_size in (0, batch_size)
        if input is None or record.key.input in ("none", input)
    ]
    if not records:
        of = f" of {', '.join(sorted(wanted))}" if wanted else ""
        raise InputError(f"{store.path} holds no scores{of} of {benchmark} on {dataset}")
    records, edited = _newest(records)
    if edited and (edited & wanted or not records):
        raise InputError(
            f"{', '.join(sorted(edited))} was scored with other code than it has now; name its "
            "file with --proxy-file, or score again with it as it is"
        )
    _check_one_protocol(records)
    return records, sorted(edited)


def _newest(records: Sequence[Record]) -> tuple[list[Record], set[str]]:
    """Records of each proxy's current version, and the proxies that have none of that."""
    versions: dict[str, set[int]] = {}
    for record in records:
        versions.setdefault(record.key.proxy, set()).add(record.key.version)
    newest = {proxy: max(several) for proxy, several in versions.items()}
    edited = set()
    for proxy, several in versions.items():
        if newest[proxy] < FIRST_HASH:
            continue
        # Versions from proxy files are hashes: the one that counts is that of the file at hand.
        current = PROXIES[proxy].version if proxy in PROXIES else None
        if current is None and len(several) == 1:
            continue
        if current not in several:
            edited.add(proxy)
        else:
            newest[proxy] = current
    kept = [r for r in records if r.key.version == newest[r.key.proxy]]
    return [record for record in kept if record.key.proxy not in edited], edited


def _check_one_protocol(records: Sequence[Record]) -> None:
    protocols: dict[str, set[tuple[int, str, str]]] = {}
    for record in records:
        key: Key = record.key
        protocols.setdefault(key.proxy, set()).add((key.batch_size, key.input, key.init))
    for proxy, several in protocols.items():
        if len(several) > 1:
            kinds = "; ".join(f"batch {b}, {i} input" for b, i, _ in sorted(several))
            raise InputError(
                f"{proxy} was scored under several protocols ({kinds}); "
                "choose one with --batch-size and --input"
            )


def _column_order(proxies: Sequence[str]) -> Callable[[str], tuple[int, int, int, str]]:
    """Sorts columns by proxy: score, components, seconds."""

    def order(column: str) -> tuple[int, int, int, str]:
        # The longest proxy name that the column starts with owns it.
        owner = max((p for p in proxies if column == p or column.startswith(f"{p}_")), key=len)
        part = column[len(owner) :]
        kind = 0 if not part else 2 if part == "_seconds" else 1
        return proxies.index(owner), kind, len(part), part

    return order
