"""Records of the store as frames: for the evaluation, and for export."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from harness.engine import Request
from harness.evaluate import SIZES, Scores
from harness.proxies import PROXIES
from harness.store import Key, Record, Store


def split_part(name: str) -> tuple[str, str | None]:
    """Proxy and part that a name means: "vkdnw.entropy" is the part `entropy` of `vkdnw`.

    Raises:
        InputError: The proxy is unknown.

    >>> split_part("naswot"), split_part("vkdnw.entropy")
    (('nwot', None), ('vkdnw', 'entropy'))
    """
    proxy, _, part = name.partition(".")
    return PROXIES[proxy].name, part or None


def scores_of(
    store: Store, request: Request, names: Sequence[str] | None = None
) -> dict[str, Scores]:
    """Scores by name: NaN where there is none.

    Args:
        store: Read.
        request: Says which records count.
        names: Proxies, or parts of them as `<proxy>.<part>`; default: the request's proxies.

    Raises:
        InputError: A proxy has no such part.
    """
    archs = pd.Index(request.archs)
    result = {}
    for name in request.proxies if names is None else names:
        proxy, part = split_part(name)
        columns, seconds = {}, []
        for seed in request.seeds:
            found = store.records(**request.column(PROXIES[proxy], seed))
            records = {record.key.arch: record for record in found}
            kept = [records.get(arch) for arch in request.archs]
            columns[seed] = [_value(record, part) for record in kept]
            seconds += [record.seconds for record in kept if record and record.ok]
            _check_part(proxy, part, records.values())
        values = pd.DataFrame(columns, index=archs, dtype=float)
        label = proxy if part is None else f"{proxy}.{part}"
        result[label] = Scores(values, float(np.mean(seconds)) if seconds else 0.0)
    return result


def _value(record: Record | None, part: str | None) -> float:
    if record is None:
        return np.nan
    value = record.value if part is None else record.components.get(part)
    return np.nan if value is None else value


def _check_part(proxy: str, part: str | None, records: Collection[Record]) -> None:
    known = {name for record in records for name in record.components}
    if part is not None and records and part not in known:
        parts = ", ".join(sorted(known)) or "none"
        raise InputError(f"{proxy} has no part {part!r}; its parts: {parts}")


def complete(store: Store, request: Request, names: Iterable[str]) -> list[str]:
    """Those of the named proxies that the store holds for the whole request."""
    wanted = set(request.archs)
    found = []
    for name in names:
        proxy = PROXIES[name]
        statuses = (store.statuses(**request.column(proxy, seed)) for seed in request.seeds)
        held = ({arch for arch, status in each.items() if status == "ok"} for each in statuses)
        # An occasional failure does not make a proxy incomplete; its row counts them.
        if all(len(wanted - archs) <= 0.02 * len(wanted) for archs in held):
            found.append(proxy.name)
    return found


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
) -> pd.DataFrame:
    """Every score of a benchmark and dataset, one row an architecture and seed.

    Args:
        store: Read.
        benchmark: Name.
        dataset: Its dataset key.
        batch_size: Keep only proxies' records with it (and those that see no batch).
        input: Likewise for the input.

    Returns:
        Columns `arch`, `index`, `seed`; then for every proxy its score (NaN where it failed),
        its components as `<proxy>_<component>`, and `<proxy>_seconds`. Only the newest
        version of each proxy counts.

    Raises:
        InputError: There is nothing, or a proxy was scored under several protocols.
    """
    name = BENCHMARKS[benchmark].name
    records = [
        record
        for record in store.records(benchmark=name, dataset=dataset)
        if batch_size is None or record.key.batch_size in (0, batch_size)
        if input is None or record.key.input in ("none", input)
    ]
    if not records:
        raise InputError(f"{store.path} holds no scores of {benchmark} on {dataset}")
    records = _newest(records)
    _check_one_protocol(records)
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for record in sorted(records, key=lambda r: (r.key.proxy, r.key.arch)):
        row = rows.setdefault((record.key.arch, record.key.seed), {})
        proxy = record.key.proxy
        if record.value is not None or not record.components:
            row[proxy] = np.nan if record.value is None else record.value
        row.update({f"{proxy}_{part}": value for part, value in record.components.items()})
        row[f"{proxy}_seconds"] = record.seconds
    frame = pd.DataFrame.from_dict(rows, orient="index")
    proxies = sorted({record.key.proxy for record in records})
    columns: list[str] = sorted(map(str, frame.columns), key=_column_order(proxies))
    frame = frame[columns]
    space = BENCHMARKS[benchmark].space
    archs = [arch for arch, _ in rows]
    indices = pd.Series([space.index(space.parse(arch)) for arch in archs], dtype="Int64")
    frame.insert(0, "seed", [seed for _, seed in rows])
    frame.insert(0, "index", indices.to_numpy())
    frame.insert(0, "arch", archs)
    return frame.sort_values(["index", "arch", "seed"]).reset_index(drop=True)


def _newest(records: Sequence[Record]) -> list[Record]:
    newest: dict[str, int] = {}
    for record in records:
        key = record.key
        newest[key.proxy] = max(newest.get(key.proxy, 0), key.version)
    return [record for record in records if record.key.version == newest[record.key.proxy]]


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
