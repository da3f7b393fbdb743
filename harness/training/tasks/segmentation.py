"""Semantic segmentation: UperNet on the four stages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2

from benchmarks.errors import InputError
from harness.inspect.describe import Description
from harness.training.folders import ade20k
from harness.training.folders.ade20k import IGNORED, Pair
from harness.training.measures import costs
from harness.training.measures.mean_iou import PixelEvaluator
from harness.training.recipe.backbones import backbone, usual
from harness.training.recipe.protocol import Augmentation, Protocol
from harness.training.types import Data, Staged

#: Of ImageNet's images, for pixels in 0 .. 255.
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
#: Channels of the decoder.
_CHANNELS = 256
_STRIDE = 32
#: An image is at most so many times longer than the shorter side that it is scaled to.
_LONGEST = 4
#: Classes whose scores are enlarged to an image's own size at once.
_AT_ONCE = 16


class Segmenter(nn.Module):
    """UperNet (Xiao et al., arXiv:1807.10221) on a network's four stages.

    segmentation_models_pytorch's decoder, and a 1x1 convolution to the classes; its scores at
    stride 4 are enlarged bilinearly. In eval mode each image is taken by itself: scaled so that
    its shorter side is `shorter`, padded to multiples of 32, and the scores are enlarged to the
    image's own size.

    Args:
        network: The architecture's own.
        classes: How many.
        shorter: Pixels of the shorter side in eval mode.
        interpolation: Of images in eval mode.
        smoothing: Label smoothing of the loss.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: Staged,
        classes: int,
        shorter: int,
        interpolation: str = "bilinear",
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        assert isinstance(network, nn.Module)
        self.backbone = network
        # The decoder takes six maps and leaves those at strides 1 and 2.
        self.decoder = UPerNetDecoder((0, 0, *network.stage_channels), 5, _CHANNELS)
        self.scores = nn.Conv2d(_CHANNELS, classes, 1)
        initialize_decoder(self.decoder)
        initialize_head(self.scores)
        self.shorter = shorter
        self.interpolation = v2.InterpolationMode(interpolation)
        self.smoothing = smoothing
        for name, values in (("mean", _MEAN), ("deviation", _DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, images: Any, targets: Tensor | None = None) -> Any:
        """Loss in train mode, classes in eval mode.

        Args:
            images: (B, 3, H, W), uint8; in eval mode each may have a size of its own.
            targets: In train mode, the class of every pixel, (B, H, W), or `IGNORED`.

        Returns:
            The cross-entropy by name, a mean over the labelled pixels of the batch; or the class of
            every pixel, one (H, W) uint8 for each image.
        """
        if not self.training:
            return [self._classes(image) for image in images]
        assert targets is not None
        logits = self.enlarged(self.logits(images), targets.shape[1:])
        total = F.cross_entropy(
            logits, targets.long(), ignore_index=IGNORED, reduction="sum",
            label_smoothing=self.smoothing,
        )  # fmt: skip
        # A batch may have no labelled pixel.
        return {"pixels": total / (targets != IGNORED).sum().clamp(min=1)}

    def logits(self, images: Tensor) -> Tensor:
        """Scores (B, classes, H / 4, W / 4) of images (B, 3, H, W), multiples of 32."""
        network = self.backbone
        assert isinstance(network, Staged)
        normalised = (images.float() - self.mean) / self.deviation
        unused = normalised[:, :, :1, :1]
        decoded = self.decoder([unused, unused, *network.stages(normalised)])
        scores: Tensor = self.scores(decoded)
        return scores.float()

    @staticmethod
    def enlarged(scores: Tensor, size: Sequence[int]) -> Tensor:
        """Scores at another height and width."""
        return F.interpolate(scores, tuple(size), mode="bilinear", align_corners=False)

    def _classes(self, image: Tensor) -> Tensor:
        """The class of every pixel of an image (3, H, W) of any size."""
        scaled = v2.functional.resize(
            image, [self.shorter], self.interpolation, max_size=_LONGEST * self.shorter
        )
        height, width = scaled.shape[1:]
        padded = self._padded(scaled[None])
        logits = self.enlarged(self.logits(padded), padded.shape[2:])[:, :, :height, :width]
        best = torch.full(image.shape[1:], -torch.inf, device=image.device)
        classes = torch.zeros(image.shape[1:], dtype=torch.uint8, device=image.device)
        for first in range(0, logits.shape[1], _AT_ONCE):
            part = self.enlarged(logits[:, first : first + _AT_ONCE], image.shape[1:])
            values, places = part[0].max(0)
            classes = torch.where(values > best, (places + first).to(torch.uint8), classes)
            best = torch.maximum(values, best)
        return classes

    def _padded(self, images: Tensor) -> Tensor:
        """Images with the mean colour right and below, to multiples of 32."""
        height, width = images.shape[2:]
        bottom, right = -height % _STRIDE, -width % _STRIDE
        if not bottom and not right:
            return images
        shape = (len(images), 3, height + bottom, width + right)
        padded = self.mean.round().to(images.dtype).expand(shape).clone()
        padded[:, :, :height, :width] = images
        return padded


class _Distorted(v2.RandomPhotometricDistort):  # type: ignore[misc]
    """Without the exchange of channels, which segmentation's recipes do not have."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """As in torchvision."""
        return {**super().make_params(flat_inputs), "channel_permutation": None}


class Scenes:
    """Images with the class of every pixel.

    Args:
        pairs: Their files.
        change: What is done to image and labels alike.
    """

    def __init__(self, pairs: Sequence[Pair], change: v2.Transform | None = None) -> None:
        self.pairs, self._change = pairs, change

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (3, H, W) and labels (H, W), uint8."""
        pair = self.pairs[index]
        image: Tensor = v2.functional.pil_to_tensor(ade20k.pixels(pair))
        labels = torch.from_numpy(ade20k.labels(pair))
        if self._change is None:
            return image, labels
        changed = self._change(tv_tensors.Image(image), tv_tensors.Mask(labels))
        image, labels = (each.as_subclass(Tensor) for each in changed)
        return image, labels


def augmented(augmentation: Augmentation, resolution: tuple[int, int]) -> v2.Transform:
    """A protocol's augmentation of an image with its labels.

    The shorter side is scaled to a multiple of the resolution's, drawn evenly; then a piece of the
    resolution is cut out, beyond the image with the mean colour and no labels.

    Args:
        augmentation: See there.
        resolution: (height, width) in pixels.

    Raises:
        InputError: It has what segmentation does not.
    """
    done = {"crop": "scaled"} | {
        name: getattr(augmentation, name)
        for name in ("scale", "interpolation", "flip", "photometric")
    }
    if augmentation != Augmentation(**done):
        raise InputError(
            'segmentation knows crop "scaled", flip and photometric, and none else of '
            f"{augmentation}"
        )
    low, high = (round(min(resolution) * multiple) for multiple in augmentation.scale)
    mean = [round(value) for value in _MEAN]
    steps: list[v2.Transform] = [
        v2.RandomShortestSize(
            range(low, high + 1), _LONGEST * high, v2.InterpolationMode(augmentation.interpolation)
        ),
        v2.RandomCrop(
            resolution, pad_if_needed=True,
            fill={tv_tensors.Image: mean, tv_tensors.Mask: IGNORED},
        ),
        v2.RandomHorizontalFlip(augmentation.flip),
    ]  # fmt: skip
    return v2.Compose(steps + [_Distorted()] * augmentation.photometric)


def collated(items: list[tuple[Tensor, Tensor]]) -> tuple[Any, Any]:
    """Images and labels of a batch, stacked where all have one size."""
    images, labels = zip(*items, strict=True)
    if len({image.shape for image in images}) > 1:
        return list(images), list(labels)
    return torch.stack(images), torch.stack(labels)


class Segmentation:
    """See `harness.training.types.Task`."""

    name = "segmentation"
    summary = "the class of every pixel, by UperNet; data in ADE20K's layout"
    metric = "miou"

    def data(self, folder: Path, protocol: Protocol) -> Data:
        """The images of a folder in ADE20K's layout."""
        _check(protocol)
        change = augmented(protocol.augmentation, protocol.resolution)
        found = ade20k.read(folder)
        return Data(
            Scenes(found.train, change),
            Scenes(found.validation),
            found.classes,
            found.fingerprint,
            partial(PixelEvaluator, len(found.classes), IGNORED),
            collated,
        )

    def built_for(
        self,
        described: Description,
        protocol: Protocol,
        classes: int,
        trained: str | None = None,
    ) -> Description:
        """As it was trained, or at the space's usual size: the stages take images of any."""
        return usual(described, trained)

    def network(self, described: Description, protocol: Protocol, classes: int) -> nn.Module:
        """UperNet on the architecture."""
        _check(protocol)
        network = backbone(described, protocol)
        assert isinstance(network, Staged)
        shorter = round(min(protocol.resolution) * protocol.evaluating.resize)
        return Segmenter(
            network, classes, shorter, protocol.evaluating.interpolation, protocol.label_smoothing
        )

    def costs(self, network: nn.Module, protocol: Protocol) -> dict[str, float]:
        """Size of the backbone, and with UperNet, of one image of the protocol's resolution."""
        assert isinstance(network, Segmenter)
        image = torch.zeros(1, 3, *protocol.resolution, device="meta")
        whole = costs.counted(network, (image,), Segmenter.logits)
        return costs.figures(costs.stages(network.backbone, protocol.resolution), whole)


def _check(protocol: Protocol) -> None:
    """Refuse protocols that say what is not done here."""
    if protocol.task != "segmentation":
        raise InputError(
            f"the protocol {protocol.name} is for {protocol.task}; use one for segmentation, such "
            "as uninas_segmentation"
        )
    if any(side % _STRIDE for side in protocol.resolution):
        height, width = protocol.resolution
        raise InputError(f"resolution {width} x {height}: both must be multiples of {_STRIDE}")
    if protocol.batch_per_gpu < 2:
        raise InputError(
            "UperNet has batch norms at one pixel, of which one image has no statistics; use a "
            "--batch-size of 2 or more"
        )
    if protocol.distillation is not None:
        raise InputError(f"{protocol.name}: segmentation is trained without a teacher")


TASK = Segmentation()
