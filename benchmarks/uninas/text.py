"""Sequences of nodes as compact text, and back: what architecture ids are made of.

A node is its code, `code[arguments](sequences)` if it has any; nodes of a sequence are separated
by commas, sequences within a node by semicolons, and `n*` says that one stands n times.
"""

from __future__ import annotations

import re
from itertools import groupby

from benchmarks.uninas.nodes.algebra import NODES, Node, Sequence

_TOKEN = re.compile(r"[a-z][a-z0-9]*|[0-9]+\*|\[[a-z0-9_,]*\]|[(),;]")
_DEEPEST = 64
#: More sequences than any node holds.
_MOST = 5 * 24


def to_text(sequence: Sequence) -> str:
    """The compact text of a sequence.

    >>> to_text(from_text("conv3,fork[copy,add](bn;bn)"))
    'conv3,fork[copy,add](2*bn)'
    """
    return ",".join(map(_node_to_text, sequence))


def _node_to_text(node: Node) -> str:
    arguments = f"[{','.join(node.arguments)}]" if node.arguments else ""
    if not node.sequences:
        return f"{node.code}{arguments}"
    runs = [(len(list(run)), to_text(sequence)) for sequence, run in groupby(node.sequences)]
    inside = ";".join(text if times == 1 else f"{times}*{text}" for times, text in runs)
    return f"{node.code}{arguments}({inside})"


def from_text(text: str) -> Sequence:
    """The sequence that a compact text describes.

    Raises:
        ValueError: It is none; the message says where.
    """
    parser = _Parser(text)
    sequence = parser.sequence(0)
    if parser.token:
        raise ValueError(f"unexpected {parser.token!r}{parser.place()}")
    return sequence


class _Parser:
    """Recursive descent over tokens; `token` is the next, "" at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._end, self._start = text, 0, 0
        self._codes = {kind.code: kind for kind in NODES.values()}
        self.token = ""
        self._advance()

    def place(self) -> str:
        """Where the next token stands, for messages."""
        return f" at {self._text[self._start : self._start + 20]!r}"

    def _advance(self) -> str:
        taken, self._start = self.token, self._end
        match = _TOKEN.match(self._text, self._end)
        if match is None and self._end < len(self._text):
            raise ValueError(f"cannot read{self.place()}")
        self.token = match.group() if match else ""
        self._end += len(self.token)
        return taken

    def sequence(self, depth: int) -> Sequence:
        """nodes, separated by commas; perhaps none"""
        if not self.token or self.token in ");":
            return ()
        nodes = [self._node(depth)]
        while self.token == ",":
            self._advance()
            nodes.append(self._node(depth))
        return tuple(nodes)

    def _node(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise ValueError(f"nodes nested deeper than {_DEEPEST}")
        place, code = self.place(), self._advance()
        if code not in self._codes:
            known = ", ".join(self._codes)
            raise ValueError(f"unknown node {code!r}{place}; known: {known}")
        arguments: tuple[str, ...] = ()
        if self.token.startswith("["):
            arguments = tuple(self._advance()[1:-1].split(","))
        sequences: list[Sequence] = []
        if self.token == "(":
            while not sequences or self.token == ";":
                self._advance()
                times = int(self._advance()[:-1]) if self.token.endswith("*") else 1
                if not 0 < times <= _MOST:
                    raise ValueError(f"{times} equal sequences{place}")
                sequences += [self.sequence(depth + 1)] * times
            if self._advance() != ")":
                raise ValueError(f"')' is missing{self.place()}")
        try:
            return self._codes[code].make(arguments, tuple(sequences))
        except ValueError as error:
            raise ValueError(f"{error}{place}") from error
