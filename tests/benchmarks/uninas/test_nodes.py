"""Every node: closed forms against its module, and what it computes against its definition."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from benchmarks.drawing import Box
from benchmarks.uninas.architecture import Block, Model
from benchmarks.uninas.drawing import drawing
from benchmarks.uninas.modules import NodeModule, sequence
from benchmarks.uninas.nodes import algebra as n
from benchmarks.uninas.nodes.attention import ForkMergeAttention
from benchmarks.uninas.nodes.forks import ForkMerge
from benchmarks.uninas.nodes.layers import (
    GELU,
    BatchNorm,
    Conv1,
    Conv3,
    ConvDepth3,
    ConvDepth5,
    Dropout,
    Identity,
    LayerNorm,
    Mask,
    MaxPool,
    RelPosBias,
    Sigmoid,
    Softmax,
    Zero,
)
from benchmarks.uninas.nodes.resizing import AvgAndUpsample, ExpandAndReduce, ReduceAndExpand

C, SIDE = 96, 4
SHAPE = (C, SIDE, SIDE)
S = C * SIDE * SIDE
MAP = (1, SIDE**2, SIDE**2)
HEADS = C // 32
NONE: tuple[n.Sequence, ...] = ((),)

#: Node, shape, FLOPs and parameters of the table in the paper's words.
TABLE: list[tuple[n.Node, n.Shape, int, int]] = [
    (Conv1(), SHAPE, 2 * C * S, C * (C + 1)),
    (Conv3(), SHAPE, 18 * C * S, C * (9 * C + 1)),
    (ConvDepth3(), SHAPE, 18 * S, 9 * C),
    (ConvDepth5(), SHAPE, 50 * S, 25 * C),
    (BatchNorm(), SHAPE, 2 * S, 2 * C),
    (LayerNorm(), SHAPE, 2 * S, 2 * C),
    (GELU(), SHAPE, 3 * S, 0),
    (Sigmoid(), SHAPE, 3 * S, 0),
    (Softmax(), SHAPE, C * SIDE * (3 * SIDE - 1), 0),
    (Dropout(), SHAPE, S, 0),
    (MaxPool(), SHAPE, 9 * S, 0),
    (Mask(), SHAPE, S, 0),
    (RelPosBias(), MAP, MAP[1] * MAP[2], (2 * SIDE - 1) ** 2),
    (Identity(), SHAPE, 0, 0),
    (Zero(), SHAPE, 0, 0),
    (ExpandAndReduce(), SHAPE, 16 * C * S, (8 * C + 5) * C),
    (ReduceAndExpand(), SHAPE, S * C, (C // 4) * (2 * C + 5)),
    (AvgAndUpsample(), SHAPE, S, 0),
    (ForkMerge("chunk", "concat", NONE * 2), SHAPE, 0, 0),
    (ForkMerge("chunk", "concat", NONE * 3), SHAPE, 0, 0),
    (ForkMerge("copy", "add", NONE * 2), SHAPE, S, 0),
    (ForkMerge("copy", "multiply", NONE * 2), SHAPE, 4 * S, 0),
    (ForkMerge("", "", NONE), SHAPE, 0, 0),
    (
        ForkMergeAttention(NONE * 3 * HEADS, NONE * HEADS, NONE * HEADS),
        SHAPE,
        6 * C * S + 128 * HEADS * SIDE**4,
        3 * C * (C + 1),
    ),
    (ForkMerge("convexp3", "concat", NONE * 3), SHAPE, 6 * C * S, 3 * C * (C + 1)),
    (ForkMerge("chunk", "matmul", NONE * 4), SHAPE, 4 * (C // 3) * SIDE**4, 0),
]


def noise(shape: n.Shape, count: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=generator, dtype=torch.float64)


def run(node: n.Node, x: Tensor) -> Tensor:
    """What the node makes of x, in eval mode."""
    _, c, h, w = x.shape
    out: Tensor = sequence((node,), (c, h, w)).double().eval()(x)
    return out


@pytest.mark.parametrize(("node", "shape", "flops", "params"), TABLE, ids=str)
def test_closed_forms(node: n.Node, shape: n.Shape, flops: int, params: int) -> None:
    counts = n.count_node(node, shape)
    assert (counts.flops, counts.params, counts.trainable) == (flops, params, params)
    module = sequence((node,), shape)
    tensors = list(module.parameters())
    assert sum(p.numel() for p in tensors) == params
    assert len(tensors) == counts.tensors
    assert tuple(module(noise(shape).float()).shape[1:]) == node.output(shape)


def test_the_table_has_every_node() -> None:
    assert {type(node) for node, *_ in TABLE} == set(n.NODES.values())


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        n.node("Conv1", "other")(Conv3)
    assert n.NODES["Conv1"] is Conv1


def test_a_new_node_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(n, "NODES", dict(n.NODES))

    @n.node("Twice", "twice")
    @dataclass(frozen=True, slots=True)
    class Twice(n.Node):
        """2 x."""

        label = "2 x"

        def parts(self, shape: n.Shape) -> Iterator[n.Part]:
            yield n.Part(flops=n.volume(shape))

        def module(self, shape: n.Shape, live: bool) -> nn.Module:
            return NodeModule(self)

        def compute(self, parts: object, x: Tensor) -> Tensor:
            return 2 * x

    x = noise(SHAPE)
    assert run(AvgAndUpsample((Twice(),)), x).equal(run(AvgAndUpsample(), 2 * x))
    assert n.count((Twice(),), SHAPE).flops == S
    model = Model.parse("4-4:96:R:px=16")
    shown = drawing(replace(model, stages=((Block((Twice(),), ()),),))).blocks[0].branches[0]
    assert shown.pieces == (Box("2 x"),)
    network = sequence((Twice(),), SHAPE)
    assert repr(network[0]) == "Twice()"
    assert copy.deepcopy(network)[0].node is network[0].node


def test_costs_of_what_is_held_are_added() -> None:
    inner = (BatchNorm(), GELU())
    whole = n.count_node(ExpandAndReduce(inner), SHAPE)
    alone = n.count_node(ExpandAndReduce(), SHAPE)
    assert whole == alone + n.count(inner, (4 * C, SIDE, SIDE))


@pytest.mark.parametrize(
    ("node", "shape", "reason"),
    [
        (RelPosBias(), (3, 5, 5), "perfect square"),
        (RelPosBias(), (3, 4, 9), "perfect square"),
        (ReduceAndExpand(), (6, 4, 4), "multiple of 4"),
        (ForkMerge("chunk", "concat", NONE * 2), (3, 4, 4), "multiple of 2"),
        (ForkMergeAttention(NONE * 9, NONE * 3, NONE * 3), (64, 4, 4), "must be 96"),
    ],
)
def test_refusals(node: n.Node, shape: n.Shape, reason: str) -> None:
    (misfit,) = n.misfits((Identity(), node), shape, "here")
    assert misfit.path == f"here[1] {node.name}"
    assert reason in misfit.reason


def test_other_channels_must_be_brought_back() -> None:
    wide = ForkMerge("convexp3", "concat", NONE * 3)
    narrow = ForkMerge("chunk", "matmul", NONE * 4)
    assert not list(n.misfits((wide, BatchNorm(), narrow), SHAPE, ""))
    (misfit,) = n.misfits((wide,), SHAPE, "")
    assert "would give (288, 4, 4)" in misfit.reason
    module = sequence((wide, BatchNorm(), narrow), SHAPE)
    assert module(noise(SHAPE).float()).shape == (2, *SHAPE)


# ------------------------------------------------------------------ what they compute


def test_mask() -> None:
    x = noise((2, 12, 9))
    out = run(Mask(), x)
    for row in range(12):
        for column in range(9):
            kept = x[:, :, row, column] if abs(row - column) <= 5 else 0 * x[:, :, row, column]
            assert out[:, :, row, column].equal(kept)


def test_relative_position_bias() -> None:
    side = 3
    module = sequence((RelPosBias(),), (2, side**2, side**2)).double()
    (table,) = module.parameters()
    x = noise((2, side**2, side**2))
    out = module(x) - x
    for row in range(side**2):
        for column in range(side**2):
            (a, b), (c, d) = divmod(row, side), divmod(column, side)
            place = (a - c + side - 1) * (2 * side - 1) + (b - d + side - 1)
            torch.testing.assert_close(out[:, :, row, column], table[place].expand(2, 2))


def test_average_and_upsample() -> None:
    x = noise(SHAPE)
    out = run(AvgAndUpsample((GELU(),)), x)
    mean = torch.nn.functional.gelu(x.mean((2, 3)))
    torch.testing.assert_close(out, mean[:, :, None, None].expand_as(x))


def test_forks_and_merges() -> None:
    x = noise(SHAPE)
    pair: tuple[n.Sequence, n.Sequence] = ((GELU(),), (Softmax(),))
    a, b = (run(branch[0], x) for branch in pair)
    torch.testing.assert_close(run(ForkMerge("copy", "add", pair), x), a + b)
    torch.testing.assert_close(run(ForkMerge("copy", "multiply", pair), x), a / (1 + (-b).exp()))
    half = C // 2
    joined = torch.cat([a[:, :half], b[:, half:]], 1)
    torch.testing.assert_close(run(ForkMerge("chunk", "concat", pair), x), joined)


def test_attention() -> None:
    # Sequences of every kind, different for each head.
    branches: list[n.Sequence] = [()] * 9
    branches[4], branches[8] = (GELU(),), (Sigmoid(),)
    maps: tuple[n.Sequence, ...] = ((Softmax(),), (), (Mask(),))
    posts: tuple[n.Sequence, ...] = ((), (GELU(),), ())
    node = ForkMergeAttention(tuple(branches), maps, posts)
    module = sequence((node,), SHAPE).double()
    weight, bias = module.parameters()
    x = noise(SHAPE)
    out = module(x)
    pixels = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    near = torch.tensor(
        [[float(abs(i - j) <= 5) for j in range(SIDE**2)] for i in range(SIDE**2)]
    ).double()
    gelu = torch.nn.functional.gelu
    for image in range(2):
        flat = torch.stack([x[image, :, r, c] for r, c in pixels])  # (HW, C)
        projected = flat @ weight[:, :, 0, 0].T + bias
        for head in range(3):
            q, k, v = (projected[:, 96 * head + 32 * i :][:, :32] for i in range(3))
            k = gelu(k) if head == 1 else k
            v = v.sigmoid() if head == 2 else v
            products = q @ k.T / math.sqrt(32)
            between = (products.softmax(-1), products, products * near)[head]
            expected = between @ v
            expected = gelu(expected) if head == 1 else expected
            found = torch.stack([out[image, 32 * head :, r, c][:32] for r, c in pixels])
            torch.testing.assert_close(found, expected)
