"""Semantic segmentation: that it learns, how it is judged, and what is done to images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassJaccardIndex

from benchmarks.errors import InputError
from harness.inspect.describe import Description, described
from harness.training.folders.ade20k import IGNORED
from harness.training.measures import mean_iou
from harness.training.measures.mean_iou import PixelEvaluator
from harness.training.recipe.protocol import Augmentation, Distillation, Rate, protocol
from harness.training.run.loop import Settings, Trainer
from harness.training.tasks import task
from harness.training.tasks.segmentation import TASK, Scenes, Segmenter, augmented
from tests.harness.training import scenes

PROTOCOL = protocol("uninas_segmentation")
SMALL = replace(PROTOCOL, resolution=(64, 64))
MODEL = "8-8:16-24-32-96:E/E/E/T"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.ade20k(tmp_path_factory.mktemp("ade"), train=24, val=6, size=64)


def of(text: str = MODEL, pixels: int = 64) -> Description:
    return described(text, dataset=f"imagenet-{pixels}-4")


def made(seed: int = 0) -> Segmenter:
    torch.manual_seed(seed)
    network = TASK.network(of(), SMALL, 4)
    assert isinstance(network, Segmenter)
    return network


# ------------------------------------------------------------------ learning


def test_it_learns_far_above_chance(folder: Path) -> None:
    learning = replace(
        SMALL,
        epochs=12,
        rate=Rate("linear", 1e-3, warmup=1e-4, warmup_epochs=1),
        augmentation=replace(SMALL.augmentation, scale=(0.8, 1.25), photometric=False),
        network=replace(SMALL.network, drop_path=0.05),
    )
    data = task("segmentation").data(folder, learning)
    history = Trainer(made(), data, learning, Settings(), {}).run()
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 3
    # The ground everywhere: its share of the pixels, a quarter of which is the mean IoU.
    ground = PixelEvaluator(4, IGNORED)
    for _, labels in (data.validation[i] for i in range(len(data.validation))):
        ground.update([torch.zeros_like(labels)], [labels])
    assert ground.compute()["miou"] < 25
    assert history["miou"].iloc[-1] > 60
    assert history["pixel_accuracy"].iloc[-1] > ground.compute()["pixel_accuracy"] + 5


# ------------------------------------------------------------------ figures


def _literal(predicted: list[Tensor], labelled: list[Tensor], classes: int) -> float:
    ious = []
    for c in range(classes):
        common = either = 0
        for p, t in zip(predicted, labelled, strict=True):
            for a, b in zip(p.flatten().tolist(), t.flatten().tolist(), strict=True):
                if b != IGNORED:
                    common += a == b == c
                    either += c in (a, b)
        if either:
            ious.append(common / either)
    return 100 * sum(ious) / len(ious)


def _pixels(seed: int, classes: int = 5) -> tuple[list[Tensor], list[Tensor]]:
    """Predictions and labels of four images; the last class occurs in neither."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(5, 7), (4, 4), (1, 9), (8, 3)]
    draw = [torch.randint(0, classes - 1, s, generator=generator) for s in shapes * 2]
    predicted, labelled = ([x.to(torch.uint8) for x in half] for half in (draw[:4], draw[4:]))
    for labels in labelled[:3]:
        labels[0, :3] = IGNORED
    labelled[3][labelled[3] == 1] = 2
    return predicted, labelled


@pytest.mark.parametrize("seed", range(3))
def test_mean_iou_is_that_of_a_literal_loop(seed: int) -> None:
    predicted, labelled = _pixels(seed)
    evaluator = PixelEvaluator(5, IGNORED)
    evaluator.update(predicted[:3], labelled[:3])
    evaluator.update(predicted[3:], labelled[3:])
    figures = evaluator.compute()
    assert figures["miou"] == pytest.approx(_literal(predicted, labelled, 5))
    theirs = MulticlassJaccardIndex(5, ignore_index=IGNORED)
    for p, t in zip(predicted, labelled, strict=True):
        theirs.update(p.long(), t.long())
    assert figures["miou"] == pytest.approx(100 * float(theirs.compute()), rel=1e-5)
    pairs = [
        (a, b)
        for p, t in zip(predicted, labelled, strict=True)
        for a, b in zip(p.flatten().tolist(), t.flatten().tolist(), strict=True)
        if b != IGNORED
    ]
    assert figures["pixel_accuracy"] == pytest.approx(
        100 * sum(a == b for a, b in pairs) / len(pairs)
    )


