"""Nodes that hold one sequence at another shape: other channels, or one pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import drawing
from benchmarks.uninas.nodes.algebra import (
    Node,
    Part,
    Reader,
    Sequence,
    Shape,
    convolution,
    first_live,
    node,
    sequence_json,
    transmits,
    volume,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Ways to draw the two convolutions of `ExpandAndReduce` and `ReduceAndExpand`.
SCHEMES = ("kaiming_normal", "kaiming_normal_mlp", "xavier_uniform")


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
    resizes = True

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

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        from benchmarks.uninas import modules

        c, ((inside, *_),) = shape[0], self.inner(shape)
        first = first_live(self, live)
        return nn.Sequential(
            modules.convolution(c, inside, scheme=self.scheme, live=first),
            *modules.sequences(self, shape, live)[0],
            modules.convolution(inside, c, scheme=self.scheme, live=live),
        )


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

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        (body,) = modules.sequences(self, shape, live)
        return modules.NodeModule(self, body=body)

    def compute(self, parts: Any, x: Tensor) -> Tensor:
        """The sequence on the average, at every pixel."""
        out: Tensor = parts.body(x.mean((2, 3), keepdim=True))
        return out.expand(-1, -1, *x.shape[2:])
