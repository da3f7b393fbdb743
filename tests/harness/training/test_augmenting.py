"""Each word of a protocol about images does what it says, by draws that the trainer seeds."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.errors import InputError
from harness.training.folders.images import DEVIATION, MEAN
from harness.training.recipe import augmenting
from harness.training.recipe.augmenting import Picture, Transform
from harness.training.recipe.protocol import Augmentation, Evaluating, names, protocol
from harness.training.run.seeding import seed_all, seeded

CIFAR = protocol("nasbench201").augmentation
UNIT: Any = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SIZE = (32, 32)


def array(side: int = 32, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth colours with a little noise, so that geometry shows."""
    rows, columns = np.mgrid[:side, :side] / side
    smooth = np.stack([rows, columns, (rows + columns) / 2], axis=2)
    noise = np.random.default_rng(seed).normal(0, 0.03, smooth.shape)
    return (255 * np.clip(smooth + noise, 0, 1)).astype(np.uint8)


def plain(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255


def seen(transform: Transform, picture: Picture, draws: int = 40) -> list[Tensor]:
    results = []
    for draw in range(draws):
        seed_all("test", draw)
        results.append(transform(picture))
    return results


def made(**settings: Any) -> Transform:
    return augmenting.training(Augmentation(**settings), SIZE, *UNIT)


ALL = [protocol(name).augmentation for name in names() if protocol(name).task == "classification"]
EVERY = Augmentation(
    crop="resized", interpolation="bicubic", flip=0.5, auto="original", photometric=True,
    jitter=0.4, lighting=0.1, erase=0.5,
)  # fmt: skip


@pytest.mark.parametrize("settings", [*ALL, EVERY], ids=str)
@pytest.mark.parametrize("picture", [array(), Image.fromarray(array(80))], ids=["array", "file"])
def test_draws_are_those_of_the_global_generators(settings: Augmentation, picture: Picture) -> None:
    transform = augmenting.training(settings, SIZE)
    first, again = seen(transform, picture, 12), seen(transform, picture, 12)
    assert all(map(torch.equal, first, again))
    assert len({image.numpy().tobytes() for image in first}) > 9
    worker: Transform = pickle.loads(pickle.dumps(transform))
    assert all(map(torch.equal, first, seen(worker, picture, 12)))
    assert {(image.shape, image.dtype, image.is_contiguous()) for image in first} == {
        ((3, 32, 32), torch.float32, True)
    }


def test_seeding_an_image_leaves_the_generators_where_they_were() -> None:
    def drawn() -> tuple[float, ...]:
        return torch.rand(1).item(), np.random.rand(), __import__("random").random()

    seed_all("begin")
    expected = drawn()
    seed_all("begin")
    with seeded("image", 1):
        inside = drawn()
    assert drawn() == expected
    seed_all("image", 1)
    assert drawn() == inside != expected


def test_the_short_way_of_small_arrays_is_torchvisions() -> None:
    picture = array()
    theirs = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(0.5)])
    ours = made(crop="padded", padding=4, flip=0.5)
    for draw in range(60):
        seed_all("same", draw)
        expected = plain(np.array(theirs(Image.fromarray(picture))))
        seed_all("same", draw)
        torch.testing.assert_close(ours(picture), expected)
        seed_all("same", draw)
        torch.testing.assert_close(ours(Image.fromarray(picture)), expected)


def test_a_padded_crop_moves_by_up_to_its_padding() -> None:
    picture = np.full((32, 32, 3), 255, np.uint8)
    edges = set()
    for image in seen(made(crop="padded", padding=4), picture, 200):
        rows, columns = image[0].amax(1), image[0].amax(0)
        edges |= {int((rows[:16] == 0).sum()), -int((rows[16:] == 0).sum())}
        edges |= {int((columns[:16] == 0).sum()), -int((columns[16:] == 0).sum())}
    assert edges == set(range(-4, 5))


def test_flips_at_their_rate() -> None:
    picture = array()
    upright, mirrored = plain(picture), plain(picture).flip(2)
    images = seen(made(flip=0.3), picture, 400)
    flipped = sum(torch.equal(image, mirrored) for image in images)
    assert flipped + sum(torch.equal(image, upright) for image in images) == 400
    assert 85 < flipped < 155


def test_resized_crops_keep_to_their_shares_of_the_area() -> None:
    steps = np.arange(96, dtype=np.uint8)
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[..., 0], picture[..., 1] = steps[:, None], steps
    for scale in ((0.08, 1.0), (0.5, 0.6)):
        images = seen(made(crop="resized", scale=scale), Image.fromarray(picture), 150)
        spans = [[float(c.max() - c.min()) * 255 / 96 for c in image[:2]] for image in images]
        areas = [rows * columns for rows, columns in spans]
        assert min(areas) > 0.75 * scale[0]
        assert max(areas) < 1.05 * scale[1]
        assert max(areas) - min(areas) > 0.05
        if scale[0] == 0.5:
            ratios = [rows / columns for rows, columns in spans]
            assert 0.7 < min(ratios) < 0.85
            assert 1.2 < max(ratios) < 1.4


