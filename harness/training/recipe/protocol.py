"""Training protocols: every setting of a published training in one declarative file.

The files lie in `protocols/`, one a column of a paper's table or a benchmark's recipe.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.errors import InputError
from benchmarks.registry import near

_T = TypeVar("_T")
#: Settings that are said even where they are the usual ones.
_ALWAYS = ("floor", "weight_decay", "decayed", "interpolation", "resize")
#: What is said of a protocol and moves no figure.
_DESCRIBING = ("title", "source", "data", "head", "notes")


@dataclass(frozen=True)
class Rate:
    """The learning rate as a function of the step.

    From `warmup` it grows linearly to `peak` within `warmup_epochs`; then it follows the schedule,
    which counts from the first step on, to `floor` at the end.

    Attributes:
        schedule: "cosine", "linear" or "multistep".
        peak: Per GPU (`per` "gpu"), per 256 images of a step ("256"), or as it is ("run").
        warmup: Where warm-up begins; scaled as `peak`.
        floor: The lowest after warm-up; scaled as `peak`.
        warmup_epochs: May be 0.
        milestones: Epochs at which "multistep" multiplies by `decay`.
        decay: See `milestones`.
        per: What `peak`, `warmup` and `floor` are scaled by.
    """

    schedule: str
    peak: float
    warmup: float = 0.0
    floor: float = 0.0
    warmup_epochs: float = 0.0
    milestones: tuple[float, ...] = ()
    decay: float = 0.1
    per: str = "gpu"


@dataclass(frozen=True)
class Optimiser:
    """What makes steps of gradients.

    Attributes:
        name: timm's: "adamw", "sgd" (with Nesterov momentum), "momentum" (without), "rmsproptf".
        weight_decay: Of the parameters that `decayed` names.
        decayed: "all"; "matrices": those with two dimensions or more, so neither biases nor norms.
        momentum: Of "sgd", "momentum" and "rmsproptf".
        eps: None: the optimiser's own.
        clip: Largest norm of the gradient; None: not clipped.
    """

    name: str
    weight_decay: float
    decayed: str = "matrices"
    momentum: float = 0.9
    eps: float | None = None
    clip: float | None = None


@dataclass(frozen=True)
class Network:
    """What the recipe changes in the network of an architecture.

    Attributes:
        drop_path: Probability of leaving out a residual branch, of the last block.
        se: Squeeze-and-excitation, where the space has it.
        norm_momentum: Of batch norms; None: the space's own.
        init: "space": as the space draws weights; "kaiming_zero": Kaiming normal by fan-in, and
            the last norm of every residual unit is 0.
    """

    drop_path: float = 0.0
    se: bool = False
    norm_momentum: float | None = None
    init: str = "space"


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training image, in this order; what is not named is not done.

    Attributes:
        crop: "resized" (random area and ratio, to the resolution), "padded" (random crop after
            padding by `padding` pixels), "scaled" (to a random multiple of the resolution, then a
            random crop), "none" (the whole image, scaled).
        padding: Pixels on every side.
        scale: Smallest and largest share of the area ("resized"), or multiple ("scaled").
        interpolation: "bilinear", "bicubic".
        flip: Probability of a horizontal flip.
        auto: timm's name of an AutoAugment or RandAugment policy.
        photometric: Random brightness, contrast, saturation and hue.
        jitter: Strength of random brightness, contrast and saturation.
        lighting: Deviation of AlexNet's lighting noise, in its principal components.
        erase: Probability of filling a rectangle with the mean colour.
        mixup: Alpha of mixup; 0: none.
    """

    crop: str = "none"
    padding: int = 0
    scale: tuple[float, float] = (0.08, 1.0)
    interpolation: str = "bilinear"
    flip: float = 0.0
    auto: str | None = None
    photometric: bool = False
    jitter: float = 0.0
    lighting: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True)
class Evaluating:
    """How an image is prepared for validation.

    Attributes:
        resize: Side of the shorter edge before the central crop, as a multiple of the resolution.
        interpolation: "bilinear", "bicubic".
    """

    resize: float = 1.0
    interpolation: str = "bilinear"


@dataclass(frozen=True)
class Distillation:
    """A teacher beside the labels.

    Attributes:
        teacher: timm's name of a pre-trained network.
        resolution: Side of the images that it sees, resized from those of the student.
        logits: Weight of the soft cross-entropy with its probabilities.
        features: Weight of the smooth L1 distance to its features.
        strides: Of those features.
        file: With its weights; "": they are downloaded.
    """

    teacher: str
    resolution: int
    logits: float = 1.0
    features: float = 1.0
    strides: tuple[int, ...] = (16, 32)
    file: str = ""


