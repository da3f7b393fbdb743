"""One architecture, built: network, figures, blocks, files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from benchmarks.drawing import Drawing
from benchmarks.errors import InputError
from benchmarks.types import HasDrawing
from harness.inspect import describe, network
from harness.inspect.describe import Description


@dataclass(frozen=True)
class Built:
    """An architecture and its network.

    Attributes:
        described: Space, architecture and dataset.
        network: Untrained, in eval mode; weights as PyTorch initialises them from the seed.
    """

    described: Description
    network: nn.Module

    @cached_property
    def figures(self) -> dict[str, Any]:
        """params, flops, layers and what else its space says, ready for JSON."""
        plain = self.network
        if self.described.se:
            plain = network.network_of(replace(self.described, se=False))
        return network.figures(self.described, plain)

    @property
    def drawing(self) -> Drawing:
        """What there is to see of the architecture.

        Raises:
            InputError: Its space has no drawing.
        """
        benchmark = self.described.benchmark
        if not isinstance(benchmark.space, HasDrawing):
            raise InputError(f"there is no drawing of {benchmark.name} architectures")
        return benchmark.space.drawing(self.described.architecture)

    def summary(self) -> pd.DataFrame:
        """One row a block: `block`, `type`, `output`, `params`, `macs`."""
        resolution = self.figures["resolution"]
        rows = [
            (row.name, row.kind, network.shape_text(row.shape), row.params, row.macs)
            for row in network.summary(self.network, resolution)
        ]
        return pd.DataFrame(rows, columns=["block", "type", "output", "params", "macs"])

    def export(self, path: str | Path) -> Path:
        """Write the untrained network for other tools: .pt2 (torch.export) or .onnx.

        Raises:
            InputError: The ending is unknown, a package is missing, or it cannot be written.
        """
        network.export(self.network, self.figures["resolution"], Path(path))
        return Path(path)

    def save(self, path: str | Path) -> Path:
        """Write the architecture in its space's file format.

        Raises:
            InputError: The space has none, or it cannot be written.
        """
        network.save(self.described, Path(path))
        return Path(path)


def build(
    architecture: str | int | Path,
    space: str | None = None,
    dataset: str | None = None,
    seed: int = 0,
) -> Built:
    """Build what a file, a text or an index describes; see `harness.api.build`."""
    described = describe.described(architecture, space, dataset)
    return Built(described, network.network_of(described, seed))
