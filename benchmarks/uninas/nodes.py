"""The elementary nodes of UniNAS: what they take, what they cost and how they are written.

A node maps a feature map (C, H, W) to one of the same shape (two rare ones to other channels).
Most are layers; composite ones hold sequences of nodes, each at a shape of its own, and may be
nested at will. A sequence gives the shape that it takes. Nodes are values: they
hold no weights and know no torch (`benchmarks.uninas.network` makes modules of them). A class
registers itself by `@node`; nothing else has to know it.

FLOPs follow the space's own convention: two for a multiply-accumulate, and elementwise
operations too. Sources: the UniNAS paper's list of nodes and its public code, whose model files
use the class names given here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from benchmarks import drawing

Shape = tuple[int, int, int]

#: Channels of an attention head, and the numbers of heads that the space knows.
HEAD = 32
HEADS = (3, 6, 12, 24)
#: Ways to draw the two convolutions of `ExpandAndReduce` and `ReduceAndExpand`.
SCHEMES = ("kaiming_normal", "kaiming_normal_mlp", "xavier_uniform")


@dataclass(frozen=True, slots=True)
class Counts:
    """Size of a part of a model; parts add up.

    Attributes:
        params: Parameters, the frozen ones too.
        trainable: Parameters that a gradient reaches.
        flops: In the convention of the space: two for a multiply-accumulate, elementwise
            operations counted, for one image.
        macs: Multiply-accumulates of convolutions, linear layers and attention, for one image.
        tensors: Parameter tensors that a gradient reaches.
    """

    params: int = 0
    trainable: int = 0
    flops: int = 0
    macs: int = 0
    tensors: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.params + other.params,
            self.trainable + other.trainable,
            self.flops + other.flops,
            self.macs + other.macs,
            self.tensors + other.tensors,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What a node consists of itself, without its sequences: one layer or operation.

    Attributes:
        params: Its parameters.
        tensors: Its parameter tensors.
        flops: As in `Counts`.
        macs: As in `Counts`.
        first: It stands before the node's sequences, which must pass a gradient on to it.
    """

    params: int = 0
    tensors: int = 0
    flops: int = 0
    macs: int = 0
    first: bool = False

    def counts(self, live: bool) -> Counts:
        """Counts of this part, whose parameters a gradient reaches or not."""
        trainable, tensors = (self.params, self.tensors) if live else (0, 0)
        return Counts(self.params, trainable, self.flops, self.macs, tensors)


def convolution(
    c_in: int, c_out: int, pixels: int, *, taps: int = 1, bias: bool = True, first: bool = False
) -> Part:
    """A convolution with `taps` weights for each pair of channels, giving `pixels` pixels."""
    weights = c_in * c_out * taps
    macs = weights * pixels
    return Part(weights + bias * c_out, 1 + bias, 2 * macs, macs, first)


def volume(shape: Shape) -> int:
    """Elements of a feature map."""
    return math.prod(shape)


