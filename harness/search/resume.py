"""The state of a search on disk: written whole, read back checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.data import replacing
from benchmarks.errors import InputError
from harness.search.loop import Evaluation

_FORMAT = 1


def save_state(path: Path, description: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a state of `harness.search.run`, whole or not at all.

    Args:
        path: The file.
        description: All that the search is a function of, as plain data.
        state: As `on_step` gives it.
    """
    content = {"format": _FORMAT, "search": description, **state}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def load_state(path: Path, description: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state that `save_state` wrote, or None where there is none.

    Raises:
        InputError: It is of another search, or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        theirs, format_ = content["search"], content["format"]
        Evaluation(**content["evaluations"])
        content["optimiser"]["rng"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no state of a search ({type(error).__name__}: {error}); remove it to "
            "begin anew, or choose another --out"
        ) from error
    ours = json.loads(json.dumps(description))
    if format_ != _FORMAT or theirs != ours:
        differing = [name for name in ours if theirs.get(name) != ours[name]]
        said = "; ".join(f"{n} {theirs.get(n)!r}, not {ours[n]!r}" for n in differing)
        raise InputError(
            f"{path} is the state of another search ({said or f'format {format_}'}); "
            "choose another --out, or remove it to begin anew"
        )
    return dict(content)
