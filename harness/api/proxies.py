"""Proxies of one's own: options of a function, and functions of the forms that public code has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def register_proxy(
    name: str,
    *,
    paper: str = "",
    needs: str = "network",
    init: str = "kaiming",
    mode: str = "train",
    input: str = "gaussian",
    batches: int = 1,
    version: int | None = None,
    aliases: Iterable[str] = (),
    parts: Iterable[str] | None = None,
) -> Callable[[F], F]:
    """Declare a function as a proxy; the function is returned unchanged.

    Args:
        name: The field's name for it.
        paper: Where it comes from.
        needs: "network": `f(network, *batches)`; "costs": `f(costs)` of the closed-form size.
        init: How weights are drawn: "kaiming", "default" (PyTorch's own), "gaussian", or "none"
            where the proxy reads none.
        mode: "train" or "eval".
        input: "gaussian" (noise), "images" (real ones where there are some), "none".
        batches: How many mini-batches the function takes, one argument each.
        version: Raised when the values change; default: a hash of the code.
        aliases: Other names.
        parts: Names of the parts, where it returns a dict; "score" is its own value.

    Raises:
        ValueError: The name or an alias is taken.
    """
    from harness.proxies import register_proxy as register

    options: dict[str, Any] = {
        "paper": paper, "needs": needs, "init": init, "mode": mode, "input": input,
        "batches": batches, "version": version, "aliases": aliases, "parts": parts,
    }  # fmt: skip
    return register(name, **options)


def from_measure(
    function: Callable[..., Any],
    *,
    loss_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
    **options: Any,
) -> Callable[..., Any]:
    """Adapt `measure(net, inputs, targets, ..., loss_fn, ...) -> [tensor a layer]`.

    The form of zero-cost-nas and NASLib; see `harness.scoring.adapters.from_measure`.

    Args:
        function: As above.
        loss_fn: Default: cross-entropy.
        options: Passed on, by name.
    """
    from harness.scoring import adapters

    given = options if loss_fn is None else {"loss_fn": loss_fn, **options}
    return adapters.from_measure(function, **given)


def from_compute_nas_score(
    function: Callable[..., Mapping[str, Any]], *, part: str | None = None, **options: Any
) -> Callable[..., Any]:
    """Adapt `compute_nas_score(model, gpu, trainloader, resolution, batch_size) -> dict`.

    The form of ZenNAS, ZiCo, AZ-NAS and VKDNW; see
    `harness.scoring.adapters.from_compute_nas_score`.

    Args:
        function: As above.
        part: The entry of the dict that is the score; default: all are parts of the proxy.
        options: Passed on, by name.
    """
    from harness.scoring import adapters

    return adapters.from_compute_nas_score(function, part=part, **options)
