"""What is done to an image before the network sees it, by the words of a protocol.

Every draw is made from the global generators of `random`, NumPy and PyTorch, which the trainer
seeds for each image. Transforms are timm's and torchvision's; AlexNet's lighting is in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data.auto_augment import (
    augment_and_mix_transform,
    auto_augment_transform,
    rand_augment_transform,
)
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import RandomResizedCropAndInterpolation, str_to_pil_interp
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from benchmarks.errors import InputError
from harness.training.folders.images import DEVIATION, MEAN, Triple
from harness.training.recipe.protocol import Augmentation, Evaluating
from harness.training.types import Samples

Picture = Image.Image | NDArray[np.uint8]
Transform = Callable[[Picture], Tensor]

#: Principal components of the colours of ImageNet's training images, values in 0..1: the columns
#: are directions, with their deviations (Krizhevsky et al., 2012, section 4.1; figures of the
#: public training code of residual networks).
_COMPONENTS = torch.tensor(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_DEVIATIONS = torch.tensor([0.2175, 0.0188, 0.0045])
#: Share of the smaller side by which policies move an image at most, as in timm's recipes.
_TRANSLATED = 0.45
_INTERPOLATIONS = ("bilinear", "bicubic")


def training(
    settings: Augmentation,
    size: tuple[int, int],
    mean: Triple = MEAN,
    deviation: Triple = DEVIATION,
) -> Transform:
    """From an image to what the network learns from: float32 (3, H, W), normalised.

    Mixup, which needs a batch, is not done here.

    Args:
        settings: What is done, in their order.
        size: (H, W) in pixels.
        mean: Channel means of values in 0..1.
        deviation: Channel deviations.

    Raises:
        InputError: A setting has a value that there is not for single images.
    """
    interpolation = _known("interpolation", settings.interpolation, _INTERPOLATIONS)
    pixels: list[Callable[[Any], Any]] = [*_cropping(settings, size)]
    if settings.flip:
        pixels.append(v2.RandomHorizontalFlip(settings.flip))
    colours: list[Callable[[Any], Any]] = []
    if settings.auto is not None:
        colours.append(_policy(settings.auto, size, mean, interpolation))
    if settings.photometric:
        colours.append(v2.RandomPhotometricDistort())
    if settings.jitter:
        colours.append(v2.ColorJitter(settings.jitter, settings.jitter, settings.jitter))
    values: list[Callable[[Tensor], Tensor]] = [_scaled]
    if settings.lighting:
        values.append(Lighting(settings.lighting))
    values.append(_Normalise(mean, deviation))
    if settings.erase:
        values.append(RandomErasing(settings.erase, mode="const", device="cpu"))
    made = _Steps([*pixels, *colours], values)
    if settings.crop in ("padded", "none") and not colours:
        padding = settings.padding if settings.crop == "padded" else None
        return _Small(size, padding, settings.flip, values, made)
    return made


def validation(
    settings: Evaluating,
    size: tuple[int, int],
    mean: Triple = MEAN,
    deviation: Triple = DEVIATION,
) -> Transform:
    """From an image to what the network is judged on: the middle of it, as of `training`.

    Raises:
        InputError: A setting has a value that there is not.
    """
    _known("interpolation", settings.interpolation, _INTERPOLATIONS)
    if settings.resize < 1:
        raise InputError(f"resize {settings.resize}: the central crop needs 1 or more")
    values: list[Callable[[Tensor], Tensor]] = [_scaled, _Normalise(mean, deviation)]
    made = _Steps(_middle(size, settings.resize, settings.interpolation), values)
    return _Small(size, None, 0.0, values, made) if settings.resize == 1 else made


class Transformed:
    """Samples whose images are transformed when they are asked for."""

    def __init__(self, samples: Samples, transform: Transform) -> None:
        self.samples, self.transform = samples, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Transformed image and target of one index."""
        image, target = self.samples[index]
        return self.transform(image), target


