"""Self-attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import drawing
from benchmarks.uninas.nodes.algebra import (
    HEAD,
    HEADS,
    Node,
    Part,
    Reader,
    Sequence,
    Shape,
    convolution,
    first_live,
    node,
    sequences_json,
    transmits,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


@node("ForkMergeAttention", "attention")
@dataclass(frozen=True, slots=True)
class ForkMergeAttention(Node):
    """Self-attention of h = C / 32 heads, with sequences wherever one can stand.

    A 1x1 convolution C -> 3 C with bias, whose output is cut into 3 h pieces of 32 channels: q, k
    and v of the first head, of the second ... Each goes through its own branch. q^T k / sqrt(32)
    is a map (1, HW, HW) between pixels, on which the head's connection stands; the map times v
    goes through the head's post-branch, and the heads are joined. No softmax and no output
    projection of its own.

    Attributes:
        branches: 3 h sequences at (32, H, W).
        connections: h sequences at (1, HW, HW).
        posts: h sequences at (32, H, W).
    """

    branches: tuple[Sequence, ...]
    connections: tuple[Sequence, ...]
    posts: tuple[Sequence, ...]

    colour = drawing.ATTENTION
    shows_empty = False

    @classmethod
    def proposals(cls, shape: Shape) -> Iterable[Node]:
        """With empty sequences, for as many heads as fit."""
        heads = shape[0] // HEAD
        return (cls.make((), ((),) * 5 * heads),) if heads in HEADS else ()

    @property
    def heads(self) -> int:
        """Number of heads."""
        return len(self.posts)

    @property
    def caption(self) -> str:
        """With the number of heads."""
        return f"attention, {self.heads} heads"

    @property
    def roles(self) -> tuple[str, ...]:
        """q, k, v of every head, its map, its post-branch."""
        h = self.heads
        return ("q", "k", "v") * h + ("map",) * h + ("head",) * h

    def refusal(self, shape: Shape) -> str | None:
        """C must be 32 times the number of heads."""
        if shape[0] != HEAD * self.heads:
            return f"C must be {HEAD * self.heads}, {HEAD} for each of the {self.heads} heads"
        return None

    def parts(self, shape: Shape) -> Iterator[Part]:
        """6 C S + 128 h (HW)^2 FLOPs, 3 C (C + 1) parameters."""
        c, h, w = shape
        yield convolution(c, 3 * c, h * w, first=True)
        macs = 2 * HEAD * self.heads * (h * w) ** 2
        yield Part(flops=2 * macs, macs=macs)

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """Branches, connections, post-branches."""
        return self.branches + self.connections + self.posts

    def inner(self, shape: Shape) -> tuple[Shape, ...]:
        """As in the attributes."""
        _, h, w = shape
        piece, over = (HEAD, h, w), (1, h * w, h * w)
        return (piece,) * 3 * self.heads + (over,) * self.heads + (piece,) * self.heads

    @property
    def transmits(self) -> bool:
        """If a branch does whose output is reached."""
        pairs = zip(self.branches, self.reached(), strict=False)
        return any(reached and transmits(branch) for branch, reached in pairs)

    def reached(self) -> tuple[bool, ...]:
        """v and the connection through the post-branch, q and k through both."""
        posts = [transmits(post) for post in self.posts]
        maps = [
            post and transmits(over) for post, over in zip(posts, self.connections, strict=True)
        ]
        branches = [
            each for over, post in zip(maps, posts, strict=True) for each in (over, over, post)
        ]
        return (*branches, *posts, *(True for _ in posts))

    @classmethod
    def make(cls, arguments: tuple[str, ...], sequences: tuple[Sequence, ...]) -> Node:
        """As in `Node`."""
        heads, rest = divmod(len(sequences), 5)
        if arguments or rest or heads not in HEADS:
            known = ", ".join(map(str, HEADS))
            raise ValueError(f"attention takes five sequences a head and has {known} heads")
        return cls(sequences[: 3 * heads], sequences[3 * heads : 4 * heads], sequences[4 * heads :])

    def to_params(self, shape: Shape) -> dict[str, Any]:
        """All sequences; the products, which have no choice, as the public code expects them."""
        written = sequences_json(self.sequences, self.inner(shape))
        piece = list(self.inner(shape)[0])
        h = self.heads
        product: list[list[dict[str, Any]]] = [
            [{"class": name, "shape": piece, "params": {}}] * h
            for name in ("MatmulLeft", "MatmulRight")
        ]
        return {
            "branches": written[: 3 * h],
            "matmullefts": product[0],
            "matmulrights": product[1],
            "connections": written[3 * h : 4 * h],
            "post_branches": written[4 * h :],
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any], read: Reader) -> Node:
        """As in `Node`. Shapes of the products are not read: the public code writes wrong ones."""
        fields = ("branches", "connections", "post_branches")
        branches, connections, posts = (read(field, params.get(field)) for field in fields)
        if not len(branches) == 3 * len(connections) == 3 * len(posts):
            raise ValueError(
                f"{len(branches)} branches, {len(connections)} connections and {len(posts)} "
                "post_branches: a head has three, one and one"
            )
        return cls.make((), branches + connections + posts)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        from benchmarks.uninas import modules

        c, first = shape[0], first_live(self, live)
        qkv = modules.convolution(c, 3 * c, scheme="xavier_uniform", live=first)
        made, h = modules.sequences(self, shape, live), self.heads
        return modules.NodeModule(
            self,
            qkv=qkv,
            branches=nn.ModuleList(made[: 3 * h]),
            connections=nn.ModuleList(made[3 * h : 4 * h]),
            post_branches=nn.ModuleList(made[4 * h :]),
        )

    def compute(self, parts: Any, x: Tensor) -> Tensor:
        """The heads, joined."""
        import torch

        from benchmarks.uninas import modules

        pieces = parts.qkv(x).chunk(len(parts.branches), 1)
        made = [branch(piece) for branch, piece in zip(parts.branches, pieces, strict=True)]
        after = enumerate(zip(parts.connections, parts.post_branches, strict=True))
        heads = [
            post(modules.attend(made[3 * i], made[3 * i + 1], made[3 * i + 2], over))
            for i, (over, post) in after
        ]
        return torch.cat(heads, 1)