@dataclass(frozen=True)
class Protocol:
    """How a network is trained.

    Attributes:
        name: Of its file.
        title: For people.
        source: Paper, and where in it.
        task: "classification", "detection", "segmentation".
        data: What the paper trained on.
        head: What stands behind the network.
        epochs: Of the whole training.
        batch_per_gpu: Images of a step on one GPU.
        resolution: (height, width) of the images in pixels.
        rate: Learning rate.
        optimiser: See there.
        network: See there.
        augmentation: See there.
        evaluating: See there.
        label_smoothing: Of the cross-entropy.
        ema: Decay of the averaged weights that are validated; None: none are kept.
        distillation: See there.
        notes: What the source leaves open and how it is done here; where a library differs.
    """

    name: str
    title: str
    source: str
    task: str
    data: str
    head: str
    epochs: int
    batch_per_gpu: int
    resolution: tuple[int, int]
    rate: Rate
    optimiser: Optimiser
    network: Network = field(default_factory=Network)
    augmentation: Augmentation = field(default_factory=Augmentation)
    evaluating: Evaluating = field(default_factory=Evaluating)
    label_smoothing: float = 0.0
    ema: float | None = None
    distillation: Distillation | None = None
    notes: tuple[str, ...] = ()

    def changed(self, **values: Any) -> Protocol:
        """The same with other values; None leaves one as it is.

        Other `epochs` keep the shape of the rate: warm-up and milestones move in proportion; so
        does the padding with another `resolution`.

        Raises:
            InputError: A number is below 1.
        """
        given = {k: v for k, v in values.items() if v is not None}
        for name in ("epochs", "batch_per_gpu"):
            if given.get(name, 1) < 1:
                raise InputError(f"{name.replace('_', ' ')} {given[name]}: use 1 or more")
        if min(given.get("resolution", (1,))) < 1:
            raise InputError(f"resolution {given['resolution']}: use 1 pixel or more")
        sides = min(given.get("resolution", self.resolution)) / min(self.resolution)
        padding = round(self.augmentation.padding * sides)
        if padding != self.augmentation.padding:
            given["augmentation"] = dataclasses.replace(
                given.get("augmentation", self.augmentation), padding=padding
            )
        stretch = given.get("epochs", self.epochs) / self.epochs
        if stretch != 1:
            given["rate"] = dataclasses.replace(
                self.rate,
                warmup_epochs=self.rate.warmup_epochs * stretch,
                milestones=tuple(epoch * stretch for epoch in self.rate.milestones),
            )
        return dataclasses.replace(self, **given)

    def with_teacher(self, file: Path) -> Protocol:
        """The same with the teacher's weights from a file.

        Raises:
            InputError: The protocol has no teacher.
        """
        if self.distillation is None:
            raise InputError(f"protocol {self.name} has no teacher; leave --teacher out")
        held = dataclasses.replace(self.distillation, file=str(file))
        return dataclasses.replace(self, distillation=held)

    def plain(self) -> dict[str, Any]:
        """Its settings as data for JSON, which identify a training; not what only describes it."""
        held = dataclasses.asdict(self)
        if self.distillation is not None:  # where the file lies moves no figure
            held["distillation"]["file"] = Path(self.distillation.file).name
        return {name: value for name, value in held.items() if name not in _DESCRIBING}

    def lines(self) -> list[str]:
        """Every setting in words, a line a group."""
        height, width = self.resolution
        lines = [
            f"{self.title} ({self.source})",
            f"task: {self.task}, trained by the paper on {self.data}, head {self.head}",
            f"epochs {self.epochs}, {self.batch_per_gpu} images a GPU, {width} x {height} px",
        ]
        for group in ("rate", "optimiser", "network", "augmentation", "evaluating"):
            lines.append(f"{group}: {_said(getattr(self, group))}")
        if self.label_smoothing:
            lines.append(f"label smoothing: {self.label_smoothing:g}")
        if self.ema is not None:
            lines.append(f"averaged weights: decay {self.ema:g}")
        if self.distillation is not None:
            lines.append(f"distillation: {_said(self.distillation)}")
        return lines + [f"note: {note}" for note in self.notes]


def _said(group: Any) -> str:
    """The settings of a group in words, but those that are as if they were not there."""
    said = []
    for field_ in dataclasses.fields(group):
        value = getattr(group, field_.name)
        if field_.name in _ALWAYS or value != field_.default:
            said.append(f"{field_.name.replace('_', ' ')} {_value(value)}")
    return ", ".join(said) or "as the space has it"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(f"{each:g}" for each in value) or "none"
    if value is None or isinstance(value, bool):
        return "none" if value is None else "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def names() -> list[str]:
    """Names of all protocols."""
    folder = importlib.resources.files("harness.training.recipe").joinpath("protocols")
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


@functools.cache
def protocol(name: str) -> Protocol:
    """The protocol called `name`.

    Raises:
        InputError: There is none of that name.
    """
    if name not in names():
        known = ", ".join(names())
        raise InputError(f"unknown protocol {name!r}{_meant(name, names())}; known: {known}")
    folder = importlib.resources.files("harness.training.recipe").joinpath("protocols")
    return parse(name, folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Protocol:
    """A protocol from the text of its file.

    Raises:
        InputError: The text is no TOML, lacks a setting, or has one that there is not.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"protocol {name} is no TOML: {error}") from error
    groups: Mapping[str, type] = {
        "rate": Rate, "optimiser": Optimiser, "network": Network, "augmentation": Augmentation,
        "evaluating": Evaluating, "distillation": Distillation,
    }  # fmt: skip
    values: dict[str, Any] = {"name": name}
    for key, value in content.items():
        if isinstance(value, dict):
            if key not in groups:
                raise InputError(f"protocol {name}: there is no group [{key}]")
            values[key] = _made(groups[key], value, f"protocol {name}, [{key}]")
        else:
            values[key] = value
    return _made(Protocol, values, f"protocol {name}")


def _meant(name: str, known: Iterable[str]) -> str:
    similar = near(name, known)
    return f", did you mean {' or '.join(similar)}?" if similar else ""


def _made(kind: type[_T], values: Mapping[str, Any], where: str) -> _T:
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise InputError(f"{where}: there is no setting {key!r}{_meant(key, known)}")
    frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**frozen)
    except TypeError as error:
        raise InputError(f"{where}: {error}") from error
