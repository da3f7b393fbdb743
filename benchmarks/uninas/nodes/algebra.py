"""What all nodes are, how they count, and how sequences of them are checked and written."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from benchmarks import drawing

if TYPE_CHECKING:
    from torch import Tensor, nn

Shape = tuple[int, int, int]
#: Channels of an attention head, and the numbers of heads that the space knows.
HEAD = 32
HEADS = (3, 6, 12, 24)


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


class Node(ABC):
    """One node; subclasses are frozen dataclasses.

    Attributes:
        name: Its class in the public JSON format.
        code: Its name in the compact text of an architecture.
        proposed: Whether the walk inserts it.
        label: What a drawing writes on it; "": its name.
        colour: Its fill in a drawing.
        shows_empty: Whether a drawing shows the sequences in which nothing is.
        resizes: Whether its sequences stand at other channels, between two convolutions.
        declares_outside: Whether files may declare, of one within a node that resizes, the shape
            around that node.
    """

    __slots__ = ()
    name: ClassVar[str]
    code: ClassVar[str]
    proposed: ClassVar[bool] = True
    label: ClassVar[str] = ""
    colour: ClassVar[str] = drawing.OTHER
    shows_empty: ClassVar[bool] = True
    resizes: ClassVar[bool] = False
    declares_outside: ClassVar[bool] = False

    def __deepcopy__(self, memo: object) -> Node:
        return self  # a value: copies of networks share their nodes

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

    # ---------------------------------------------------------------- PyTorch

    @abstractmethod
    def module(self, shape: Shape, live: bool) -> nn.Module:
        """The node as a module, (B, C, H, W) to `output`; torch is imported within.

        Modules are registered in the order of the public code's networks, because some proxies
        read parameters in that order.

        Args:
            shape: (C, H, W) that it takes.
            live: Whether a gradient reaches its output; without, all parameters are frozen.
        """

    def compute(self, parts: Any, x: Tensor) -> Tensor:
        """What a `NodeModule` of the node computes.

        Args:
            parts: The module, with the parts that `module` gave it as attributes.
            x: (B, C, H, W).
        """
        raise NotImplementedError

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
