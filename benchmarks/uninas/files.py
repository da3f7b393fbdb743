"""Model files in the public JSON format of UniNAS.

A file holds img_size, num_classes, drop_rate, embed_dim, depths, stem_width and model_str, a text
that is JSON itself: a list of stages, each a list of blocks, each "R", "E", "T" or
{"subblock1": node, "subblock2": node}; a node is {"class", "shape", "params"}.

Shapes are computed from where a node stands; a declared one is compared with that, save where
the public code is known to write another: the products within an attention, and a GELU between
two convolutions that resize, which may declare the shape outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.uninas.architecture import DEPTHS, STEM, WIDTHS, Block, Model, known_block
from benchmarks.uninas.nodes import algebra as n

_FIELDS = (
    "img_size", "num_classes", "drop_rate", "embed_dim", "depths", "stem_width", "model_str",
)  # fmt: skip
_DEEPEST = 64


def read(path: Path) -> Model:
    """The model in a file.

    Raises:
        InputError: The file cannot be read, a field is missing or wrong, a node is unknown or does
            not fit; the message names file, node and reason.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; name a UniNAS model file") from error
    return parse(content, str(path))


def parse(content: str, origin: str = "the text") -> Model:
    """The model that the content of a file describes.

    Args:
        content: JSON.
        origin: What messages call it.

    Raises:
        InputError: As `read`.
    """
    try:
        return _model(_json(content, ""))
    except (InputError, ValueError) as error:
        raise InputError(f"{origin} is no UniNAS model: {error}") from error


def to_json(model: Model) -> dict[str, Any]:
    """The fields of a file; known blocks by their code, which readers of the format know too."""
    stages: list[list[Any]] = [[] for _ in model.stages]
    numbers = [stage for stage, blocks in enumerate(model.stages) for _ in blocks]
    for stage, block, place in zip(numbers, model.blocks(), model.places(), strict=True):
        stages[stage].append(_code(block, place.shape[0]) or _block_json(block, place.shape))
    return {
        "img_size": model.img_size,
        "num_classes": model.classes,
        "drop_rate": model.drop_rate,
        "embed_dim": list(model.widths),
        "depths": list(model.depths),
        "model_str": json.dumps(stages),
        "stem_width": list(model.stem),
    }


def write(model: Model, path: Path) -> None:
    """Write a model file, whole or not at all.

    Raises:
        InputError: It cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(to_json(model)) + "\n", encoding="utf-8")


# ------------------------------------------------------------------ writing


def _code(block: Block, width: int) -> str | None:
    for code in "RET":
        try:
            if block == known_block(code, width):
                return code
        except InputError:  # that block cannot have this width
            continue
    return None


def _block_json(block: Block, shape: n.Shape) -> dict[str, Any]:
    return {
        "subblock1": n.sequence_json(block.sub1, shape),
        "subblock2": n.sequence_json(block.sub2, shape),
    }


# ------------------------------------------------------------------ reading


class _PlaceError(ValueError):
    """Something in a file, with the place in it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)


def _json(content: Any, place: str) -> Any:
    """JSON, which may be a text of JSON."""
    if not isinstance(content, str):
        return content
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _PlaceError(place, f"no valid JSON ({error})") from error


def _model(data: Any) -> Model:
    if not isinstance(data, dict):
        raise _PlaceError("", f"expected an object with the fields {', '.join(_FIELDS)}")
    unknown = [field for field in data if field not in _FIELDS]
    if unknown:
        raise _PlaceError("", f"unknown field {unknown[0]!r}; known: {', '.join(_FIELDS)}")
    if "model_str" not in data:
        raise _PlaceError("", "the field model_str is missing")
    widths = _integers(data, "embed_dim", WIDTHS)
    depths = _integers(data, "depths", DEPTHS)
    given = data.get("stem_width", STEM)
    stem = (given, given) if isinstance(given, int) else _integers(data, "stem_width", STEM)
    if len(stem) != 2:
        raise _PlaceError("stem_width", f"two widths expected, not {len(stem)}")
    drop_rate = data.get("drop_rate", 0.0)
    if isinstance(drop_rate, bool) or not isinstance(drop_rate, int | float):
        raise _PlaceError("drop_rate", f"{drop_rate!r} is no number")
    stages = _json(data["model_str"], "model_str")
    if not isinstance(stages, list) or not all(isinstance(stage, list) for stage in stages):
        raise _PlaceError("model_str", "expected a list of stages, each a list of blocks")
    if not len(stages) == len(widths) == len(depths):
        numbers = f"embed_dim has {len(widths)} numbers and depths {len(depths)}"
        raise _PlaceError("model_str", f"{len(stages)} stages, but {numbers}")
    for number, (stage, depth) in enumerate(zip(stages, depths, strict=True)):
        if len(stage) != depth:
            raise _PlaceError(f"stage {number}", f"{len(stage)} blocks, but depths says {depth}")
    # Sizes first, with blocks that always fit: shapes are compared while nodes are read.
    frame = Model(
        tuple((Block((), ()),) * depth for depth in depths),
        widths,
        (stem[0], stem[1]),
        _integer(data.get("img_size", 224), "img_size"),
        _integer(data.get("num_classes", 1000), "num_classes"),
        float(drop_rate),
    ).checked()
    places = frame.places()
    read = tuple(
        tuple(
            _block(block, next(places).shape, f"stage {s}, block {b}")
            for b, block in enumerate(stage)
        )
        for s, stage in enumerate(stages)
    )
    model = Model(read, frame.widths, frame.stem, frame.img_size, frame.classes, frame.drop_rate)
    return model.checked()


