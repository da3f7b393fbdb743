"""A teacher beside the labels: a pre-trained network of timm whose answers and maps are learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, runtime_checkable
from typing import Protocol as Capability

import torch
from timm.models import create_model, load_checkpoint
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.errors import InputError
from harness.training.folders.images import DEVIATION, MEAN, Triple
from harness.training.recipe.backbones import STRIDES
from harness.training.recipe.labels import LabelLoss
from harness.training.recipe.protocol import Distillation, Protocol
from harness.training.types import Staged

#: Scale of the projections' first weights, so that they begin as good as zero.
_SMALL = 1e-4


@runtime_checkable
class StagedClassifier(Staged, Capability):
    """A staged network whose logits follow from the last of its stages."""

    def after_stages(self, last: Tensor) -> Tensor:
        """Logits (B, classes) of the last map of `stages`."""
        ...


class Teacher(nn.Module):
    """A frozen network of timm, always in eval mode.

    Args:
        network: As timm makes it.
        name: What messages call it.
        strides: Of the maps that it gives.
        resolution: Side of the images that it sees, in pixels.
        mean: Channel means by which the images that come in were normalised.
        deviation: Channel deviations.

    Attributes:
        channels: Of these maps.
        classes: Number of logits.
        factor: Brings images to the statistics that it was trained with, with `shift`.
        shift: See `factor`.

    Raises:
        InputError: It has no maps of these strides.
    """

    factor: Tensor
    shift: Tensor

    def __init__(
        self,
        network: nn.Module,
        name: str,
        strides: tuple[int, ...],
        resolution: int,
        mean: Triple = MEAN,
        deviation: Triple = DEVIATION,
    ) -> None:
        super().__init__()
        self.network, self.resolution = network.eval().requires_grad_(False), resolution
        found = {each["reduction"]: (i, each["num_chs"]) for i, each in enumerate(_info(network))}
        lacking = [stride for stride in strides if stride not in found]
        if lacking or not hasattr(network, "forward_intermediates"):
            raise InputError(
                f"the teacher {name} has no maps at stride {', '.join(map(str, lacking))}; use "
                "another one, such as an EfficientNet"
            )
        self._places = [found[stride][0] for stride in strides]
        self.channels = [found[stride][1] for stride in strides]
        self.classes = int(network.num_classes)  # type: ignore[arg-type]
        config: Any = network.pretrained_cfg
        factor = torch.tensor(deviation) / torch.tensor(config["std"])
        shift = (torch.tensor(mean) - torch.tensor(config["mean"])) / torch.tensor(config["std"])
        self.register_buffer("factor", factor[:, None, None], persistent=False)
        self.register_buffer("shift", shift[:, None, None], persistent=False)
        self.train()

    def train(self, mode: bool = True) -> Teacher:
        """It stays in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, classes) and maps of the strides, of the student's images (B, 3, H, W).

        They are resized bilinearly, so that their smaller side is `resolution`.
        """
        scale = self.resolution / min(images.shape[-2:])
        size = [round(side * scale) for side in images.shape[-2:]]
        if size != list(images.shape[-2:]):
            images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        network: Any = self.network
        last, maps = network.forward_intermediates(
            images * self.factor + self.shift, indices=self._places
        )
        return network.forward_head(last), maps


def teacher(settings: Distillation, mean: Triple = MEAN, deviation: Triple = DEVIATION) -> Teacher:
    """The teacher of a protocol with its trained weights.

    Args:
        settings: Its `file` holds the weights; without one timm downloads them.
        mean: Of the images that it will be given; see `Teacher`.
        deviation: Likewise.

    Raises:
        InputError: timm has no such network, or its weights cannot be had.
    """
    name, file = settings.teacher, settings.file
    try:
        network = create_model(name, pretrained=not file)
    except OSError as error:
        raise InputError(
            f"the weights of the teacher {name} cannot be downloaded: {_brief(error)}; download "
            "them elsewhere and name the file with --teacher FILE"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise InputError(f"timm has no teacher {name!r}: {_brief(error)}") from error
    if file:
        _load(network, name, Path(file))
    return Teacher(network, name, settings.strides, settings.resolution, mean, deviation)


def _load(network: nn.Module, name: str, file: Path) -> None:
    """Weights from a file of torch.save or of safetensors; nothing in it is run."""
    if not file.is_file():
        raise InputError(f"there is no file {file} with the weights of the teacher {name}")
    try:
        load_checkpoint(network, str(file), weights_only=True)
    except Exception as error:  # readers of foreign files raise many kinds
        raise InputError(
            f"{file} does not hold the weights of the teacher {name}: {_brief(error)}; download "
            "them again, as timm has them"
        ) from error


class Distilled(nn.Module):
    """A student that learns from labels and from a teacher.

    The loss has three parts, each times its weight: the cross-entropy with the labels; that with
    the teacher's probabilities; and, at each stride, the smooth L1 distance (beta 1, mean) between
    the teacher's map and the student's, which a 1x1 convolution brings to as many channels.

    The teacher is in no state and among no parameters: a checkpoint does without it.

    Args:
        backbone: The student.
        loss: With the labels; it mixes the batch before.
        protocol: Its `distillation` names the teacher and weights.
        made: The teacher, where it is made already.

    Raises:
        InputError: Student, teacher and classes do not fit together, or the teacher cannot be had.
    """

    def __init__(
        self,
        backbone: nn.Module,
        loss: LabelLoss,
        protocol: Protocol,
        made: Teacher | None = None,
    ) -> None:
        super().__init__()
        settings = protocol.distillation
        if settings is None:
            raise InputError(f"{protocol.name} has no teacher")
        channels = _student_channels(backbone, settings)
        guide = teacher(settings) if made is None else made
        self.backbone, self.loss, self.settings = backbone, loss, settings
        self._guides = (guide,)  # within a tuple it is no submodule
        self.projections = nn.ModuleList(
            _projection(mine, theirs) for mine, theirs in zip(channels, guide.channels, strict=True)
        )
        head = getattr(backbone, "classifier", None)
        classes = head.out_features if isinstance(head, nn.Linear) else guide.classes
        if settings.logits and classes != guide.classes:
            raise InputError(
                f"the teacher {settings.teacher} knows {guide.classes} classes and the images have "
                f"{classes}; use images of its classes, a teacher of them, or a protocol without"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Distilled:
        """Moves to a device take the teacher along."""
        self._guides[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Any:
        """Losses "labels", "teacher" and "features", those of no weight apart; or the logits.

        Args:
            images: (B, 3, H, W).
            targets: Class numbers (B,); None: logits are asked for.
        """
        if targets is None:
            return self.backbone(images)
        images, targets = self.loss.mixed(images, targets)
        student: Any = self.backbone
        maps = student.stages(images)
        logits = student.after_stages(maps[-1])
        answers, theirs = self._guides[0](images)
        settings = self.settings
        losses = {"labels": self.loss(logits, targets)}
        if settings.logits:
            losses["teacher"] = settings.logits * self.loss(logits, F.softmax(answers.float(), 1))
        if settings.features:
            mine = [maps[STRIDES.index(stride)] for stride in settings.strides]
            losses["features"] = settings.features * self._distance(mine, theirs)
        return losses

    def _distance(self, mine: list[Tensor], theirs: list[Tensor]) -> Tensor:
        parts = []
        for project, own, other in zip(self.projections, mine, theirs, strict=True):
            size = own.shape[-2:]
            if other.shape[-2:] != size:
                other = F.interpolate(  # noqa: PLW2901
                    other.float(), size, mode="bilinear", align_corners=False
                )
            parts.append(F.smooth_l1_loss(project(own).float(), other.float()))
        return torch.stack(parts).sum()


def _student_channels(backbone: nn.Module, settings: Distillation) -> list[int]:
    """Channels of the student's maps that are compared."""
    known = isinstance(backbone, StagedClassifier) and len(backbone.stage_channels) == len(STRIDES)
    if not known or any(stride not in STRIDES for stride in settings.strides):
        raise InputError(
            f"a teacher at strides {', '.join(map(str, settings.strides))} needs a student with "
            "maps at strides 4, 8, 16 and 32; use an architecture of a staged space with four "
            "stages, or a protocol without a teacher"
        )
    assert isinstance(backbone, StagedClassifier)
    return [backbone.stage_channels[STRIDES.index(stride)] for stride in settings.strides]


def _projection(c_in: int, c_out: int) -> nn.Conv2d:
    made = nn.Conv2d(c_in, c_out, 1)
    nn.init.normal_(made.weight, 0, _SMALL / c_in**0.5)
    assert made.bias is not None
    nn.init.zeros_(made.bias)
    return made


def _info(network: nn.Module) -> list[dict[str, Any]]:
    """timm's list of the maps that a network can give; none: no such list."""
    return list(getattr(network, "feature_info", []))


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