class Node:
    """One node; subclasses are frozen dataclasses.

    Attributes:
        name: Its class in the public JSON format.
        code: Its name in the compact text of an architecture.
        proposed: Whether the walk inserts it.
        label: What a drawing writes on it; "": its name.
        colour: Its fill in a drawing.
        shows_empty: Whether a drawing shows the sequences in which nothing is.
    """

    __slots__ = ()
    name: ClassVar[str]
    code: ClassVar[str]
    proposed: ClassVar[bool] = True
    label: ClassVar[str] = ""
    colour: ClassVar[str] = drawing.OTHER
    shows_empty: ClassVar[bool] = True

    @classmethod
    def proposals(cls, shape: Shape) -> Iterable[Node]:
        """What the walk may insert into a sequence at `shape`; each must still fit."""
        return (cls(),) if cls.proposed else ()

    def refusal(self, shape: Shape) -> str | None:
        """Why the node cannot stand at `shape`; None: it can."""
        return None

    def output(self, shape: Shape) -> Shape:
        """The shape that it makes of `shape`."""
        return shape

    def parts(self, shape: Shape) -> Iterator[Part]:
        """Its own layers and operations at `shape`."""
        yield Part()

    # ---------------------------------------------------------------- sequences within

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """The sequences of nodes within, in order."""
        return ()

    def inner(self, shape: Shape) -> tuple[Shape, ...]:
        """The shape at which each of the `sequences` stands."""
        return ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `make` needs besides the sequences."""
        return ()

    @classmethod
    def make(cls, arguments: tuple[str, ...], sequences: tuple[Sequence, ...]) -> Node:
        """The node with these `arguments` and `sequences`.

        Raises:
            ValueError: They are not such as the class takes.
        """
        if arguments or sequences:
            raise ValueError(f"{cls.code} takes no arguments and holds no nodes")
        return cls()

    def holding(self, sequences: tuple[Sequence, ...]) -> Node:
        """This node with other sequences, as many as before."""
        return self.make(self.arguments, sequences)

    # ---------------------------------------------------------------- gradients

    @property
    def transmits(self) -> bool:
        """Whether a gradient of the output reaches the input."""
        return True

    def reached(self) -> tuple[bool, ...]:
        """For each of the `sequences`, whether a gradient of the output reaches its output."""
        return (True,) * len(self.sequences)

    # ---------------------------------------------------------------- drawing

    @property
    def caption(self) -> str:
        """What a drawing writes on this one."""
        return self.label or self.name

    @property
    def roles(self) -> tuple[str, ...]:
        """For each of the `sequences`, what a drawing says that it is for; "": nothing."""
        return ("",) * len(self.sequences)

    # ---------------------------------------------------------------- JSON

    def to_params(self, shape: Shape) -> dict[str, Any]:
        """The field "params" of the node in the public JSON format."""
        return {}

    @classmethod
    def from_params(cls, params: Mapping[str, Any], read: Reader) -> Node:
        """The node that "params" of the public JSON format describes.

        Args:
            params: The field.
            read: Reads the sequence in a field, or the list of them.

        Raises:
            ValueError: A value is not such as the class takes.
        """
        return cls.make((), ())


Sequence = tuple[Node, ...]
#: (field, its JSON) -> the sequence or sequences in it.
Reader = Callable[[str, Any], tuple[Sequence, ...]]

#: Every kind of node, by its class in the JSON format.
NODES: dict[str, type[Node]] = {}
N = TypeVar("N", bound=type[Node])


def node(name: str, code: str, *, proposed: bool = True) -> Callable[[N], N]:
    """Register a kind of node. Arguments as in `Node`."""

    def register(cls: N) -> N:
        if name in NODES or any(known.code == code for known in NODES.values()):
            raise ValueError(f"node {name!r} ({code}) is registered twice")
        cls.name, cls.code, cls.proposed = name, code, proposed
        NODES[name] = cls
        return cls

    return register


# ------------------------------------------------------------------ sequences


def shapes(sequence: Sequence, shape: Shape) -> list[Shape]:
    """Shapes before, between and after the nodes of a sequence that takes `shape`."""
    found = [shape]
    for each in sequence:
        found.append(each.output(found[-1]))
    return found


def transmits(sequence: Sequence) -> bool:
    """Whether a gradient of a sequence's output reaches its input."""
    return all(each.transmits for each in sequence)


def liveness(sequence: Sequence, live: bool = True) -> list[bool]:
    """For each node, whether a gradient reaches its output; `live`: it reaches the sequence's."""
    found: list[bool] = []
    for each in reversed(sequence):
        found.append(live)
        live = live and each.transmits
    return found[::-1]


def first_live(each: Node, live: bool) -> bool:
    """Whether a gradient reaches a node's parts that stand before its sequences."""
    pairs = zip(each.sequences, each.reached(), strict=True)
    return live and any(reached and transmits(sequence) for sequence, reached in pairs)


def count_node(each: Node, shape: Shape, live: bool = True) -> Counts:
    """Counts of a node with all that it holds."""
    total = Counts()
    for part in each.parts(shape):
        total += part.counts(first_live(each, live) if part.first else live)
    for sequence, inner, reached in zip(
        each.sequences, each.inner(shape), each.reached(), strict=True
    ):
        total += count(sequence, inner, live and reached)
    return total


