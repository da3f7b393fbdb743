"""Tables of the training pages, made of what the harness declares.

```{protocols} uninas_classification, uninas_detection
```

shows every setting of training protocols, one column each, from their files; settings that all of
them leave as they are are left out.

```{training-hours}
```

shows how long the published trainings take on eight GPUs: an estimate from FLOPs.

```{power}
```

shows what numbers of architectures decide.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from benchmarks import BENCHMARKS
from benchmarks.trained import Group, TrainedTable
from benchmarks.types import HasSizeAt
from harness.evaluation import power
from harness.report.training_plots import short
from harness.training.recipe.protocol import Protocol, protocol

GPUS = 8
#: Floating-point operations a second of one GPU. An assumption: ResNet's published inference on
#: ADE20K is 481 images/s x 47 GFLOPs = 23 TFLOP/s.
SUSTAINED = 20e12
#: Training costs so many times the FLOPs of inference: forward, and twice that backward.
TRAINING = 3
#: FLOPs of an image in the heads, as the harness counts them, by task.
HEADS = {"classification": 0.0, "detection": 340e9, "segmentation": 107e9}

_GROUPS = ("rate", "optimiser", "network", "augmentation", "evaluating", "distillation")
_NAMES = ("title", "name", "notes", "source")


# ------------------------------------------------------------------ settings


def settings(chosen: list[Protocol]) -> list[list[str]]:
    """Heading and rows: a setting a row, a protocol a column."""
    said = [_settings(each) for each in chosen]
    names = list(dict.fromkeys(name for each in said for name in each))
    rows = [[name, *(each.get(name, "") for each in said)] for name in names]
    return [["", *(f"`{each.name}`" for each in chosen)], *(row for row in rows if any(row[1:]))]


def _settings(chosen: Protocol) -> dict[str, str]:
    """What a protocol sets, in words; what is as if it were not there is left out."""
    found: dict[str, str] = {}
    for field in dataclasses.fields(chosen):
        value = getattr(chosen, field.name)
        if field.name in _GROUPS:
            found |= _group(field.name, value)
        elif field.name not in _NAMES:
            found[_title(field.name)] = _words(field.name, value)
    return found


def _group(name: str, value: Any) -> dict[str, str]:
    """Settings of a group, without those that do nothing beside the others."""
    if value is None:
        return {}
    held = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    idle = {
        "decay": not held.get("milestones"),
        "momentum": held.get("name") == "adamw",
        "scale": held.get("crop") not in ("resized", "scaled"),
        "init": held.get("init") == "space",
    }
    return {
        f"{name}: {_title(each)}": "" if idle.get(each) else _words(each, setting)
        for each, setting in held.items()
    }


def _title(name: str) -> str:
    return name.replace("_", " ").replace("gpu", "GPU").replace("warmup", "warm-up")


def _words(name: str, value: object) -> str:
    if name == "resolution" and isinstance(value, tuple):
        text = f"{value[1]} × {value[0]}"
    elif name == "per":
        text = {"gpu": "GPU", "256": "256 images of a step", "run": "run"}[str(value)]
    elif name != "floor" and (value is None or value in ((), False, 0.0, "none")):
        text = ""
    elif isinstance(value, tuple):
        text = ", ".join(map(str, value))
    elif isinstance(value, float):
        text = short(value)
    else:
        text = "yes" if value is True else str(value)
    return text


# ------------------------------------------------------------------ hours


def hours(table: TrainedTable, benchmark: str) -> list[list[str]]:
    """Heading and rows: a known model a row, two estimates a task."""
    space = BENCHMARKS[benchmark].space
    assert isinstance(space, HasSizeAt)
    heading = ["model"]
    for group in table.groups:
        heading.append(f"{group.name}, {protocol(group.protocol).epochs} epochs")
        if _speed_column(table, group):
            heading.append(f"{group.name}, by published speed")
    body = []
    for model, name in table.known.items():
        line = [model]
        for group in table.groups:
            published = [c for c in table.of(group.name) if c.kind == "trained"]
            if not any(table.text(model, column.name) for column in published):
                line += ["-"] * (2 if _speed_column(table, group) else 1)
                continue
            size = space.size_at(space.parse(name), *group.resolution)["flops"]
            line.append(_number(by_flops(group, size)))
            speed = _speed_column(table, group)
            if speed:
                line.append(_number(by_speed(group, table.value(model, speed))))
        body.append(line)
    return [heading, *body]


def _images(group: Group) -> int:
    return group.images * protocol(group.protocol).epochs


def by_flops(group: Group, flops: float) -> float:
    """Hours, where each GPU sustains `SUSTAINED`."""
    work = TRAINING * (flops + HEADS[group.task]) * _images(group)
    return work / (GPUS * SUSTAINED) / 3600


def by_speed(group: Group, images_per_second: float) -> float:
    """Hours, where each GPU is as fast as in the paper's inference."""
    return TRAINING * _images(group) / (GPUS * images_per_second) / 3600


