"""NASWOT: how differently a mini-batch switches the ReLUs of an untrained network."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import forward

_EXACT_FLOAT32 = 2**23  # columns whose 0/1 products a float32 sum still counts exactly


@register_proxy(
    "nwot", paper="arXiv:2006.04647", mode="train", asks=("relus",), aliases=("naswot",)
)
def nwot(network: nn.Module, batch: Batch) -> float:
    """Log-determinant of the agreement kernel of ReLU patterns.

    Every ReLU call gives each sample a binary code c_i (unit active or not). With N_A units
    and Hamming distance d_H, K_ij = N_A - d_H(c_i, c_j), summed over the calls, and the
    score is log |det K| (Mellor et al., "Neural Architecture Search without Training",
    ICML 2021, eq. 2). Higher is better.

    All ReLUs count, on normal noise and Kaiming weights in train mode, as in the runs
    behind the VKDNW and AZ-NAS tables; the original code skips ReLUs that receive no
    gradient and uses 128 real images and PyTorch's default weights.

    Args:
        network: Holds `nn.ReLU` modules.
        batch: inputs (B, 3, R, R).

    Returns:
        log |det K|; -inf where two samples agree in every unit.
    """
    size = len(batch.inputs)
    kernel = torch.zeros(size, size, dtype=torch.float64, device=batch.inputs.device)
    for given in forward(network, batch).rectified:
        active = given.detach().flatten(1) > 0
        for block in active.split(_EXACT_FLOAT32, dim=1):
            codes = block.to(torch.float32)
            both = (codes @ codes.T).double()
            ones = both.diagonal()
            # agreements = both on + both off = n - |c_i| - |c_j| + 2 <c_i, c_j>
            kernel += block.shape[1] - ones[:, None] - ones[None, :] + 2 * both
    return float(torch.linalg.slogdet(kernel).logabsdet)