def count(sequence: Sequence, shape: Shape, live: bool = True) -> Counts:
    """Counts of all nodes of a sequence that takes `shape`."""
    total = Counts()
    for each, reached in zip(sequence, liveness(sequence, live), strict=True):
        total += count_node(each, shape, reached)
        shape = each.output(shape)
    return total


@dataclass(frozen=True, slots=True)
class Misfit:
    """A node that cannot stand where it does.

    Attributes:
        path: Where: node numbers from 0 and, within a node, which of its sequences.
        reason: Why.
    """

    path: str
    reason: str


def misfits(sequence: Sequence, shape: Shape, path: str) -> Iterator[Misfit]:
    """All that does not fit in a sequence called `path` that takes `shape`."""
    here, taken = path, shape
    for number, each in enumerate(sequence):
        here = f"{path}[{number}] {each.name}"
        reason = each.refusal(shape)
        if reason is not None:
            yield Misfit(here, f"{reason}, but it stands at {shape}")
            return  # all that follows rests on this
        for index, (inside, inner) in enumerate(
            zip(each.sequences, each.inner(shape), strict=True)
        ):
            yield from misfits(inside, inner, f"{here} / branch {index} ")
        shape = each.output(shape)
    if shape != taken:
        yield Misfit(here, f"the sequence takes {taken} and would give {shape}")


# ------------------------------------------------------------------ layers


@node("Conv1", "conv1")
@dataclass(frozen=True, slots=True)
class Conv1(Node):
    """1x1 convolution with bias."""

    label = "1×1"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """2 C S FLOPs, C (C + 1) parameters."""
        c, h, w = shape
        yield convolution(c, c, h * w)


@node("Conv3", "conv3")
@dataclass(frozen=True, slots=True)
class Conv3(Node):
    """3x3 convolution with bias, padding 1."""

    label = "3×3"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """18 C S FLOPs, C (9 C + 1) parameters."""
        c, h, w = shape
        yield convolution(c, c, h * w, taps=9)


@node("ConvDepth3", "dw3")
@dataclass(frozen=True, slots=True)
class ConvDepth3(Node):
    """Depthwise 3x3 convolution, padding 1."""

    label = "depth 3×3"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """18 S FLOPs, 9 C parameters."""
        c, h, w = shape
        yield convolution(1, c, h * w, taps=9, bias=False)


@node("ConvDepth5", "dw5")
@dataclass(frozen=True, slots=True)
class ConvDepth5(Node):
    """Depthwise 5x5 convolution, padding 2."""

    label = "depth 5×5"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """50 S FLOPs, 25 C parameters."""
        c, h, w = shape
        yield convolution(1, c, h * w, taps=25, bias=False)


class _Norm(Node):
    __slots__ = ()
    colour = drawing.NORM

    def parts(self, shape: Shape) -> Iterator[Part]:
        """2 S FLOPs, 2 C parameters: scale and shift."""
        yield Part(2 * shape[0], 2, 2 * volume(shape))


@node("BatchNorm", "bn")
@dataclass(frozen=True, slots=True)
class BatchNorm(_Norm):
    """Batch norm of every channel."""

    label = "BN"


@node("LayerNorm", "ln")
@dataclass(frozen=True, slots=True)
class LayerNorm(_Norm):
    """Layer norm over the channels of every pixel, eps 1e-6."""

    label = "LN"


@node("GELU", "gelu")
@dataclass(frozen=True, slots=True)
class GELU(Node):
    """x Phi(x)."""

    colour = drawing.ACTIVATION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """3 S FLOPs."""
        yield Part(flops=3 * volume(shape))


@node("Sigmoid", "sigmoid")
@dataclass(frozen=True, slots=True)
class Sigmoid(Node):
    """1 / (1 + exp(-x))."""

    label = "sigmoid"
    colour = drawing.ACTIVATION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """3 S FLOPs."""
        yield Part(flops=3 * volume(shape))


@node("Softmax", "softmax")
@dataclass(frozen=True, slots=True)
class Softmax(Node):
    """Softmax over the last dimension, W."""

    label = "softmax"
    colour = drawing.ACTIVATION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """C H (3 W - 1) FLOPs."""
        c, h, w = shape
        yield Part(flops=c * h * (3 * w - 1))


