"""Folders of results: `result.json` says what a folder holds, and under which protocol.

It has the format's number, the kind ("evaluation", "search", "table"), `facts` as plain data, of
which `identity` are those that identify the protocol, the lines of the protocol as they stand under
the tables, and what else its kind needs to be shown again.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.data import replacing
from benchmarks.errors import InputError
from harness.report.environment import environment

FILE = "result.json"
_FORMAT = 1


def claim(folder: Path, kind: str, identity: Mapping[str, Any], *, force: bool = False) -> None:
    """See that a result may be written into a folder, before work is done in vain.

    A folder that holds results of the same protocol, or none, may be written; nothing is made yet.

    Args:
        folder: Need not be there.
        kind: Of result.
        identity: What identifies its protocol, plain data.
        force: Overwrite results of another protocol.

    Raises:
        InputError: It cannot be written, or holds results of another protocol.
    """
    check_writable(folder)
    if force or not folder.is_dir():
        return
    if not (folder / FILE).exists():
        if any(folder.glob("*.csv")):
            raise InputError(
                f"{folder} holds tables without a {FILE}, so of an unknown protocol; choose "
                "another --out, or overwrite them with --force"
            )
        return
    held = read(folder)
    ours = json.loads(json.dumps(dict(identity)))
    theirs = held["facts"].get("identity", {})
    differing = [n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)]
    if held["kind"] != kind or differing:
        said = "; ".join(
            f"{n} {_short(theirs.get(n))}, not {_short(ours.get(n))}" for n in differing
        )
        raise InputError(
            f"{folder} holds results of another protocol ({said or held['kind']}); choose another "
            "--out or --label, or overwrite them with --force"
        )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_writable(folder: Path) -> None:
    """See that a folder can be written, or made.

    Raises:
        InputError: It cannot.
    """
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        reason = f"{existing} is no folder"
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = f"{existing} is not writable"
    else:
        return
    raise InputError(f"cannot write results to {folder}: {reason}; choose another --out")


def write(
    folder: Path, kind: str, facts: Mapping[str, Any], protocol: Any, **more: Any
) -> list[Path]:
    """Write `result.json` and `environment.json`.

    The environment is that of the facts, where they have it: a result that is shown again was
    computed with what it was computed with.

    Args:
        folder: Made where it is not there.
        kind: "evaluation", "search", "table".
        facts: Plain data, `identity` among them.
        protocol: Lines that say what the figures rest on, or several such by name.
        more: Whatever else the kind needs, plain data.

    Returns:
        The files.
    """
    content = {"format": _FORMAT, "kind": kind, "facts": facts, "protocol": protocol, **more}
    text(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    computed_with = facts.get("environment", None) or environment()
    text(folder / "environment.json", json.dumps(computed_with, indent=2) + "\n")
    return [folder / FILE, folder / "environment.json"]


def read(folder: Path) -> dict[str, Any]:
    """The content of a folder's `result.json`.

    Raises:
        InputError: There is none, or it is damaged or of a later format.
    """
    path = folder / FILE
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["format"] != _FORMAT:
            raise ValueError(f"format {held['format']}, not {_FORMAT}")
        for name, kind in (("kind", str), ("facts", dict), ("protocol", (list, dict))):
            if not isinstance(held[name], kind):
                raise TypeError(f"{name} is {_short(held[name])}")
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no {FILE}; name a folder that harness eval, search or tables wrote"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no description of results ({type(error).__name__}: {error}); make the "
            "results again"
        ) from error
    return dict(held)


def text(path: Path, content: str) -> Path:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def csv(content: str) -> pd.DataFrame:
    """The frame that a CSV text holds; only what is empty is missing, "nan" is a name."""
    return pd.read_csv(io.StringIO(content), keep_default_na=False, na_values=[""])