def _integer(value: Any, place: str) -> int:
    # The public code has img_size as a pair too.
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1_000_000:
        raise _PlaceError(place, f"{value!r} is no positive whole number")
    return value


def _integers(data: Mapping[str, Any], field: str, default: tuple[int, ...]) -> tuple[int, ...]:
    values = data.get(field, default)
    if not isinstance(values, list | tuple) or not values:
        raise _PlaceError(field, "expected a list of whole numbers")
    return tuple(_integer(value, field) for value in values)


def _block(data: Any, shape: n.Shape, place: str) -> Block:
    if isinstance(data, str) and len(data) == 1:
        try:
            return known_block(data, shape[0])
        except InputError as error:
            raise _PlaceError(place, str(error)) from error
    data = _json(data, place)
    halves = ("subblock1", "subblock2")
    if not isinstance(data, dict) or set(data) != set(halves):
        raise _PlaceError(place, 'expected "R", "E", "T" or an object with subblock1 and subblock2')
    return Block(*(_sequence(data[half], shape, f"{place}, {half}") for half in halves))


def _sequence(
    data: Any, shape: n.Shape, place: str, outside: n.Shape | None = None, depth: int = 0
) -> n.Sequence:
    """The sequence that a SequentialModule holds, or the one node that stands in its place.

    Args:
        data: Its JSON.
        shape: What it takes.
        place: What messages call it.
        outside: The shape around two convolutions that resize, where these enclose it.
        depth: How deep it is nested.
    """
    if depth > _DEEPEST:
        raise _PlaceError(place, f"nodes nested deeper than {_DEEPEST}")
    data = _json(data, place)
    name, params = _class(data, place)
    if name != "SequentialModule":
        return _nodes([data], shape, place, outside, depth)
    _compare(data, shape, place)
    modules = params.get("modules", [])
    if not isinstance(modules, list):
        raise _PlaceError(place, "modules must be a list of nodes")
    return _nodes(modules, shape, place, outside, depth)


def _nodes(
    modules: list[Any], shape: n.Shape, place: str, outside: n.Shape | None, depth: int
) -> n.Sequence:
    found: list[n.Node] = []
    for number, module in enumerate(modules):
        here = f"{place}[{number}]"
        data = _json(module, here)
        name, params = _class(data, here)
        here = f"{here} {name}"
        if name == "SequentialModule":  # one within another is the same function
            made = _sequence(data, shape, here, outside, depth + 1)
        else:
            kind = n.NODES.get(name)
            others = (outside,) if outside and kind and kind.declares_outside else ()
            _compare(data, shape, here, others)
            made = (_node(name, params, shape, here, depth),)
        found += made
        shape = n.shapes(made, shape)[-1]
    return tuple(found)


def _class(data: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(data, dict) or not isinstance(data.get("class"), str):
        raise _PlaceError(place, f"expected a node with a class, not {str(data)[:60]!r}")
    params = data.get("params", {})
    if not isinstance(params, dict):
        raise _PlaceError(place, "params must be an object")
    return data["class"], params


def _compare(
    data: Mapping[str, Any], shape: n.Shape, place: str, others: tuple[n.Shape, ...] = ()
) -> None:
    declared = data.get("shape")
    if declared is not None and declared not in ([*map(list, (shape, *others))]):
        raise _PlaceError(place, f"declares the shape {declared}, but it stands at {list(shape)}")


def _node(name: str, params: Mapping[str, Any], shape: n.Shape, place: str, depth: int) -> n.Node:
    if name not in n.NODES:
        raise _PlaceError(place, f"unknown node; known: {', '.join(n.NODES)}")
    kind = n.NODES[name]

    def keep(field: str, value: Any) -> tuple[n.Sequence, ...]:
        """First pass: how many sequences there are, from which their shapes follow."""
        if isinstance(value, list):
            return ((),) * len(value)
        if not isinstance(value, dict | str):
            raise ValueError(f"{field} is missing, or no sequence of nodes")
        return ((),)

    try:
        hollow = kind.from_params(params, keep)
        refusal = hollow.refusal(shape)
        if refusal is not None:
            raise ValueError(f"{refusal}, but it stands at {shape}")
        inner = iter(hollow.inner(shape))
        resized = shape if kind.resizes else None

        def read(field: str, value: Any) -> tuple[n.Sequence, ...]:
            listed = value if isinstance(value, list) else [value]
            places = [f"{place} / {field}[{i}]" for i in range(len(listed))]
            if not isinstance(value, list):
                places = [f"{place} / {field}"]
            return tuple(
                _sequence(each, next(inner), here, resized, depth + 1)
                for each, here in zip(listed, places, strict=True)
            )

        return kind.from_params(params, read)
    except _PlaceError:
        raise
    except ValueError as error:
        raise _PlaceError(place, str(error)) from error