@node("Dropout", "dropout")
@dataclass(frozen=True, slots=True)
class Dropout(Node):
    """Dropout of elements, p = 0.5."""

    label = "dropout"

    def parts(self, shape: Shape) -> Iterator[Part]:
        """S FLOPs."""
        yield Part(flops=volume(shape))


@node("MaxPool", "maxpool")
@dataclass(frozen=True, slots=True)
class MaxPool(Node):
    """3x3 max-pooling, stride 1, padding 1."""

    label = "max 3×3"

    def parts(self, shape: Shape) -> Iterator[Part]:
        """9 S FLOPs."""
        yield Part(flops=9 * volume(shape))


@node("Mask", "mask")
@dataclass(frozen=True, slots=True)
class Mask(Node):
    """Keeps the elements with |row - column| <= 5; the others become zero."""

    label = "band"
    colour = drawing.POSITION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """S FLOPs."""
        yield Part(flops=volume(shape))


@node("RelPosBias", "relpos")
@dataclass(frozen=True, slots=True)
class RelPosBias(Node):
    """Adds to a map between pixels a bias that depends on their relative position.

    The map's rows are the pixels of a square image of side sqrt(H), its columns those of one of
    side sqrt(W); one bias for each relative position, shared by the channels.
    """

    label = "rel. bias"
    colour = drawing.POSITION

    def refusal(self, shape: Shape) -> str | None:
        """H and W must be perfect squares, and equal: pixels are compared with one another."""
        _, h, w = shape
        if h != w or math.isqrt(h) ** 2 != h:
            return "H and W must be the same perfect square"
        return None

    def parts(self, shape: Shape) -> Iterator[Part]:
        """H W FLOPs, (2 sqrt(H) - 1) (2 sqrt(W) - 1) parameters."""
        _, h, w = shape
        yield Part((2 * math.isqrt(h) - 1) * (2 * math.isqrt(w) - 1), 1, h * w)


@node("Identity", "identity", proposed=False)
@dataclass(frozen=True, slots=True)
class Identity(Node):
    """x."""

    label = "identity"


@node("Zero", "zero", proposed=False)
@dataclass(frozen=True, slots=True)
class Zero(Node):
    """Zeros; no gradient passes."""

    label = "zero"
    colour = drawing.NOTHING

    @property
    def transmits(self) -> bool:
        """Never."""
        return False


# ------------------------------------------------------------------ nodes that hold sequences