def test_perfect_predictions_are_a_hundred_percent() -> None:
    _, labelled = _pixels(0)
    evaluator = PixelEvaluator(5, IGNORED)
    evaluator.update([labels.clamp(max=3) for labels in labelled], labelled)
    assert evaluator.compute() == {"miou": 100, "pixel_accuracy": 100}


def test_processes_with_a_part_each_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted, labelled = _pixels(1)
    whole, *parts = (PixelEvaluator(5, IGNORED) for _ in range(3))
    whole.update(predicted, labelled)
    for number, part in enumerate(parts):
        part.update(predicted[number::2], labelled[number::2])
    expected = whole.compute()
    monkeypatch.setattr(mean_iou, "gathered", lambda own: [part._counts for part in parts])
    assert [part.compute() for part in parts] == [expected, expected]


# ------------------------------------------------------------------ images


class _Marked(Scenes):
    """Images whose colour is a function of the label, at every pixel."""

    def __init__(self, folder: Path, augmentation: Augmentation, size: tuple[int, int]) -> None:
        data = TASK.data(folder, SMALL)
        assert isinstance(data.train, Scenes)
        super().__init__(data.train.pairs, augmented(augmentation, size))


def _coloured(tmp_path: Path) -> Path:
    """Scenes without noise: each class has one grey."""
    from PIL import Image  # noqa: PLC0415

    scenes.ade20k(tmp_path, train=4, val=2, size=64)
    for path in (tmp_path / "annotations").rglob("*.png"):
        image = tmp_path / "images" / path.parent.name / f"{path.stem}.jpg"
        image.unlink()
        Image.open(path).point(lambda value: value * 50).convert("RGB").save(
            image.with_suffix(".png")
        )
    return tmp_path


def test_labels_move_along_with_their_image(tmp_path: Path) -> None:
    given = replace(PROTOCOL.augmentation, photometric=False, interpolation="nearest")
    samples = _Marked(_coloured(tmp_path), given, (48, 96))
    plain = _Marked(tmp_path, replace(given, flip=0.0), (48, 96))
    differing = []
    for seed in range(20):
        index = seed % 4
        torch.manual_seed(seed)
        image, labels = samples[index]
        assert (image.shape, labels.shape) == ((3, 48, 96), (48, 96))
        inside = labels != IGNORED
        assert inside.any()
        grey = image[0][inside].int()
        assert grey.equal((labels[inside].int() + 1) * 50)
        torch.manual_seed(seed)
        differing.append(not plain[index][0].equal(image))
    assert 4 < sum(differing) < 16  # flips


def test_scales_and_places_vary_and_padding_is_not_labelled(tmp_path: Path) -> None:
    given = Augmentation(crop="scaled", scale=(0.5, 2.0), interpolation="nearest")
    samples = _Marked(_coloured(tmp_path), given, (64, 64))
    shares = []
    for seed in range(30):
        torch.manual_seed(seed)
        image, labels = samples[1]
        shares.append(float((labels != IGNORED).float().mean()))
        outside = (image == torch.tensor([124, 116, 104])[:, None, None]).all(0)
        assert labels[outside].eq(IGNORED).all()
    assert min(shares) < 0.5
    assert max(shares) > 0.9


def test_photometric_distortion_changes_colours_alone(folder: Path) -> None:
    given = Augmentation(crop="scaled", scale=(1.0, 1.0), photometric=True)
    changed, plain = (
        _Marked(folder, each, (64, 64)) for each in (given, replace(given, photometric=False))
    )
    differing = 0
    for seed in range(10):
        torch.manual_seed(seed)
        image, labels = changed[0]
        torch.manual_seed(seed)
        original, expected = plain[0]
        assert labels.equal(expected)
        differing += not image.equal(original)
        red = original[0].float() - original[2].float() > 80
        # Channels keep their places: what was red is not blue.
        assert not red.any() or (image[0][red].float() - image[2][red].float()).mean() > 0
    assert differing > 6


def test_the_same_seed_gives_the_same_item(folder: Path) -> None:
    data = TASK.data(folder, SMALL)
    items = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        items.append(data.train[3])
    assert items[0][0].equal(items[1][0])
    assert items[0][1].equal(items[1][1])
    assert not items[0][0].equal(items[2][0])


