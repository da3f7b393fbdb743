"""What names mean: proxies, parts of them, aggregates, models, scores of somebody else's file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.registry import near
from benchmarks.types import HasFeatures
from harness.evaluation import predict
from harness.evaluation.aggregates import AGGREGATES, Aggregate, parse_aggregate
from harness.evaluation.predict import MODELS
from harness.proxies import PROXIES
from harness.scores.store import Key

#: Input and initialisation of imported scores: what they really were, the file does not say.
IMPORTED = "imported"


def is_imported(name: str) -> bool:
    """Whether a name is that of imported scores, `<proxy>@<label>`.

    >>> is_imported("nwot@suite_zero"), is_imported("nwot")
    (True, False)
    """
    return "@" in name


def imported_key(benchmark: str, dataset: str, arch: str, name: str) -> Key:
    """Key of one imported score: no version, seed or batch of ours."""
    return Key(benchmark, dataset, arch, name, 0, 0, 0, IMPORTED, IMPORTED)


def split_part(name: str) -> tuple[str, str | None]:
    """Proxy and part that a name means: "vkdnw.entropy" is the part `entropy` of `vkdnw`.

    Imported scores ("nwot@suite_zero") have no parts.

    Raises:
        InputError: The proxy is unknown, or declares its parts and has no such one.

    >>> split_part("naswot"), split_part("vkdnw.entropy")
    (('nwot', None), ('vkdnw', 'entropy'))
    """
    if is_imported(name):
        return name, None
    proxy, _, part = name.partition(".")
    if proxy not in PROXIES.names and proxy not in (aliases := _aliases()) and proxy not in PROXIES:
        raise _unknown(proxy, aliases)
    found = PROXIES[proxy]
    # A proxy need not say what parts it has.
    declared: Sequence[str] | None = getattr(found, "parts", None)
    if part and declared is not None and part not in declared:
        raise unknown_part(found.name, part, declared)
    return found.name, part or None


def _aliases() -> list[str]:
    return [alias for each in PROXIES for alias in PROXIES.aliases(each)]


def _unknown(name: str, aliases: Sequence[str]) -> InputError:
    """The error of a name that means nothing; aggregates and models may have been meant too."""
    known = sorted({*PROXIES, *AGGREGATES, *MODELS})
    meant = near(name, [*known, *aliases])
    hint = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else "."
    return InputError(f"unknown proxy {name!r}{hint} Known: {', '.join(known)}")


def unknown_part(proxy: str, part: str, known: Sequence[str]) -> InputError:
    """The error of a part that a proxy does not have; it names near ones, and all there are."""
    meant = [f"{proxy}.{name}" for name in near(part, known)]
    hint = f"; did you mean {' or '.join(map(repr, meant))}? Its" if meant else "; its"
    return InputError(
        f"{proxy} has no part {part!r}{hint} parts: {', '.join(sorted(known)) or 'none'}"
    )


def only_parts(proxy: str, known: Iterable[str]) -> InputError:
    """The error of a proxy that is to rank by itself, and gives only parts."""
    names = ", ".join(f"{proxy}.{name}" for name in sorted(known))
    return InputError(f"{proxy} has parts and no score of its own; name one: {names}")


def aggregate_of(name: str) -> Aggregate | None:
    """The aggregate that a name means: a registered one, or one written as a formula.

    Raises:
        InputError: A formula is malformed, or gives itself a name that is taken.

    >>> aggregate_of("mine=rank(nwot,synflow)").members, aggregate_of("nwot")
    (('nwot', 'synflow'), None)
    """
    if name in AGGREGATES:
        return AGGREGATES[name]
    if not set(name) & set("(=)"):
        return None
    aggregate = parse_aggregate(name)
    if aggregate.name in (*AGGREGATES, *MODELS, *PROXIES):
        raise InputError(f"{name!r}: {aggregate.name!r} is taken; choose another name")
    return aggregate


def columns_of(name: str) -> list[tuple[str, str | None]]:
    """Proxies and parts whose scores a name rests on, each once.

    Args:
        name: A proxy, a part as `<proxy>.<part>`, an aggregate or a model; imported scores
            rest on none.

    Raises:
        InputError: The name means nothing known.

    >>> columns_of("te_nas")
    [('te_nas', 'ntk'), ('te_nas', 'linear_regions')]
    """
    aggregate = aggregate_of(name)
    if aggregate is not None:
        members: Sequence[str] = aggregate.members
    elif name in MODELS:
        members = MODELS[name].members
    elif is_imported(name):
        return []
    else:
        return [split_part(name)]
    return list(dict.fromkeys(column for member in members for column in columns_of(member)))


def proxies_of(names: Iterable[str]) -> list[str]:
    """Proxies that have to be scored for the named proxies, parts, aggregates and models.

    Raises:
        InputError: A name means nothing known.
    """
    return list(dict.fromkeys(proxy for name in names for proxy, _ in columns_of(name)))


def label(proxy: str, part: str | None) -> str:
    """The column of a proxy or part, as `harness.scores.store.Record.columns` names it."""
    return proxy if part is None else f"{proxy}.{part}"


def labels(names: Iterable[str]) -> dict[str, str]:
    """Names by what their rows are called, each once.

    Raises:
        InputError: A name means nothing known, or two different aggregates have one name.
    """
    result: dict[str, str] = {}
    for name in names:
        aggregate = aggregate_of(name)
        called = label(*split_part(name)) if aggregate is None else aggregate.name
        if aggregate != aggregate_of(result.setdefault(called, name)):
            raise InputError(f"{called!r} names two aggregates; give them different names")
    return result


def check_names(names: Sequence[str], benchmark: str) -> None:
    """See, before any work is done, that what the names mean can be scored on a benchmark.

    Raises:
        InputError: A name means nothing known, two aggregates share one, a model's features
            do not exist on the benchmark, or scikit-learn is missing.
    """
    proxies_of(names)
    labels(name for name in names if name not in MODELS)
    for name in names:
        if name in MODELS:
            check_model(name, benchmark)


def check_ranks(names: Iterable[str]) -> None:
    """See, before any work is done, that every name gives one score to rank by.

    Raises:
        InputError: A proxy declares that it gives only parts, and no aggregate has its name.
    """
    for name in names:
        if name in MODELS or is_imported(name) or aggregate_of(name) is not None:
            continue
        proxy, part = split_part(name)
        if part is None and not getattr(PROXIES[proxy], "has_score", True):
            raise only_parts(proxy, getattr(PROXIES[proxy], "parts", None) or ())


def check_model(model: str, benchmark: str) -> None:
    """See, before any work is done, that a model can be evaluated on a benchmark.

    Raises:
        InputError: Its features do not exist there, or scikit-learn is missing.
    """
    if MODELS[model].graf and not isinstance(BENCHMARKS[benchmark].space, HasFeatures):
        raise InputError(
            f"{model} takes GRAF features, which {benchmark} does not have; "
            f"leave it out on {benchmark}"
        )
    predict.load_sklearn()