@dataclass(frozen=True, slots=True)
class _Resizing(Node, ABC):
    """1x1 convolution to other channels, a sequence there, 1x1 convolution back, with biases.

    Attributes:
        body: The sequence.
        factor: How many times more or fewer channels it has.
        scheme: How the two convolutions are drawn, one of `SCHEMES`.
    """

    body: Sequence = ()
    factor: int = 4
    scheme: str = "kaiming_normal"

    colour = drawing.RESIZING

    @abstractmethod
    def _channels(self, shape: Shape) -> int:
        """Channels of the sequence."""

    def parts(self, shape: Shape) -> Iterator[Part]:
        """4 S C' FLOPs, 2 C C' + C + C' parameters; C' = the channels of the sequence."""
        c, h, w = shape
        inside = self._channels(shape)
        yield convolution(c, inside, h * w, first=True)
        yield convolution(inside, c, h * w)

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """The one sequence."""
        return (self.body,)

    def inner(self, shape: Shape) -> tuple[Shape, ...]:
        """Other channels."""
        return ((self._channels(shape), *shape[1:]),)

    @property
    def transmits(self) -> bool:
        """If the sequence does."""
        return transmits(self.body)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Factor, and the scheme where it is not the usual one."""
        usual = self.scheme == SCHEMES[0]
        return (str(self.factor),) if usual else (str(self.factor), self.scheme)

    @classmethod
    def make(cls, arguments: tuple[str, ...], sequences: tuple[Sequence, ...]) -> Node:
        """As in `Node`."""
        if len(arguments) not in (1, 2) or len(sequences) != 1:
            raise ValueError(f"{cls.code} takes a factor, perhaps a scheme, and one sequence")
        factor, scheme = arguments[0], arguments[1] if arguments[1:] else SCHEMES[0]
        if not factor.isdecimal() or int(factor) < 1 or len(factor) > 3:
            raise ValueError(f"factor {factor!r} is no number in 1..999")
        if scheme not in SCHEMES:
            raise ValueError(f"unknown scheme {scheme!r}; known: {', '.join(SCHEMES)}")
        return cls(sequences[0], int(factor), scheme)

    def to_params(self, shape: Shape) -> dict[str, Any]:
        """Sequence, factor and scheme."""
        (inner,) = self.inner(shape)
        body = sequence_json(self.body, inner)
        return {"sequential": body, "factor": self.factor, "scheme": self.scheme}

    @classmethod
    def from_params(cls, params: Mapping[str, Any], read: Reader) -> Node:
        """As in `Node`."""
        arguments = (str(params.get("factor", 4)), str(params.get("scheme", SCHEMES[0])))
        return cls.make(arguments, read("sequential", params.get("sequential")))


@node("ExpandAndReduce", "expand")
@dataclass(frozen=True, slots=True)
class ExpandAndReduce(_Resizing):
    """1x1 convolution C -> 4 C, a sequence, 1x1 convolution back."""

    @property
    def caption(self) -> str:
        """With the factor."""
        return f"expand {self.factor}×"

    def _channels(self, shape: Shape) -> int:
        return shape[0] * self.factor


@node("ReduceAndExpand", "reduce")
@dataclass(frozen=True, slots=True)
class ReduceAndExpand(_Resizing):
    """1x1 convolution C -> C / 4, a sequence, 1x1 convolution back."""

    @property
    def caption(self) -> str:
        """With the factor."""
        return f"reduce {self.factor}×"

    def _channels(self, shape: Shape) -> int:
        return shape[0] // self.factor

    def refusal(self, shape: Shape) -> str | None:
        """The factor must divide C."""
        if shape[0] % self.factor:
            return f"C must be a multiple of {self.factor}"
        return None


@node("AvgAndUpsample", "avg")
@dataclass(frozen=True, slots=True)
class AvgAndUpsample(Node):
    """Global average, a sequence at (C, 1, 1), and the result at every pixel."""

    body: Sequence = ()

    label = "global average"

    def parts(self, shape: Shape) -> Iterator[Part]:
        """S FLOPs."""
        yield Part(flops=volume(shape))

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """The one sequence."""
        return (self.body,)

    def inner(self, shape: Shape) -> tuple[Shape, ...]:
        """One pixel."""
        return ((shape[0], 1, 1),)

    @property
    def transmits(self) -> bool:
        """If the sequence does."""
        return transmits(self.body)

    @classmethod
    def make(cls, arguments: tuple[str, ...], sequences: tuple[Sequence, ...]) -> Node:
        """As in `Node`."""
        if arguments or len(sequences) != 1:
            raise ValueError(f"{cls.code} takes one sequence and no arguments")
        return cls(sequences[0])

    def to_params(self, shape: Shape) -> dict[str, Any]:
        """The sequence."""
        (inner,) = self.inner(shape)
        return {"sequential": sequence_json(self.body, inner)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any], read: Reader) -> Node:
        """As in `Node`."""
        return cls.make((), read("sequential", params.get("sequential")))


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


# ------------------------------------------------------------------ JSON of sequences


def sequence_json(sequence: Sequence, shape: Shape) -> dict[str, Any]:
    """A sequence that takes `shape`, in the public JSON format."""
    modules = [
        {"class": each.name, "shape": list(here), "params": each.to_params(here)}
        for each, here in zip(sequence, shapes(sequence, shape)[:-1], strict=True)
    ]
    return {"class": "SequentialModule", "shape": list(shape), "params": {"modules": modules}}


def sequences_json(sequences: Iterable[Sequence], inner: Iterable[Shape]) -> list[dict[str, Any]]:
    """Sequences, each at its shape, in the public JSON format."""
    return [sequence_json(each, shape) for each, shape in zip(sequences, inner, strict=True)]