class Lighting:
    """AlexNet's lighting noise: the principal components of ImageNet's colours, in random amounts.

    To every pixel, P (a * d) is added, a ~ N(0, strength) for each of the three components.

    Args:
        strength: Deviation of the amounts.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, image: Tensor) -> Tensor:
        """Image (3, H, W) in 0..1, which it may leave."""
        amounts = torch.randn(3) * self.strength
        return image + (_COMPONENTS @ (amounts * _DEVIATIONS))[:, None, None]


# ------------------------------------------------------------------ steps


class _Steps:
    """Steps on pictures, then on tensors of 0..1."""

    def __init__(
        self,
        pictures: Sequence[Callable[[Any], Any]],
        values: Sequence[Callable[[Tensor], Tensor]],
    ) -> None:
        self.pictures, self.values = pictures, values

    def __call__(self, picture: Picture) -> Tensor:
        """Picture of any size."""
        done: Any = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        for step in self.pictures:
            done = step(done)
        return _all(self.values, torch.from_numpy(np.array(done)))


class _Small:
    """The same for arrays of the network's resolution, without a detour over other formats.

    Draws are those of torchvision's crops and flips, in their order.
    """

    def __init__(
        self,
        size: tuple[int, int],
        padding: int | None,
        flip: float,
        values: Sequence[Callable[[Tensor], Tensor]],
        others: _Steps,
    ) -> None:
        self.size, self.padding, self.flip = size, padding, flip
        self.values, self.others = values, others

    def __call__(self, picture: Picture) -> Tensor:
        """Array (H, W, 3) uint8 of the resolution; any other picture takes the longer way."""
        if isinstance(picture, Image.Image) or picture.shape[:2] != self.size:
            return self.others(picture)
        pixels = picture
        if self.padding:
            top = int(torch.randint(0, 2 * self.padding + 1, (1,)))
            left = int(torch.randint(0, 2 * self.padding + 1, (1,)))
            pixels = _moved(pixels, top - self.padding, left - self.padding)
        if self.flip and float(torch.rand(1)) < self.flip:
            pixels = pixels[:, ::-1]
        return _all(self.values, torch.from_numpy(pixels.copy()))


def _moved(pixels: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    """The window of the image's size that begins at (top, left), black beyond the image."""
    height, width = pixels.shape[:2]
    window = np.zeros_like(pixels)
    rows = slice(max(top, 0), height + min(top, 0))
    columns = slice(max(left, 0), width + min(left, 0))
    above, before = max(-top, 0), max(-left, 0)
    part = pixels[rows, columns]
    window[above : above + part.shape[0], before : before + part.shape[1]] = part
    return window


def _all(steps: Sequence[Callable[[Tensor], Tensor]], image: Tensor) -> Tensor:
    for step in steps:
        image = step(image)
    return image


def _scaled(pixels: Tensor) -> Tensor:
    """uint8 (H, W, 3) as float32 (3, H, W) in 0..1."""
    return pixels.permute(2, 0, 1).to(torch.float32, memory_format=torch.contiguous_format) / 255


class _Normalise:
    """Zero mean and unit deviation of each channel, in place."""

    def __init__(self, mean: Triple, deviation: Triple) -> None:
        self.mean = torch.tensor(mean)[:, None, None]
        self.deviation = torch.tensor(deviation)[:, None, None]

    def __call__(self, image: Tensor) -> Tensor:
        return image.sub_(self.mean).div_(self.deviation)


def _cropping(settings: Augmentation, size: tuple[int, int]) -> list[Callable[[Any], Any]]:
    mode = InterpolationMode(settings.interpolation)
    match settings.crop:
        case "resized":
            scale = settings.scale
            return [
                RandomResizedCropAndInterpolation(
                    size, scale=scale, interpolation=settings.interpolation
                )
            ]
        case "padded":
            middle = _middle(size, 1.0, settings.interpolation)
            return [*middle, v2.RandomCrop(size, padding=settings.padding or None)]
        case "none":
            return [v2.Resize(size, mode)]
    raise InputError(f"crop {settings.crop!r} is not of single images; use resized, padded or none")


def _middle(
    size: tuple[int, int], multiple: float, interpolation: str
) -> list[Callable[[Any], Any]]:
    """Scaling and a central crop; the scaled image is `multiple` times as large as the crop."""
    return [_Cover(size, multiple, InterpolationMode(interpolation)), v2.CenterCrop(size)]


class _Cover:
    """Scales an image, its shape kept, until it just covers a multiple of a size."""

    def __init__(
        self, size: tuple[int, int], multiple: float, interpolation: InterpolationMode
    ) -> None:
        self.height, self.width = (round(side * multiple) for side in size)
        self.interpolation = interpolation

    def __call__(self, picture: Image.Image) -> Any:
        width, height = picture.size
        if self.height * width > self.width * height:  # as torchvision cuts the longer edge
            scaled = [self.height, int(self.height * width / height)]
        else:
            scaled = [int(self.width * height / width), self.width]
        if scaled == [height, width]:
            return picture
        return v2.functional.resize(picture, scaled, self.interpolation)


def _policy(
    name: str, size: tuple[int, int], mean: Triple, interpolation: str
) -> Callable[[Any], Any]:
    """timm's policy of a name, set up as in timm's recipes: what is uncovered is the mean's grey.

    A magnitude above 10 is what timm makes of it.
    """
    made: dict[str, Any] = {
        "translate_const": int(min(size) * _TRANSLATED),
        "img_mean": tuple(min(255, round(255 * value)) for value in mean),
        "interpolation": str_to_pil_interp(interpolation),
    }
    kinds = {"rand": rand_augment_transform, "augmix": augment_and_mix_transform}
    maker: Callable[..., Any] = kinds.get(name.partition("-")[0], auto_augment_transform)
    try:
        policy: Callable[[Any], Any] = maker(name, made)
    except (AssertionError, ValueError, KeyError) as error:
        raise InputError(
            f"timm has no policy {name!r}: {error}; use original, v0 or one such as "
            "rand-m9-n2-mstd0.5"
        ) from error
    return policy


def _known(what: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise InputError(f"{what} {value!r} is none of {', '.join(known)}")
    return value
