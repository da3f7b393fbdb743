"""The slow version of every proxy of a network, under one signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from benchmarks.types import Batch
from tests.reference import (
    az_nas,
    epe_nas,
    fisher,
    grad_norm,
    gradsign,
    grasp,
    jacov,
    l2_norm,
    nwot,
    plain,
    snip,
    synflow,
    te_nas,
    vkdnw,
    zen,
    zico,
)

Parts = Mapping[str, float]


def literal_te_nas(network: nn.Module, batch: Batch) -> Parts:
    regions = te_nas.linear_regions(network, batch.noise("regions"))
    return {"ntk": te_nas.ntk(network, batch.inputs), "linear_regions": regions}


def literal_vkdnw(network: nn.Module, batch: Batch, *, exact: bool) -> Parts:
    layers, entropy, deciles = vkdnw.vkdnw(network, batch.inputs, exact=exact)
    parts = {f"decile_{k}": decile for k, decile in enumerate(deciles, start=1)}
    return {"score": layers + entropy, "layers": layers, "entropy": entropy, **parts}


#: The slow version of each proxy, by the proxy's name.
LITERALS: dict[str, Callable[..., float | Parts]] = {
    "az_nas": lambda n, b: az_nas.az_nas(n, b.inputs, b.generator("trainability")),
    "epe_nas": lambda n, b: epe_nas.epe_nas(n, b.inputs, b.targets),
    "fisher": lambda n, b: fisher.fisher(n, b.inputs, b.targets),
    "grad_norm": lambda n, b: grad_norm.grad_norm(n, b.inputs, b.targets),
    "gradsign": lambda n, b: gradsign.gradsign(n, b.inputs, b.targets),
    "grasp": lambda n, b: grasp.grasp(n, b.inputs, b.targets),
    "jacov": lambda n, b: jacov.jacov(n, b.inputs),
    "l2_norm": lambda n, b: l2_norm.l2_norm(n),
    "nwot": lambda n, b: nwot.nwot(n, b.inputs),
    "plain": lambda n, b: plain.plain(n, b.inputs, b.targets),
    "snip": lambda n, b: snip.snip(n, b.inputs, b.targets),
    "synflow": lambda n, b: synflow.synflow(n, b.inputs.shape[-1]),
    "te_nas": literal_te_nas,
    "vkdnw": lambda n, b: literal_vkdnw(n, b, exact=False),
    "vkdnw_exact": lambda n, b: literal_vkdnw(n, b, exact=True),
    "zen": lambda n, b: zen.zen(n, b.inputs, b.noise("perturbation")),
    "zico": lambda n, *bs: zico.zico(n, [(b.inputs, b.targets) for b in bs]),
}
