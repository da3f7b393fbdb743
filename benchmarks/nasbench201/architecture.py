"""NAS-Bench-201 cells and their strings.

A cell has four nodes 0..3 and one operation on each of the six edges i < j; a
node is the sum of its incoming edges, node 0 is the input, node 3 the output.
Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020 (arXiv:2001.00326).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.errors import InputError

#: The five operations in the official ("canonical") order.
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
#: The six edges (source, target) in the order of the architecture string.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
#: Order of operations and edges in NAS-Bench-Suite-Zero's integer tuples.
SUITE_ZERO_OPS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
SUITE_ZERO_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
#: Macro skeleton: channels and resolution divisor of the three stages, cells a stage.
STAGE_CHANNELS = (16, 32, 64)
CELLS_PER_STAGE = 5
_TERM = re.compile(r"\|([^|~+]+)~([^|~+]+)(?=\|)")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One architecture: an operation for each of the six edges.

    Attributes:
        ops: Operation names in the order of `EDGES`.

    >>> cell = Cell.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|")
    >>> cell.ops[0], cell.reachable
    ('nor_conv_3x3', True)
    """

    ops: tuple[str, str, str, str, str, str]

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Read an architecture string, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

        Raises:
            InputError: The string is not of that form, or names an unknown operation.
        """
        text = text.strip()
        ops: list[str] = []
        for number, node in enumerate(text.split("+"), start=1):
            terms = _TERM.findall(node)
            if "".join(f"|{op}~{source}" for op, source in terms) + "|" != node:
                raise InputError(_malformed(text, f"node {number} reads {node!r}"))
            if [source for _, source in terms] != [str(i) for i in range(number)]:
                raise InputError(
                    _malformed(
                        text, f"node {number} must take its sources 0..{number - 1} in order"
                    )
                )
            ops.extend(op for op, _ in terms)
        if len(ops) != len(EDGES):
            raise InputError(_malformed(text, f"it has {len(ops)} edges, not {len(EDGES)}"))
        for op in ops:
            if op not in OPS:
                raise InputError(_malformed(text, f"{op!r} is none of {', '.join(OPS)}"))
        return cls(tuple(ops))  # type: ignore[arg-type]

    @classmethod
    def from_suite_zero(cls, codes: Sequence[int]) -> Cell:
        """Read six operation codes in the order of NAS-Bench-Suite-Zero and NASLib.

        Raises:
            InputError: Not six codes in 0..4.
        """
        if len(codes) != len(EDGES) or any(
            code not in range(len(SUITE_ZERO_OPS)) for code in codes
        ):
            raise InputError(f"{codes!r} is no NAS-Bench-201 cell: expected six codes in 0..4")
        by_edge = dict(zip(SUITE_ZERO_EDGES, codes, strict=True))
        return cls(tuple(SUITE_ZERO_OPS[by_edge[edge]] for edge in EDGES))  # type: ignore[arg-type]

    @property
    def suite_zero(self) -> tuple[int, ...]:
        """The six operation codes in the order of NAS-Bench-Suite-Zero and NASLib.

        >>> Cell.from_suite_zero((4, 0, 3, 1, 4, 3)).suite_zero
        (4, 0, 3, 1, 4, 3)
        """
        by_edge = dict(zip(EDGES, self.ops, strict=True))
        return tuple(SUITE_ZERO_OPS.index(by_edge[edge]) for edge in SUITE_ZERO_EDGES)

    @property
    def id(self) -> str:
        """The architecture string, the name under which scores and accuracies are kept."""
        return str(self)

    def __str__(self) -> str:
        nodes = []
        for target in (1, 2, 3):
            terms = (f"{op}~{i}" for (i, j), op in zip(EDGES, self.ops, strict=True) if j == target)
            nodes.append("|" + "|".join(terms) + "|")
        return "+".join(nodes)

    @property
    def used(self) -> frozenset[tuple[int, int]]:
        """Edges without those of `none` that lie on a path from input to output."""
        live = [edge for edge, op in zip(EDGES, self.ops, strict=True) if op != "none"]
        from_input, to_output = {0}, {3}
        # Edges lie in topological order of their targets, so one sweep each way is enough.
        for i, j in live:
            if i in from_input:
                from_input.add(j)
        for i, j in sorted(live, reverse=True):
            if j in to_output:
                to_output.add(i)
        return frozenset((i, j) for i, j in live if i in from_input and j in to_output)

    @property
    def reachable(self) -> bool:
        """Every edge whose operation is not `none` lies on a path from input to output.

        The filter behind the VKDNW paper's tables (arXiv:2502.04975) and GRAF. The
        cell without any such edge counts as reachable, as it does there.
        """
        return len(self.used) == len(EDGES) - self.ops.count("none")

    @property
    def isomorphism(self) -> str:
        """The official zero-aware string of the function that the cell computes.

        Equal strings: the same function (the converse holds up to the order in which
        the official code simplifies). 6,466 distinct strings over the space.
        """
        nodes = ["0"]
        for target in (1, 2, 3):
            terms = []
            for (i, j), op in zip(EDGES, self.ops, strict=True):
                if j != target:
                    continue
                if op == "none" or nodes[i] == "#":
                    terms.append("#")
                elif op == "skip_connect":
                    terms.append(nodes[i])
                else:
                    terms.append(f"({nodes[i]})@{op}")
            nodes.append("+".join(sorted(terms)))
        return nodes[3]


def _malformed(text: str, reason: str) -> str:
    return (
        f"malformed NAS-Bench-201 architecture {text!r}: {reason}; "
        "expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
    )
