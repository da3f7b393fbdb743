"""Functions as proxies: of a notebook, a script, a module, or made by another function.

They are registered under their names, and sent to worker processes, which cannot import them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle

from benchmarks.errors import InputError
from benchmarks.registry import NameTakenError
from harness.proxies import PROXIES, Proxy, Score, register_proxy
from harness.scoring.fingerprint import version_of


def register_function(function: Callable[..., Score], **options: Any) -> Proxy:
    """Make a proxy of a function, under its own name; again, with another definition, replaces it.

    A function that is a proxy already, ours or by `@register_proxy`, stays what it is.

    Args:
        function: `score(network, *batches)`, of a proxy that needs only costs `score(costs)`.
        options: As of `register_proxy`, with the same defaults. Without a version it is a hash of
            the code (`harness.scoring.fingerprint`).

    Returns:
        The proxy.

    Raises:
        InputError: The function has no name of its own, or that of a proxy found elsewhere, or
            its code has no lasting form.
    """
    known = next((p for p in map(PROXIES.__getitem__, PROXIES) if p.function is function), None)
    if known is not None and not options:
        return known
    name = getattr(function, "__name__", repr(function))
    if not name.isidentifier():
        raise InputError(
            f"{name} is no name for a proxy; define it with def name(network, batch), or give "
            'it one: register_proxy("name", paper="...")(function)'
        )
    if options.get("version") is None:
        kind = {key: options[key] for key in sorted(options) if key not in ("version", "paper")}
        options = {**options, "version": version_of(function, kind)}
    try:
        register_proxy(name, **{"paper": "-", **options})(function)
    except NameTakenError as error:
        raise InputError(
            f"the function {name} has the name of another proxy ({error}); rename it"
        ) from error
    return PROXIES[name]


def packed(names: Iterable[str]) -> bytes:
    """The local ones among some proxies, for `unpack` in another process.

    Raises:
        InputError: One of them cannot be sent.
    """
    parts = []
    for proxy in (PROXIES[name] for name in names):
        if proxy.local:
            try:
                parts.append((proxy.name, cloudpickle.dumps(proxy)))
            except Exception as error:
                raise InputError(
                    f"the proxy {proxy.name} cannot be sent to worker processes "
                    f"({type(error).__name__}: {error}); score it with workers=1, or make what it "
                    "refers to inside the function"
                ) from error
    return cloudpickle.dumps(parts)  # type: ignore[no-any-return]


def unpack(content: bytes) -> None:
    """Register what `packed` holds, where this process does not find it by itself.

    Raises:
        InputError: A function cannot be loaded here.
    """
    for name, part in cloudpickle.loads(content):
        if name in PROXIES:
            continue
        try:
            proxy: Proxy = cloudpickle.loads(part)
        except Exception as error:
            raise InputError(
                f"the proxy {name} cannot be loaded in a worker process "
                f"({type(error).__name__}: {error}); score it with workers=1"
            ) from error
        PROXIES.add(name, proxy)
