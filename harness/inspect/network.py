"""One architecture as a network: its figures, its blocks, and files that other tools read."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.types import HasFigures, HasFiles, HasSqueezeExcitation
from harness.inspect.describe import Description

EXPORTS = (".pt2", ".onnx")


def network_of(described: Description, seed: int = 0) -> nn.Module:
    """The network in eval mode, untrained: weights as PyTorch initialises them from `seed`."""
    space = described.benchmark.space
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if described.se:
            assert isinstance(space, HasSqueezeExcitation)
            network = space.network_with_se(described.architecture, described.dataset)
        else:
            network = space.network(described.architecture, described.dataset)
    return network.eval()


def figures(described: Description, network: nn.Module) -> dict[str, Any]:
    """What there is to say of a network, ready for JSON.

    Args:
        described: The architecture.
        network: Of it, without squeeze-and-excitation.

    Returns:
        space, dataset, resolution, classes, architecture, se; params, counted in the network;
        flops and layers in closed form (`benchmarks.types.Costs`); the space's own figures.
    """
    space, dataset = described.benchmark.space, described.dataset
    task = space.dataset(dataset)
    costs = space.costs(described.architecture, dataset)
    more = space.figures(described.architecture, dataset) if isinstance(space, HasFigures) else {}
    return {
        "space": described.benchmark.name,
        "dataset": dataset,
        "resolution": task.resolution,
        "classes": task.classes,
        "architecture": described.architecture.id,
        "se": described.se,
        "params": sum(p.numel() for p in network.parameters()),
        "flops": costs.flops,
        "layers": costs.layers,
    } | dict(more)


# ------------------------------------------------------------------ block by block


@dataclass(frozen=True)
class Row:
    """One block of a network.

    Attributes:
        name: Path of its module.
        kind: What it is.
        shape: (C, H, W) or (C,) that it gives for one image; None where it was not called.
        params: Its parameters.
        macs: Multiply-accumulates of its convolutions and linear layers, and one addition for
            each value that has a bias.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    params: int
    macs: int


def summary(network: nn.Module, resolution: int) -> list[Row]:
    """The blocks of a network in order: its children, those in a `ModuleList` one by one.

    Args:
        network: In eval mode.
        resolution: Side of the images in pixels.
    """
    blocks = dict(_blocks(network))
    shapes: dict[str, tuple[int, ...]] = {}
    macs = dict.fromkeys(blocks, 0)
    handles = []
    for name, block in blocks.items():

        def record(module: nn.Module, inputs: Any, output: Tensor, name: str = name) -> None:
            shapes[name] = tuple(output.shape[1:])

        handles.append(block.register_forward_hook(record))
        for layer in block.modules():
            if not isinstance(layer, nn.Conv2d | nn.Linear):
                continue

            def count(layer: nn.Module, inputs: Any, output: Tensor, name: str = name) -> None:
                assert isinstance(layer, nn.Conv2d | nn.Linear)
                macs[name] += output.numel() * (layer.weight[0].numel() + (layer.bias is not None))

            handles.append(layer.register_forward_hook(count))
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, resolution, resolution))
    finally:
        for handle in handles:
            handle.remove()
    return [
        Row(
            name,
            repr(block).partition("(")[0],
            shapes.get(name),
            sum(p.numel() for p in block.parameters()),
            macs[name],
        )
        for name, block in blocks.items()
    ]


def _blocks(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in network.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{number}", block) for number, block in enumerate(child))
        else:
            yield name, child


# ------------------------------------------------------------------ files


def check_export(path: Path) -> None:
    """See that a network can be written to a file of that name, before one is built.

    Raises:
        InputError: Its ending is unknown, or packages for it are missing.
    """
    if path.suffix not in EXPORTS:
        raise InputError(f"cannot export to {path}: its name must end in {' or '.join(EXPORTS)}")
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if path.suffix == ".onnx" and missing:
        raise InputError(
            f"cannot export to {path} without {' and '.join(missing)}; install the extra: "
            "pip install 'nas-proxy-harness[onnx]'"
        )


def export(network: nn.Module, resolution: int, path: Path) -> None:
    """Write a network for other tools, for batches of any size.

    Args:
        network: In eval mode.
        resolution: Side of the images in pixels.
        path: Ending in .pt2, for `torch.export.load`, or .onnx.

    Raises:
        InputError: As `check_export`, or the file cannot be written.
    """
    check_export(path)
    example = (torch.zeros(2, 3, resolution, resolution),)
    batch = ({0: torch.export.Dim.DYNAMIC},)
    with replacing(path) as temporary, _quiet():
        program = torch.export.export(network, example, dynamic_shapes=batch)
        if path.suffix == ".pt2":
            torch.export.save(program, temporary)
        else:
            torch.onnx.export(
                program, (), temporary, dynamo=True, external_data=False, verbose=False
            )


def save(described: Description, path: Path) -> None:
    """Write an architecture in the file format of its space.

    Raises:
        InputError: The space has none, or the file cannot be written.
    """
    space = described.benchmark.space
    if not isinstance(space, HasFiles):
        raise InputError(
            f"{described.benchmark.name} has no file format of its own; the architecture is the "
            f"text {described.architecture.id}"
        )
    space.write(described.architecture, path)


class _quiet:  # noqa: N801 - used as a function
    """Within, the exporters keep their remarks to themselves."""

    def __enter__(self) -> None:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)

    def __exit__(self, *details: object) -> None:
        logging.disable(logging.NOTSET)
        self._caught.__exit__(None, None, None)


def shape_text(shape: tuple[int, ...] | None) -> str:
    """A shape for people.

    >>> shape_text((8, 112, 112)), shape_text(None)
    ('8 x 112 x 112', '-')
    """
    return "-" if shape is None else " x ".join(map(str, shape))
