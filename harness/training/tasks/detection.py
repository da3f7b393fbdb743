"""Object detection and instance segmentation: torchvision's Mask R-CNN on the four stages."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.transforms import v2

from benchmarks.errors import InputError
from harness.inspect.describe import Description
from harness.training.folders import coco
from harness.training.measures import costs
from harness.training.measures.average_precision import InstanceEvaluator
from harness.training.recipe.backbones import backbone, usual
from harness.training.recipe.protocol import Augmentation, Protocol
from harness.training.types import Data, Staged

#: Channels of the pyramid.
_CHANNELS = 256
#: Proposals whose boxes and masks are counted in the FLOPs of the heads, as MMDetection does.
_COUNTED_BOXES, _COUNTED_MASKS = 1000, 100


class Detector(nn.Module):
    """Mask R-CNN (He et al., arXiv:1703.06870) with a feature pyramid (Lin et al.,
    arXiv:1612.03144) on a network's four stages.

    Images are scaled so that they fit the resolution: the shorter side is at most its shorter one,
    the longer at most its longer one; a batch is padded to multiples of 32. Anchors have 32 to 512
    pixels at strides 4 to 64. All else is torchvision's default. Coordinates are in float32 under
    any precision.

    Args:
        network: The architecture's own.
        classes: Without the background.
        resolution: (height, width) in pixels.
    """

    def __init__(self, network: Staged, classes: int, resolution: tuple[int, int]) -> None:
        super().__init__()
        assert isinstance(network, nn.Module)
        self.backbone = network
        self.detector = MaskRCNN(
            _Pyramid(network), num_classes=classes + 1, rpn_anchor_generator=_Anchors(),
            min_size=min(resolution), max_size=max(resolution), size_divisible=32,
        )  # fmt: skip
        self.detector.rpn.head.register_forward_hook(_exact)
        self.detector.roi_heads.box_predictor.register_forward_hook(_exact)

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Losses in train mode, detections in eval mode.

        Args:
            images: Each (3, H, W), uint8.
            targets: In train mode, each with `boxes` (N, 4) as left, top, right, bottom in pixels,
                `labels` (N,) from 1 on and `masks` (N, H, W).

        Returns:
            Five losses by name; or for each image `boxes`, `labels`, `scores` and `masks`
            (N, H, W), bool, at most 100, at the image's own size.
        """
        found: Any = self.detector([image.float() / 255 for image in images], targets)
        if self.training:
            return found
        for each in found:
            each["masks"] = each["masks"][:, 0] > 0.5
        return found


class _Pyramid(nn.Module):
    """The maps on which torchvision's detectors look for objects."""

    def __init__(self, network: Staged) -> None:
        super().__init__()
        # Not a submodule: its parameters have one name, that of `Detector.backbone`.
        self._network = (network,)
        self.pyramid = FeaturePyramidNetwork(
            list(network.stage_channels), _CHANNELS, LastLevelMaxPool()
        )
        self.out_channels = _CHANNELS

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Maps "0" to "3" at strides 4 to 32 and "pool" at 64, of images (B, 3, H, W)."""
        stages = enumerate(self._network[0].stages(images))
        maps: OrderedDict[str, Tensor] = self.pyramid(OrderedDict((str(n), x) for n, x in stages))
        return maps


class _Anchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's default for a pyramid, in float32 whatever the maps are in.

    bfloat16 rounds a coordinate of 1,280 pixels by up to 4.
    """

    def __init__(self) -> None:
        sizes = tuple((size,) for size in (32, 64, 128, 256, 512))
        super().__init__(sizes, ((0.5, 1.0, 2.0),) * len(sizes))

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Anchors (N, 4) of each image."""
        exact = [x.new_empty((), dtype=torch.float32).expand(x.shape) for x in feature_maps]
        anchors: list[Tensor] = super().forward(image_list, exact)
        return anchors


def _exact(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    """What a head predicts, in float32: torchvision computes coordinates in its precision."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return type(outputs)(_exact(module, inputs, each) for each in outputs)


