"""Branches side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.uninas.nodes.algebra import (
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
    volume,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


@node("ForkMerge", "fork")
@dataclass(frozen=True, slots=True)
class ForkMerge(Node):
    """Branches side by side.

    chunk/concat: each gets its share of the channels, the results are joined. copy/add: each
    gets all channels, the results are summed. copy/multiply: a * sigmoid(b) of two branches.
    "" / "": one branch. convexp3/concat: a 1x1 convolution to 3 C, whose thirds the branches get.
    chunk/matmul: of 3 C; the three branches give q, k and v of an attention of one head, which
    makes it C, and a fourth sequence stands on its map. The walk inserts the first three.

    Attributes:
        fork: "chunk", "copy", "convexp3" or "".
        merge: "concat", "add", "multiply", "matmul" or "".
        branches: The sequences; of chunk/matmul those of q, k, v and of the map.
    """

    fork: str
    merge: str
    branches: tuple[Sequence, ...]

    #: Numbers of sequences of every kind.
    kinds: ClassVar[Mapping[tuple[str, ...], tuple[int, ...]]] = {
        ("chunk", "concat"): (1, 2, 3),
        ("copy", "add"): (1, 2, 3),
        ("copy", "multiply"): (2,),
        ("convexp3", "concat"): (3,),
        ("chunk", "matmul"): (4,),
        ("", ""): (1,),
    }

    @classmethod
    def proposals(cls, shape: Shape) -> Iterable[Node]:
        """The three kinds with two empty branches."""
        pairs = (("chunk", "concat"), ("copy", "add"), ("copy", "multiply"))
        return tuple(cls(fork, merge, ((), ())) for fork, merge in pairs)

    @property
    def chunks(self) -> int:
        """Into how many pieces the channels are split."""
        if self.fork != "chunk":
            return 1
        return 3 if self.merge == "matmul" else len(self.branches)

    def refusal(self, shape: Shape) -> str | None:
        """The number of pieces must divide C."""
        if shape[0] % self.chunks:
            return f"C must be a multiple of {self.chunks}"
        return None

    def output(self, shape: Shape) -> Shape:
        """Three times the channels of convexp3/concat, a third of chunk/matmul."""
        c, h, w = shape
        if self.fork == "convexp3":
            return 3 * c, h, w
        return (c // 3, h, w) if self.merge == "matmul" else shape

    def parts(self, shape: Shape) -> Iterator[Part]:
        """add: S FLOPs; multiply: 4 S; convexp3: 6 C S; matmul: twice 2 (C / 3) (H W)^2."""
        c, h, w = shape
        if self.fork == "convexp3":
            yield convolution(c, 3 * c, h * w, first=True)
        if self.merge == "matmul":
            macs = 2 * (c // 3) * (h * w) ** 2
            yield Part(flops=2 * macs, macs=macs)
        yield Part(flops={"add": 1, "multiply": 4}.get(self.merge, 0) * volume(shape))

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """The branches, and of chunk/matmul the sequence on the map."""
        return self.branches

    def inner(self, shape: Shape) -> tuple[Shape, ...]:
        """A share of the channels, or all; of chunk/matmul's last, (1, HW, HW)."""
        c, h, w = shape
        branch = (c // self.chunks, h, w)
        if self.merge == "matmul":
            return branch, branch, branch, (1, h * w, h * w)
        return (branch,) * len(self.branches)

    @property
    def transmits(self) -> bool:
        """If any branch does; q and k of chunk/matmul only through the map."""
        if self.merge != "matmul":
            return any(map(transmits, self.branches))
        q, k, v, over = map(transmits, self.branches)
        return v or (over and (q or k))

    def reached(self) -> tuple[bool, ...]:
        """All but q and k of a map through which no gradient passes."""
        if self.merge != "matmul":
            return (True,) * len(self.branches)
        over = transmits(self.branches[3])
        return over, over, True, True

    @property
    def caption(self) -> str:
        """How it forks and merges."""
        return f"{self.fork} / {self.merge}" if self.fork else "branch"

    @property
    def roles(self) -> tuple[str, ...]:
        """Those of an attention; which of two is the gate."""
        fixed = {"matmul": ("q", "k", "v", "map"), "multiply": ("", "gate")}
        return fixed.get(self.merge, ("",) * len(self.branches))

    @property
    def arguments(self) -> tuple[str, ...]:
        """How it forks and merges."""
        return (self.fork, self.merge)

    @classmethod
    def make(cls, arguments: tuple[str, ...], sequences: tuple[Sequence, ...]) -> Node:
        """As in `Node`."""
        if arguments not in cls.kinds:
            known = ", ".join("/".join(kind) for kind in cls.kinds if kind[0])
            raise ValueError(f"{'/'.join(arguments)!r} is no way to fork and merge; known: {known}")
        if len(sequences) not in cls.kinds[arguments]:
            raise ValueError(f"{'/'.join(arguments)} cannot have {len(sequences)} sequences")
        return cls(arguments[0], arguments[1], sequences)

    def to_params(self, shape: Shape) -> dict[str, Any]:
        """Number of branches, kind, branches; "process", the sequence on a map, is our own."""
        written = sequences_json(self.branches, self.inner(shape))
        kind = {"fork_merge_tuple": [self.fork, self.merge]}
        if self.merge == "matmul":
            return {"branches_count": 3, **kind, "branches": written[:3], "process": written[3]}
        return {"branches_count": len(written), **kind, "branches": written}

    @classmethod
    def from_params(cls, params: Mapping[str, Any], read: Reader) -> Node:
        """As in `Node`; the public code writes no "process", it is empty then."""
        branches = read("branches", params.get("branches"))
        declared = params.get("branches_count", len(branches))
        if declared != len(branches):
            raise ValueError(f"branches_count is {declared!r}, but there are {len(branches)}")
        kind = params.get("fork_merge_tuple")
        if not isinstance(kind, list | tuple):
            raise ValueError("fork_merge_tuple must be a list of two words")
        arguments = tuple(map(str, kind))
        if arguments == ("chunk", "matmul"):
            branches += read("process", params["process"]) if "process" in params else ((),)
        return cls.make(arguments, branches)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        from benchmarks.uninas import modules

        parts: dict[str, nn.Module] = {}
        if self.fork == "convexp3":
            c, first = shape[0], first_live(self, live)
            parts["expand"] = modules.convolution(c, 3 * c, scheme="xavier_uniform", live=first)
        branches = nn.ModuleList(modules.sequences(self, shape, live))
        return modules.NodeModule(self, **parts, branches=branches)

    def compute(self, parts: Any, x: Tensor) -> Tensor:
        """The pieces through their branches, merged."""
        import torch

        from benchmarks.uninas import modules

        expanded: Tensor = parts.expand(x) if self.fork == "convexp3" else x
        pieces = 3 if self.fork == "convexp3" else self.chunks
        given = expanded.chunk(pieces, 1) if pieces > 1 else (expanded,) * len(self.branches)
        # Of chunk/matmul the last branch stands on the map, and has no piece.
        made: list[Tensor] = [
            branch(piece) for branch, piece in zip(parts.branches, given, strict=False)
        ]
        match self.merge:
            case "add":
                return sum(made[1:], start=made[0])
            case "multiply":
                return made[0] * made[1].sigmoid()
            case "matmul":
                return modules.attend(made[0], made[1], made[2], parts.branches[3])
        return torch.cat(made, 1) if len(made) > 1 else made[0]
