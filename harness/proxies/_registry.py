"""How a proxy is declared: one decorated pure function a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from benchmarks.registry import Registry
from harness.scoring import plugins

#: What a proxy returns: its score, or named parts. The part called "score" is the
#: proxy's own value; the others are kept beside it as components.
Score = float | Mapping[str, float]

Needs = Literal["network", "costs"]
Init = Literal["kaiming", "default", "gaussian", "none"]
Mode = Literal["train", "eval"]
Input = Literal["none", "gaussian", "images"]


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
    aliases: Iterable[str] = (),
) -> Callable[[F], F]:
    """Declare a proxy; the function is returned unchanged. Arguments as in `Proxy`.

    Without a version it is 1, or in a proxy file (`harness.scoring.plugins`) a hash of its content.

    Raises:
        ValueError: The name or an alias is taken.
    """

    def register(function: F) -> F:
        current = plugins.default_version() if version is None else version
        proxy = Proxy(name, function, paper, needs, init, mode, input, batches, current)
        PROXIES.add(name, proxy, aliases)
        return function

    return register
