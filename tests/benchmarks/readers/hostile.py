"""Objects whose unpickling runs a command: each makes the folder `marker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Bomb:
    """Pickles as a call.

    Args:
        function: Called when the pickle is loaded.
        argument: Its only argument.
    """

    def __init__(self, function: Any, argument: str) -> None:
        self._call = function, (argument,)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


KINDS = ("mkdir", "system", "eval")


def bomb(kind: str, marker: Path) -> Bomb:
    """One of `KINDS`; going off, it makes the folder `marker`."""
    match kind:
        case "mkdir":
            return Bomb(os.mkdir, str(marker))
        case "system":
            return Bomb(os.system, f"mkdir '{marker}'")
        case "eval":
            return Bomb(eval, f"__import__('os').mkdir({str(marker)!r})")
    raise ValueError(kind)