@pytest.mark.parametrize(
    "other", [Augmentation(crop="resized"), Augmentation(crop="scaled", mixup=0.2)]
)
def test_other_augmentation_is_refused(other: Augmentation) -> None:
    with pytest.raises(InputError, match='segmentation knows crop "scaled", flip and photometric'):
        augmented(other, (64, 64))


# ------------------------------------------------------------------ network


def test_images_of_all_sizes_get_classes_at_their_own() -> None:
    network = made().eval()
    torch.manual_seed(0)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8)
              for size in ((64, 64), (50, 71), (130, 90))]  # fmt: skip
    with torch.no_grad():
        together = network(images)
        alone = [network([image])[0] for image in images]
        logits = network.logits(images[0][None])
    assert [tuple(p.shape) for p in together] == [(64, 64), (50, 71), (130, 90)]
    assert all(a.equal(b) for a, b in zip(together, alone, strict=True))
    # At its own size there is nothing but the enlarged scores.
    expected = nn.functional.interpolate(logits, (64, 64), mode="bilinear").argmax(1)[0]
    assert together[0].long().equal(expected)


def test_the_largest_of_many_classes_is_found() -> None:
    torch.manual_seed(0)
    network = TASK.network(of(), SMALL, 40).eval()
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        logits = network.logits(image[None])  # type: ignore[operator]
        expected = nn.functional.interpolate(logits, (64, 64), mode="bilinear").argmax(1)[0]
        assert network([image])[0].long().equal(expected)
    assert int(expected.max()) > 16


def test_the_loss_is_a_mean_over_labelled_pixels() -> None:
    network = made().train()
    network.backbone.eval()
    network.decoder.eval()
    network.requires_grad_(False)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    targets = torch.randint(0, 4, (2, 64, 64), dtype=torch.uint8)
    targets[:, :40] = IGNORED
    loss = network(images, targets)["pixels"]
    logits = nn.functional.interpolate(network.logits(images), (64, 64), mode="bilinear")
    chosen = logits.log_softmax(1).gather(1, targets.long().clamp(max=3)[:, None])[:, 0]
    assert float(loss) == pytest.approx(-float(chosen[:, 40:].mean()), rel=1e-5)
    nothing = network(images, torch.full_like(targets, IGNORED))["pixels"]
    assert float(nothing) == 0


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_drop_path_is_on_in_training_alone(rate: float) -> None:
    settings = replace(SMALL, network=replace(SMALL.network, drop_path=rate))
    network = TASK.network(of(), settings, 4)
    images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    targets = torch.zeros(4, 64, 64, dtype=torch.uint8)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    with torch.no_grad():
        losses = {float(network(images, targets)["pixels"]) for _ in range(4)}
        network.eval()
        once, twice = (torch.stack(network(images)) for _ in range(2))
    assert (len(losses) > 1) == (rate > 0)
    assert once.equal(twice)


def test_every_parameter_learns_and_none_is_counted_that_does_not() -> None:
    network = made()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    network(images, torch.randint(0, 4, (2, 64, 64)))["pixels"].backward()
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    assert [n for n, p in trained.items() if p.grad is None] == []
    sizes = TASK.costs(network, SMALL)
    assert sizes["params"] == sum(p.numel() for p in network.backbone.parameters())
    assert sizes["params_with_head"] == sum(p.numel() for p in network.parameters())
    head = sizes["flops_with_head"] - sizes["flops"]
    fusion = 2 * 4 * 256 * 256 * 9 * 16 * 16
    assert fusion < head < 2 * fusion


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (protocol("uninas_detection"), "is for detection; use one for segmentation"),
        (replace(SMALL, resolution=(64, 100)), "100 x 64: both must be multiples of 32"),
        (replace(SMALL, batch_per_gpu=1), "use a --batch-size of 2 or more"),
        (replace(SMALL, distillation=Distillation("teacher", 64)), "without a teacher"),
    ],
)
def test_protocols_that_do_not_fit_are_refused(wrong: object, message: str, folder: Path) -> None:
    for call in (
        lambda: TASK.data(folder, wrong),  # type: ignore[arg-type]
        lambda: TASK.network(of(), wrong, 4),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_cells_have_no_stages_to_stand_on() -> None:
    cell = described("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    with pytest.raises(InputError, match="needs maps at strides 4, 8, 16 and 32"):
        TASK.network(cell, SMALL, 4)