def _speed_column(table: TrainedTable, group: Group) -> str:
    found = [c.name for c in table.of(group.name) if c.figure == "images_per_second"]
    return found[0] if found else ""


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


# ------------------------------------------------------------------ numbers of architectures

#: How far trainings agree, and how many of each architecture there are.
_TRAININGS = ((None, 1), (0.8, 1), (0.8, 3))


def decided() -> list[list[str]]:
    """Heading and rows: a number of architectures a row, two figures for each of `_TRAININGS`."""
    heading = ["architectures"]
    for retraining, seeds in _TRAININGS:
        given = (
            f"agreement {retraining:g}, {seeds} seed{'s' * (seeds > 1)}" if retraining else "exact"
        )
        heading += [f"interval ({given})", f"difference ({given})"]
    return [heading, *([f"{n:,}", *_decided(n)] for n in (25, 50, 100, 200, 500, 1000, 2000))]


def _decided(n: int) -> list[str]:
    line = []
    for retraining, seeds in _TRAININGS:
        assumed = power.Assumed(retraining=retraining, seeds=seeds)
        smallest = power.smallest_difference(n, assumed)
        line.append(f"± {power.interval_width(n, assumed):.3f}")
        line.append("none" if math.isnan(smallest) else f"{smallest:.3f}")
    return line


# ------------------------------------------------------------------ directives


def markdown(rows: list[list[str]], mark: str = "---:") -> str:
    """A Markdown table, the first column to the left, the others as `mark` says."""
    heading, *body = rows
    marks = [":---", *[mark] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, marks, *body))


class _Table(Directive):
    """A table and lines below it."""

    kind, mark = "result", "---:"

    def rows(self) -> list[list[str]]:
        """Heading and rows."""
        raise NotImplementedError

    def below(self) -> list[str]:
        """Lines of a list."""
        return []

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        content = [markdown(self.rows(), self.mark), "", *(f"- {line}" for line in self.below())]
        node = nodes.container(classes=[self.kind])
        lines = StringList("\n".join(content).split("\n"), "trainings")
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


class Protocols(_Table):
    """Settings of protocols."""

    required_arguments = 1
    final_argument_whitespace = True
    kind, mark = "words", ":---"

    @property
    def _chosen(self) -> list[Protocol]:
        return [protocol(name.strip()) for name in self.arguments[0].split(",")]

    def rows(self) -> list[list[str]]:
        """Heading and rows."""
        return settings(self._chosen)

    def below(self) -> list[str]:
        """Sources, and what they leave open."""
        return [
            f"`{each.name}`: {each.source}. " + " ".join(f"{_upper(note)}." for note in each.notes)
            for each in self._chosen
        ]


class Hours(_Table):
    """Estimated hours of the published trainings."""

    def rows(self) -> list[list[str]]:
        """Heading and rows."""
        return hours(BENCHMARKS["uninas"].trained["uninas"], "uninas")

    def below(self) -> list[str]:
        """What the estimates assume."""
        heads = ", ".join(
            f"{flops / 1e9:.0f} G in {task}" for task, flops in HEADS.items() if flops
        )
        return [
            f"Estimates, {GPUS} GPUs; nothing of this was run. {TRAINING} times the FLOPs of "
            "inference for each training image; loading, validation and waiting for one another "
            "are not in it.",
            f"First column of a task: {SUSTAINED / 1e12:.0f} TFLOP/s sustained by each GPU, heads "
            f"included ({heads}).",
            "By published speed: each GPU as fast as the paper's inference, whose machine is not "
            "stated. Attention and depthwise convolutions are slower than their FLOPs say.",
        ]


class Power(_Table):
    """What numbers of architectures decide."""

    def rows(self) -> list[list[str]]:
        """Heading and rows."""
        return decided()

    def below(self) -> list[str]:
        """What is assumed."""
        assumed = power.Assumed()
        return [
            f"interval: half of the 95 % interval of one proxy's tau ({assumed.tau:g}). "
            "difference: the smallest between two proxies' taus that a paired interval tells from "
            f"0 with probability {assumed.power:g}.",
            "exact: as if accuracies were those of infinitely many trainings; agreement: tau of "
            "two trainings of the same architectures. For ± 0.05 or a difference of 0.05: "
            f"{power.needed_for_interval(0.05, assumed):,} and "
            f"{power.needed_for_difference(0.05, assumed):,} architectures.",
        ]


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("protocols", Protocols)
    app.add_directive("training-hours", Hours)
    app.add_directive("power", Power)
    return {"parallel_read_safe": True}
