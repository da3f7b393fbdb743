"""Files of a training: what goes on after a kill, and what another training begins with."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.types import Resizes

_FORMAT = "nas-proxy-harness training 1"
_SHOWN = 60


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain data, whole or not at all.

    Raises:
        InputError: The file cannot be written.
    """
    with replacing(path) as temporary:
        torch.save({"format": _FORMAT, **content}, temporary)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, on the CPU; nothing in the file is executed.

    Raises:
        InputError: There is no such file, or it is another one.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; name a checkpoint of harness train") from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise InputError(
            f"{path} is no checkpoint that can be read ({type(error).__name__}); it is damaged or "
            "of another program: remove it, or name another"
        ) from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise InputError(f"{path} is no checkpoint of harness train; name another file")
    return found


def resumed(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state of a training that was stopped; None: it has not begun.

    Args:
        path: Its checkpoint.
        identity: What identifies the training, plain data.

    Raises:
        InputError: The file is damaged, or of another training; it is left as it is.
    """
    if not path.exists():
        return None
    found = load(path)
    held = found.get("identity", {})
    differing = [n for n in {**identity, **held} if _plain(identity.get(n)) != _plain(held.get(n))]
    if "task" in differing:
        differing = ["task"]  # all else follows
    if differing:
        said = "; ".join(_difference(n, held.get(n), identity.get(n)) for n in differing)
        raise InputError(
            f"{path} is of another training ({said}); choose another --out, or remove it"
        )
    return found


def _plain(value: object) -> object:
    """Tuples and lists are the same to a file."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _difference(name: str, held: object, asked: object) -> str:
    """What differs of one entry, as deep as it has names."""
    if isinstance(held, Mapping) and isinstance(asked, Mapping):
        for key in {**held, **asked}:
            if _plain(held.get(key)) != _plain(asked.get(key)):
                return _difference(f"{name} {key}", held.get(key), asked.get(key))
    return f"{name} {_short(held)}, not {_short(asked)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def save_weights(path: Path, backbone: nn.Module, about: Mapping[str, Any]) -> None:
    """Write the weights of an architecture's own network, for another training to begin with.

    Args:
        path: The file.
        backbone: The network.
        about: `space`, `architecture`, and what else is to be known of them; plain data.
    """
    state = {name: tensor.detach().cpu() for name, tensor in backbone.state_dict().items()}
    save(path, {"about": dict(about), "weights": state})


def about(path: Path) -> dict[str, Any]:
    """What `save_weights` was told of the weights in a file.

    Raises:
        InputError: The file is damaged.
    """
    return dict(load(path).get("about", {}))


def digest(path: Path) -> str:
    """Twelve digits that identify the content of a file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:12]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error


def load_weights(path: Path, backbone: nn.Module, space: str, architecture: str) -> list[str]:
    """Put the weights of `save_weights` into a network.

    Args:
        path: The file.
        backbone: The network; a classifier of another number of classes keeps its weights, and
            what depends on the size of images is resized (`benchmarks.types.Resizes`).
        space: Whose architecture it is.
        architecture: Its id.

    Returns:
        Names of the parameters that kept their weights.

    Raises:
        InputError: The file is damaged, or of another architecture.
    """
    found = load(path)
    told = found.get("about", {})
    if not told:
        raise InputError(f"{path} holds no weights alone; name the weights.pt that lies beside it")
    if (told.get("space"), told.get("architecture")) != (space, architecture):
        raise InputError(
            f"{path} holds weights of another model ({told.get('space')} "
            f"{_short(told.get('architecture'))}, not {space} {_short(architecture)}); name a "
            "weights.pt that harness train wrote for this one"
        )
    held: dict[str, Tensor] = found.get("weights", {})
    own = backbone.state_dict()
    strange = [
        n for n in own
        if n in held and own[n].shape != held[n].shape and not _resizes(backbone, n)
    ]  # fmt: skip
    missing = [n for n in own if n not in held]
    kept = [*strange, *missing]
    if missing and told.get("task") not in (None, "classification"):
        raise InputError(
            f"{path} was written by a training of {told['task']}, whose network has no "
            f"{missing[0]}; begin with the weights of a classification"
        )
    if any(not name.startswith(("classifier.", "head.")) for name in kept):
        raise InputError(
            f"{path} does not fit the network: {kept[0]} is "
            f"{'missing' if kept[0] in missing else 'of another shape'} there; train it again"
        )
    backbone.load_state_dict({n: held[n] for n in own if n not in kept}, strict=False)
    return kept


def _resizes(network: nn.Module, parameter: str) -> bool:
    """Whether a parameter may be of another shape, that of a network for other images."""
    return isinstance(network.get_submodule(parameter.rpartition(".")[0]), Resizes)
