"""MobileNetV2 structures and their strings.

A structure is a row of superblocks, written `Type(arguments)` one behind the other: a stem
`SuperConvK3BNRELU(in,out,stride,sublayers)`, inverted residuals `SuperResIDWE6K3(in,out,stride,
bottleneck,sublayers)` of expansion 1, 2, 4 or 6 and kernel 3, 5 or 7, and a last convolution; a
linear classifier follows. Each sublayer of inverted residuals is two residual units, in ->
bottleneck -> out. Lin et al., "Zen-NAS", ICCV 2021 (arXiv:2102.01063), searched by ZiCo
(arXiv:2301.11300), AZ-NAS (arXiv:2403.19232) and VKDNW (arXiv:2502.04975) as it stands here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.errors import InputError

#: Expansion and kernel of the twelve types of inverted residuals, in the published order.
RESIDUAL_TYPES = tuple((e, k) for k in (3, 5, 7) for e in (1, 2, 4, 6))
CONVOLUTION_KERNELS = (1, 3, 5, 7)
_BLOCK = re.compile(r"\s*(\w+)\(([^()]*)\)")
_CONVOLUTION = re.compile(r"SuperConvK(\d)BNRELU")
_RESIDUAL = re.compile(r"SuperResIDWE(\d)K(\d)")
_LARGEST = 65_536
_TYPES = [
    *(f"SuperConvK{k}BNRELU" for k in CONVOLUTION_KERNELS),
    *(f"SuperResIDWE{e}K{k}" for e, k in RESIDUAL_TYPES),
]


def round8(x: float) -> int:
    """The nearest multiple of 8, at least 8; halves go to the even multiple, as published.

    >>> [round8(x) for x in (1, 12, 20, 28)]
    [8, 16, 16, 32]
    """
    return max(8, 8 * round(x / 8))


@dataclass(frozen=True, slots=True, order=True)
class Convolution:
    """A superblock of convolutions, each with batch norm and ReLU.

    Attributes:
        kernel: Side of the kernels: 1, 3, 5 or 7.
        c_in: Channels that it takes.
        c_out: Channels that it gives.
        stride: Of the first convolution.
        sublayers: Number of convolutions.
    """

    kernel: int
    c_in: int
    c_out: int
    stride: int
    sublayers: int

    @property
    def type(self) -> str:
        """Its type in the string."""
        return f"SuperConvK{self.kernel}BNRELU"

    def __str__(self) -> str:
        return f"{self.type}({self.c_in},{self.c_out},{self.stride},{self.sublayers})"


@dataclass(frozen=True, slots=True, order=True)
class Residual:
    """A superblock of inverted residuals, two units a sublayer.

    Attributes:
        expansion: Channels of the depthwise convolution over those of the unit's output.
        kernel: Side of the depthwise kernels.
        c_in: Channels that it takes.
        c_out: Channels that it gives.
        stride: Of the first unit.
        bottleneck: Channels between the two units of a sublayer.
        sublayers: Number of pairs of units.
    """

    expansion: int
    kernel: int
    c_in: int
    c_out: int
    stride: int
    bottleneck: int
    sublayers: int

    @property
    def type(self) -> str:
        """Its type in the string."""
        return f"SuperResIDWE{self.expansion}K{self.kernel}"

    def __str__(self) -> str:
        arguments = self.c_in, self.c_out, self.stride, self.bottleneck, self.sublayers
        return f"{self.type}({','.join(map(str, arguments))})"

    def units(self) -> Iterator[Unit]:
        """Its residual units in order."""
        c_in, stride = self.c_in, self.stride
        for number in range(2 * self.sublayers):
            c_out = self.c_out if number % 2 else self.bottleneck
            projects = number == 0 or stride > 1 or c_in != c_out
            yield Unit(c_in, round8(c_out * self.expansion), c_out, self.kernel, stride, projects)
            c_in, stride = c_out, 1


@dataclass(frozen=True, slots=True)
class Unit:
    """One inverted residual: 1x1 expansion, depthwise k x k, 1x1 projection, shortcut.

    Attributes:
        c_in: Channels that it takes.
        hidden: Channels of its depthwise convolution.
        c_out: Channels that it gives.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution and of the shortcut.
        projects: Whether the shortcut is a convolution; else it is the identity.
    """

    c_in: int
    hidden: int
    c_out: int
    kernel: int
    stride: int
    projects: bool

    @property
    def squeezed(self) -> int:
        """Channels in the middle of its squeeze-and-excitation, a quarter."""
        return max(1, round(self.hidden / 4))


Block = Convolution | Residual


@dataclass(frozen=True, slots=True, order=True)
class Structure:
    """One architecture: superblocks, each taking the channels that the one before gives.

    >>> Structure.parse("SuperConvK3BNRELU(stem|3,8,2,1)SuperConvK1BNRELU(8,64,1,1)").id
    'SuperConvK3BNRELU(3,8,2,1)SuperConvK1BNRELU(8,64,1,1)'
    """

    blocks: tuple[Block, ...]

    @classmethod
    def parse(cls, text: str) -> Structure:
        """Read a structure string; a block may carry a name, `Type(name|arguments)`.

        Raises:
            InputError: The string is malformed, a block type is unknown, a number is out of
                range, or a block does not take what the one before it gives.
        """
        text = text.strip()
        blocks: list[Block] = []
        position = 0
        while position < len(text) or not blocks:
            found = _BLOCK.match(text, position)
            if found is None:
                raise InputError(
                    f"malformed MobileNetV2 structure at position {position}, "
                    f"{text[position : position + 24]!r}: expected a block such as {INITIAL[0]}"
                )
            start = found.start(1)
            try:
                block = _block(found[1], found[2].rpartition("|")[2].split(","))
                _check_chain(blocks, block)
            except ValueError as error:
                token = f"{found[1]}({found[2]})"
                raise InputError(
                    f"MobileNetV2 structure, block {len(blocks) + 1} at position {start}, "
                    f"{token[:100]!r}: {error}"
                ) from error
            blocks.append(block)
            position = found.end()
        return cls(tuple(blocks))

    @property
    def id(self) -> str:
        """The structure string without names: the key of scores."""
        return str(self)

    def __str__(self) -> str:
        return "".join(map(str, self.blocks))

    @property
    def layers(self) -> int:
        """The published number of layers: sublayers of all superblocks."""
        return sum(block.sublayers for block in self.blocks)

    def stage_ends(self) -> tuple[int, ...]:
        """Which superblocks give the last map at strides 4, 8, 16 and 32, in order.

        The last superblock is none where it is a 1x1 convolution that widens for the classifier.

        >>> Structure(INITIAL).stage_ends()
        (1, 2, 3, 4)
        """
        last = self.blocks[-1]
        widens = isinstance(last, Convolution) and (last.kernel, last.stride) == (1, 1)
        ends, stride = {}, 1
        for number, block in enumerate(self.blocks[: len(self.blocks) - widens]):
            stride *= block.stride
            ends[stride] = number
        return tuple(ends[stride] for stride in (4, 8, 16, 32) if stride in ends)


def _block(type_: str, arguments: Sequence[str]) -> Block:
    convolution, residual = _CONVOLUTION.fullmatch(type_), _RESIDUAL.fullmatch(type_)
    if type_ not in _TYPES:
        near = difflib.get_close_matches(type_, _TYPES, n=1)
        raise ValueError(
            f"unknown block type {type_!r}{f'; did you mean {near[0]!r}?' if near else ';'} known: "
            "SuperConvK{1,3,5,7}BNRELU, SuperResIDWE{1,2,4,6}K{3,5,7}"
        )
    wanted = "in,out,stride,sublayers" if convolution else "in,out,stride,bottleneck,sublayers"
    if len(arguments) != wanted.count(",") + 1:
        raise ValueError(f"takes ({wanted}), not {len(arguments)} arguments")
    numbers = []
    for name, digits in zip(wanted.split(","), map(str.strip, arguments), strict=True):
        number = int(digits) if digits.isdecimal() and len(digits) < 7 else 0
        if not 1 <= number <= (2 if name == "stride" else _LARGEST):
            allowed = "1 or 2" if name == "stride" else f"a number in 1..{_LARGEST}"
            raise ValueError(f"{name} must be {allowed}, not {digits!r}")
        numbers.append(number)
    if convolution:
        return Convolution(int(convolution[1]), *numbers)
    assert residual is not None
    return Residual(int(residual[1]), int(residual[2]), *numbers)


def _check_chain(before: Sequence[Block], block: Block) -> None:
    given = before[-1].c_out if before else 3
    if block.c_in != given:
        giver = f"the block before it gives {given}" if before else "images have 3"
        raise ValueError(f"takes {block.c_in} channels, but {giver}; write {given} as the first")


#: Where the published searches begin, whatever their budget.
INITIAL = (
    Convolution(3, 3, 8, 2, 1),
    Residual(6, 3, 8, 32, 2, 8, 1),
    Residual(6, 3, 32, 48, 2, 32, 1),
    Residual(6, 3, 48, 96, 2, 48, 1),
    Residual(6, 3, 96, 128, 2, 96, 1),
    Convolution(1, 128, 2048, 1, 1),
)
#: Published structures: where searches begin, and what ZiCo's found under 450M FLOPs.
KNOWN: Mapping[str, Structure] = MappingProxyType(
    {
        "initial": Structure(INITIAL),
        "zico-450M": Structure(
            (
                Convolution(3, 3, 16, 2, 1),
                Residual(1, 7, 16, 40, 2, 40, 1),
                Residual(2, 7, 40, 80, 2, 64, 1),
                Residual(4, 7, 80, 96, 2, 96, 5),
                Residual(2, 7, 96, 224, 2, 224, 5),
                Convolution(1, 224, 2048, 1, 1),
            )
        ),
    }
)