def difference(settings: Augmentation, picture: Picture, draws: int = 30) -> float:
    """Mean change by an option, cropping and flipping apart."""
    identity = torch.stack(seen(made(), picture, 1))
    images = seen(augmenting.training(settings, SIZE, *UNIT), picture, draws)
    return float((torch.stack(images) - identity).abs().mean())


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        (Augmentation(auto="rand-m1-n1"), Augmentation(auto="rand-m15-n2-mstd0.5")),
        (Augmentation(), Augmentation(auto="original")),
        (Augmentation(jitter=0.1), Augmentation(jitter=0.4)),
        (Augmentation(), Augmentation(photometric=True)),
        (Augmentation(lighting=0.1), Augmentation(lighting=1.0)),
        (Augmentation(erase=0.1), Augmentation(erase=1.0)),
    ],
    ids=str,
)
def test_colour_options_are_on(weak: Augmentation, strong: Augmentation) -> None:
    picture = array()
    assert difference(strong, picture) > 1.5 * difference(weak, picture)
    assert difference(strong, picture) > 0.005


def test_lighting_is_alexnets() -> None:
    picture, strength = array(), 0.1
    images = torch.stack(seen(made(lighting=strength), picture, 1500))
    shifts = images - plain(picture)
    assert float(shifts.std((2, 3)).max()) < 1e-6  # one colour for all pixels
    amounts = shifts.mean((2, 3)).T
    vectors = torch.tensor(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )
    values = torch.tensor([0.2175, 0.0188, 0.0045])
    expected = strength**2 * vectors @ torch.diag(values**2) @ vectors.T
    torch.testing.assert_close(torch.cov(amounts), expected, rtol=0.15, atol=3e-6)


def test_erasing_takes_one_rectangle_at_its_rate() -> None:
    picture = np.full((32, 32, 3), 128, np.uint8)
    images = seen(made(erase=0.2), picture, 500)
    erased = [image != 128 / 255 for image in images]
    hit = [mask[0] for mask in erased if mask.any()]
    assert 70 < len(hit) < 130
    for mask in hit:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        area = len(rows) * len(columns)
        assert int(mask.sum()) == area
        assert 0.015 < area / 1024 < 0.36


def test_images_are_normalised() -> None:
    picture = array()
    for settings in (Augmentation(), Augmentation(crop="resized", scale=(1.0, 1.0))):
        for statistics in ((MEAN, DEVIATION), ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))):
            image = augmenting.training(settings, SIZE, *statistics)(picture)
            mean, deviation = (torch.tensor(s)[:, None, None] for s in statistics)
            back = image * deviation + mean
            if settings.crop == "none":
                torch.testing.assert_close(back, plain(picture))
            assert float((back.mean((1, 2)) - plain(picture).mean((1, 2))).abs().max()) < 0.05
    both = [
        augmenting.validation(Evaluating(), SIZE)(p) for p in (picture, Image.fromarray(picture))
    ]
    assert torch.equal(*both)
    exact = (plain(picture) - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[
        :, None, None
    ]
    torch.testing.assert_close(both[0], exact)


@pytest.mark.parametrize("shape", [(300, 500), (640, 256), (20, 31), (256, 256)])
def test_validation_is_the_middle_as_torchvision_cuts_it(shape: Sequence[int]) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    settings = protocol("mobilenetv2_480").evaluating
    official = v2.Compose([v2.Resize(256, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)])
    expected = plain(np.array(official(picture)))
    ours = augmenting.validation(settings, (224, 224), *UNIT)(picture)
    torch.testing.assert_close(ours, expected)
    wide = augmenting.validation(Evaluating(), (16, 48), *UNIT)(picture)
    assert wide.shape == (3, 16, 48)


def test_transformed_samples() -> None:
    found = augmenting.Transformed([(array(), 3), (array(), 1)], made())
    assert len(found) == 2
    assert torch.equal(found[1][0], plain(array()))
    assert found[1][1] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": "scaled"}, "crop 'scaled' is not of single images; use resized, padded"),
        ({"interpolation": "cubic"}, "interpolation 'cubic' is none of bilinear, bicubic"),
        ({"auto": "rand-q3"}, "timm has no policy 'rand-q3'"),
        ({"auto": "orginal"}, "timm has no policy 'orginal'.*use original"),
    ],
)
def test_words_that_are_none(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(**settings)
    with pytest.raises(InputError, match=r"resize 0\.5: the central crop"):
        augmenting.validation(Evaluating(resize=0.5), SIZE)