class Scenes:
    """Images with their instances.

    Args:
        images: Records.
        flip: Probability of a horizontal flip; None: images alone, for validation.
    """

    def __init__(self, images: coco.Images, flip: float | None) -> None:
        self.images = images
        self._learned = flip is not None
        self._change = v2.RandomHorizontalFlip(flip or 0.0)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """Image (3, H, W), uint8, and its target: `image_id`, and for training what `Detector`
        takes."""
        record = self.images[index]
        image = v2.functional.pil_to_tensor(coco.pixels(record))
        target: dict[str, Any] = {"image_id": record["id"]}
        if not self._learned:
            return image, target
        size = record["height"], record["width"]
        instances = record["instances"]
        boxes = tv_tensors.BoundingBoxes(
            torch.tensor([each[1] for each in instances]).reshape(-1, 4),
            format="XYXY", canvas_size=size,
        )  # fmt: skip
        masks = tv_tensors.Mask(torch.from_numpy(coco.masks(record)))
        changed = self._change(tv_tensors.Image(image), boxes, masks)
        image, boxes, masks = (each.as_subclass(Tensor) for each in changed)
        labels = torch.tensor([each[0] for each in instances], dtype=torch.int64)
        return image, target | {"boxes": boxes, "labels": labels, "masks": masks}


class Detection:
    """See `harness.training.types.Task`."""

    name = "detection"
    summary = "boxes and masks of objects, by Mask R-CNN; data in COCO's layout"
    metric = "ap_box"

    def data(self, folder: Path, protocol: Protocol) -> Data:
        """The images of a folder in COCO's layout."""
        _check(protocol)
        found = coco.read(folder)
        return Data(
            train=Scenes(found.train, protocol.augmentation.flip),
            validation=Scenes(found.validation, None),
            classes=found.classes,
            fingerprint=found.fingerprint,
            evaluator=lambda: InstanceEvaluator(found.truth, found.categories),
            collate=_collate,
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
        """Mask R-CNN on the stages of an architecture."""
        _check(protocol)
        network = backbone(described, protocol)
        assert isinstance(network, Staged)
        return Detector(network, classes, protocol.resolution)

    def costs(self, network: nn.Module, protocol: Protocol) -> dict[str, float]:
        """Size of the backbone and of the whole, for an image of the protocol's resolution.

        The heads' part is that of 1,000 boxes and 100 masks, whatever is found.
        """
        assert isinstance(network, Detector)
        size = protocol.resolution
        alone = costs.stages(network.backbone, size)
        whole = costs.counted(network, (torch.empty(1, 3, *size, device="meta"),), _every_part)
        return costs.figures(alone, whole)


def _every_part(network: Detector, images: Tensor) -> None:
    """Compute all convolutions and matrices of an image, without looking at what is found."""
    parts = network.detector
    maps = parts.backbone(images)
    parts.rpn.head(list(maps.values()))
    heads = parts.roi_heads
    side = heads.box_roi_pool.output_size[0]
    boxes = images.new_empty(_COUNTED_BOXES, _CHANNELS, side, side)
    heads.box_predictor(heads.box_head(boxes))
    side = heads.mask_roi_pool.output_size[0]
    masks = images.new_empty(_COUNTED_MASKS, _CHANNELS, side, side)
    heads.mask_predictor(heads.mask_head(masks))


def _collate(items: list[tuple[Tensor, dict[str, Any]]]) -> tuple[list[Tensor], list[Any]]:
    """Images differ in size and number of instances, so they stay lists."""
    return [image for image, _ in items], [target for _, target in items]


def _check(protocol: Protocol) -> None:
    """What the protocol asks for is what is done.

    Raises:
        InputError: It is of another task, or has a setting that detection does not know.
    """
    if protocol.task != "detection":
        raise InputError(
            f"the protocol {protocol.name} is for {protocol.task}, not for detection; "
            "use uninas_detection"
        )
    height, width = protocol.resolution
    if height % 32 or width % 32:
        raise InputError(
            f"{protocol.name}: the resolution {height} x {width} is no multiple of 32, the stride "
            "of the last stage; use one that is"
        )
    plain = Augmentation(flip=protocol.augmentation.flip)
    for field in dataclasses.fields(Augmentation):
        value = getattr(protocol.augmentation, field.name)
        if value != getattr(plain, field.name):
            raise InputError(
                f"{protocol.name}: detection has no augmentation {field.name} {value!r}; boxes and "
                "masks are flipped alone, and images scaled whole (crop none)"
            )
    for name in ("label_smoothing", "distillation"):
        if getattr(protocol, name):
            raise InputError(f"{protocol.name}: detection has no {name.replace('_', ' ')}")


TASK = Detection()
