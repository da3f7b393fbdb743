"""How a proxy is declared: one decorated pure function a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from benchmarks.registry import Registry
from harness.scoring import plugins
from harness.scoring.fingerprint import in_main, of_module, version_of

#: What a proxy returns: its score, or named parts. The part called "score" is the
#: proxy's own value; the others are kept beside it as components.
Score = float | Mapping[str, float]

Needs = Literal["network", "costs"]
Init = Literal["kaiming", "default", "gaussian", "none"]
Mode = Literal["train", "eval"]
Input = Literal["none", "gaussian", "images"]
#: What a proxy may ask of a network; the networks of the benchmarks have all of it.
Asks = Literal["stages", "relus", "relu_maps", "layers", "running_statistics"]


@dataclass(frozen=True)
class Proxy:
    """A proxy and what the engine has to prepare for it.

    Attributes:
        name: The field's name for it.
        function: `score(network, *batches)`; of a proxy that needs only costs, `score(costs)`.
        paper: Where it comes from.
        needs: "network": a built network and a batch. "costs": the closed-form `Costs`.
        init: How the weights are drawn ("none": the proxy reads no weight).
        mode: The mode the network is in when the proxy gets it.
        input: "none": data-free, only the shape of the batch counts (it gets one image).
            "gaussian": noise unless the user asks for images. "images": real images where
            there are some, else noise.
        batches: How many mini-batches the function takes, one argument each.
        version: Raised when the values change; part of every record's key.
        parts: Names of the parts that it returns beside its score; None where that is not said.
        has_score: Whether it has a score of its own; otherwise only its parts rank.
        asks: What it asks of a network, without which its number would mean nothing: "stages"
            (`harness.scoring.passes.Staged`), "relus" (`nn.ReLU` modules), "relu_maps" (some that
            give maps), "layers" (`nn.Conv2d` or `nn.Linear`), "running_statistics" (in every
            batch norm). Networks of users are checked for it.
        local: Whether this process alone has it, as a function of a notebook or script: worker
            processes are sent it, and a new definition takes its place.
    """

    name: str
    function: Callable[..., Score]
    paper: str
    needs: Needs
    init: Init
    mode: Mode
    input: Input
    batches: int
    version: int
    parts: tuple[str, ...] | None = None
    has_score: bool = True
    asks: tuple[Asks, ...] = ()
    local: bool = field(default=False, compare=False)

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


#: Every proxy, by name. A module here that registers one is found on first use, as are
#: `harness.scoring.plugins`.
PROXIES: Registry[Proxy] = Registry("proxy", package="harness.proxies", extend=plugins.load)

F = TypeVar("F", bound=Callable[..., Any])


def register_proxy(
    name: str,
    *,
    paper: str,
    needs: Needs = "network",
    init: Init = "kaiming",
    mode: Mode = "train",
    input: Input = "gaussian",  # noqa: A002 - the field's word
    batches: int = 1,
    version: int | None = None,
    parts: Iterable[str] | None = None,
    has_score: bool = True,
    asks: Iterable[Asks] = (),
    aliases: Iterable[str] = (),
) -> Callable[[F], F]:
    """Declare a proxy; the function is returned unchanged. Arguments as in `Proxy`.

    Without a version it is 1; in a proxy file (`harness.scoring.plugins`) a hash of its content;
    of a function of a notebook, a script or a module of yours a hash of its code
    (`harness.scoring.fingerprint`). In a notebook or script a second definition of a name
    replaces the first.
    Without `parts` a function annotated `-> float` has none; of any other that is not known
    before it has scored, and so a misspelt part is not noticed earlier.

    Raises:
        ValueError: The name or an alias is taken; or the parts hold "score", or are none where
            there is no score either.
    """
    declared, wanted = None if parts is None else tuple(parts), tuple(asks)
    if "score" in (declared or ()):
        raise ValueError(f"{name}: the part 'score' is its own score; leave it out of parts")
    if not has_score and not declared:
        raise ValueError(f"{name} has no score of its own; name its parts")

    def register(function: F) -> F:
        local = not (PROXIES.discovering or function.__module__.startswith("harness.proxies."))
        if local:
            list(PROXIES)  # a name that ours or a plugin's has is noticed here, not later
        stated = version
        if stated is None and local and (in_main(function) or of_module(function)):
            stated = version_of(function, needs, init, mode, input, batches)
        proxy = Proxy(
            name,
            function,
            paper,
            needs,
            init,
            mode,
            input,
            batches,
            version=plugins.default_version() if stated is None else stated,
            parts=() if declared is None and _gives_a_number(function) else declared,
            has_score=has_score,
            asks=wanted,
            local=local,
        )
        PROXIES.add(name, proxy, aliases, replace=_gives_way(PROXIES.registered(name), proxy))
        return function

    return register


def _gives_way(before: Proxy | None, after: Proxy) -> bool:
    """Whether a new definition replaces an old one, as when a cell or module is run again."""
    if before is None:
        return False
    old, new = before.function, after.function
    again = in_main(new) or _qualified(old) == _qualified(new)
    return before.local and after.local and in_main(old) == in_main(new) and again


def _qualified(function: Callable[..., Any]) -> tuple[str, str]:
    inner = inspect.unwrap(function)
    return inner.__module__, getattr(inner, "__qualname__", repr(inner))


def _gives_a_number(function: Callable[..., Any]) -> bool:
    return getattr(function, "__annotations__", {}).get("return") in (float, "float")
