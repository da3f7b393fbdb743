"""How a proxy is declared: one decorated pure function a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from benchmarks.registry import Registry

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
        function: `score(network, batch)`; of a proxy that needs only costs, `score(costs)`.
        paper: Where it comes from.
        needs: "network": a built network and a batch. "costs": the closed-form `Costs`.
        init: How the weights are drawn ("none": the proxy reads no weight).
        mode: The mode the network is in when the proxy gets it.
        input: "none": data-free, only the shape of the batch counts (it gets one image).
            "gaussian": noise unless the user asks for images. "images": real images where
            there are some, else noise.
        version: Raised when the values change; part of every record's key.
    """

    name: str
    function: Callable[..., Score]
    paper: str
    needs: Needs
    init: Init
    mode: Mode
    input: Input
    version: int

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


#: Every proxy, by name. A module here that registers one is found on first use.
PROXIES: Registry[Proxy] = Registry("proxy", package="harness.proxies")

F = TypeVar("F", bound=Callable[..., Any])


def register_proxy(
    name: str,
    *,
    paper: str,
    needs: Needs = "network",
    init: Init = "kaiming",
    mode: Mode = "train",
    input: Input = "gaussian",  # noqa: A002 - the field's word
    version: int = 1,
    aliases: Iterable[str] = (),
) -> Callable[[F], F]:
    """Declare a proxy; the function is returned unchanged. Arguments as in `Proxy`.

    Raises:
        ValueError: The name or an alias is taken.
    """

    def register(function: F) -> F:
        proxy = Proxy(name, function, paper, needs, init, mode, input, version)
        PROXIES.add(name, proxy, aliases)
        return function

    return register
