"""Mask R-CNN on staged networks: what is learned, what is judged, what is counted."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import masks_to_boxes

from benchmarks.errors import InputError
from harness.inspect.describe import described
from harness.training.folders import coco
from harness.training.measures import average_precision
from harness.training.measures.average_precision import InstanceEvaluator
from harness.training.recipe.protocol import Protocol, protocol
from harness.training.tasks import task
from harness.training.tasks.detection import TASK, Detector, Scenes
from harness.training.types import Data
from tests.harness.training import scenes
from tests.harness.training.networks import Stages

SIZE = 64
PERFECT = {f"ap_{kind}{at}": 100.0 for kind in ("box", "mask") for at in ("", "_50", "_75")}


#: Small ones of the spaces whose networks have four stages.
NETWORKS = [
    ("uninas", "8-16:32-64-96-96:E/E/T/T"),
    (
        "mobilenetv2",
        "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE1K3(8,16,2,8,1)SuperResIDWE1K3(16,24,2,16,1)"
        "SuperResIDWE1K3(24,32,2,24,1)SuperResIDWE1K3(32,40,2,32,1)SuperConvK1BNRELU(40,64,1,1)",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return scenes.coco(tmp_path / "data", train=6, val=5, size=SIZE)


def asked(**changes: Any) -> Protocol:
    """The published protocol at a resolution for tests."""
    return protocol("uninas_detection").changed(resolution=(SIZE, SIZE), **changes)


def small(classes: int = 3) -> Detector:
    """A detector that samples few proposals, so that it is cheap."""
    network = Detector(Stages(), classes, (SIZE, SIZE))
    network.detector.roi_heads.fg_bg_sampler = BalancedPositiveNegativeSampler(32, 0.125)
    network.detector.rpn._pre_nms_top_n = {"training": 100, "testing": 100}
    network.detector.rpn._post_nms_top_n = {"training": 100, "testing": 50}
    return network


# ------------------------------------------------------------------- learning


def judged(network: nn.Module, data: Data) -> dict[str, float]:
    """Figures on the validation images, read in batches of four."""
    network.eval()
    evaluator, collate = data.evaluator(), data.collate
    assert collate is not None
    items = [data.validation[n] for n in range(len(data.validation))]
    for start in range(0, len(items), 4):
        images, targets = collate(items[start : start + 4])
        with torch.no_grad():
            evaluator.update(network(images), targets)
    return evaluator.compute()


def test_mask_rcnn_learns_scenes(tmp_path: Path) -> None:
    data = TASK.data(scenes.coco(tmp_path, train=32, val=12, size=SIZE), asked())
    assert data.collate is not None
    torch.manual_seed(0)
    network = small()
    before = judged(network, data)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    network.train()
    for step in range(40):
        order = torch.randperm(len(data.train))[:4].tolist()
        images, targets = data.collate([data.train[n] for n in order])
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1.0, (step + 1) / 20)
        losses: dict[str, Tensor] = network(images, targets)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    after = judged(network, data)
    for name in ("ap_box_50", "ap_mask_50"):
        assert before[name] < 10
        assert after[name] > 45


def test_every_parameter_is_learned_and_named_once(folder: Path) -> None:
    torch.manual_seed(0)
    network, data = small(), TASK.data(folder, asked())
    images, targets = zip(*(data.train[n] for n in range(4)), strict=True)
    network.train()
    losses = network(list(images), list(targets))
    assert all(loss.dim() == 0 and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    state = network.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    own = {f"backbone.{name}" for name in network.backbone.state_dict()}
    assert {name for name in state if name.startswith("backbone.")} == own


def test_low_precision_leaves_coordinates_exact(folder: Path) -> None:
    torch.manual_seed(0)
    network, data = small(), TASK.data(folder, asked())
    network.detector.roi_heads.score_thresh = 0.0
    proposals: list[Tensor] = []
    network.detector.rpn.register_forward_hook(lambda m, x, y: proposals.extend(y[0]))
    image, target = data.train[0]
    with torch.autocast("cpu", torch.bfloat16):
        losses = network.train()([image], [target])
        found = network.eval()([image])[0]
    assert all(loss.isfinite() for loss in losses.values())
    for boxes in (*proposals, found["boxes"]):
        assert boxes.dtype == torch.float32
        assert not torch.equal(boxes, boxes.bfloat16().float())
    # The largest anchor of the coarsest level stands where it would without low precision.
    anchors = network.detector.rpn.anchor_generator
    maps = [torch.zeros(1, 1, n, n, dtype=torch.bfloat16) for n in (320, 160, 80, 40, 20)]
    made = anchors(ImageList(torch.zeros(1, 3, 1280, 1280), [(1280, 1280)]), maps)[0]
    assert torch.equal(made, anchors(ImageList(torch.zeros(1, 3, 1280, 1280), [(1280, 1280)]),
                                     [x.float() for x in maps])[0])  # fmt: skip


def test_detections_are_at_the_size_of_the_image() -> None:
    torch.manual_seed(0)
    network = small().eval()
    network.detector.roi_heads.score_thresh = 0.0
    with torch.no_grad():
        found = network([torch.zeros(3, 48, 100, dtype=torch.uint8)])[0]
    assert found["masks"].dtype == torch.bool
    assert found["masks"].shape == (len(found["boxes"]), 48, 100)
    assert 0 < len(found["boxes"]) <= 100


def test_the_resolution_is_that_of_the_protocol() -> None:
    seen: list[tuple[int, ...]] = []
    network = Detector(Stages(), 3, (64, 96)).eval()
    network.backbone.get_submodule("stem").register_forward_hook(
        lambda m, x, y: seen.append(tuple(x[0].shape))
    )
    network.detector.roi_heads.score_thresh = 1.0
    sizes = ((120, 160), (160, 120), (50, 200))
    with torch.no_grad():
        for height, width in sizes:
            network([torch.zeros(3, height, width, dtype=torch.uint8)])
    # Shorter side 64 unless the longer one passes 96; padded to multiples of 32.
    assert [shape[2:] for shape in seen] == [(64, 96), (96, 64), (32, 96)]


# --------------------------------------------------------------- augmentation


def test_flips_move_boxes_and_masks_alike(folder: Path) -> None:
    images = coco.read(folder).train
    plain, flipped = Scenes(images, 0.0), Scenes(images, 1.0)
    for number in range(len(plain)):
        image, target = plain[number]
        mirrored, moved = flipped[number]
        assert torch.equal(mirrored, image.flip(2))
        assert torch.equal(moved["masks"], target["masks"].flip(2))
        assert torch.equal(moved["labels"], target["labels"])
        assert not torch.equal(moved["boxes"], target["boxes"])
        for each in (target, moved):  # the last pixel lies one before the right edge
            tight = masks_to_boxes(each["masks"]) + torch.tensor([0, 0, 1, 1])
            assert torch.equal(each["boxes"], tight)


def test_half_of_the_images_are_flipped_by_the_seed(folder: Path) -> None:
    data = TASK.data(folder, asked())
    assert protocol("uninas_detection").augmentation.flip == 0.5
    plain, _ = Scenes(coco.read(folder).train, 0.0)[0]
    torch.manual_seed(0)
    random.seed(0)
    draws = [data.train[0][0] for _ in range(60)]
    assert 15 < sum(not torch.equal(each, plain) for each in draws) < 45
    torch.manual_seed(0)
    assert all(torch.equal(data.train[0][0], each) for each in draws)


# ------------------------------------------------------------------- judging


def truth_as_predictions(folder: Path, score: float = 0.9) -> list[tuple[Any, Any]]:
    """What a perfect network gives, with the target of each image."""
    record = scenes.scenes(5, SIZE, seed=1)
    return [
        (
            {
                "boxes": torch.tensor(
                    [(x, y, x + w, y + h) for x, y, w, h in (t.box for t in scene.things)]
                ).float(),
                "labels": torch.tensor([t.kind + 1 for t in scene.things]),
                "scores": torch.full((len(scene.things),), score),
                "masks": torch.from_numpy(np.stack([t.mask for t in scene.things])).bool(),
            },
            {"image_id": number},
        )
        for number, scene in enumerate(record, 1)
    ]


def evaluator(folder: Path) -> InstanceEvaluator:
    made = TASK.data(folder, asked()).evaluator()
    assert isinstance(made, InstanceEvaluator)
    return made


def test_perfect_detections_have_a_precision_of_100(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = evaluator(folder)
    for found, target in truth_as_predictions(folder):
        judge.update([found], [target])
    assert judge.compute() == pytest.approx(PERFECT)
    assert capsys.readouterr() == ("", "")


def test_worse_boxes_and_masks_cost_only_their_own_figures(folder: Path) -> None:
    moved, torn, late = evaluator(folder), evaluator(folder), evaluator(folder)
    for found, target in truth_as_predictions(folder):
        width = found["boxes"][:, 2:] - found["boxes"][:, :2]
        moved.update([found | {"boxes": found["boxes"] + 0.15 * width.repeat(1, 2)}], [target])
        torn.update([found | {"masks": torch.zeros_like(found["masks"])}], [target])
        late.update([found | {"labels": found["labels"] % 3 + 1}], [target])
    figures = moved.compute()
    assert figures["ap_mask"] == pytest.approx(100)
    # Moved by .15 of both sides: IoU = .85^2 / (2 - .85^2) = .566, so only .50 and .55 match.
    assert figures["ap_box_50"] == pytest.approx(100)
    assert figures["ap_box"] == pytest.approx(20)
    assert figures["ap_box_75"] == 0
    figures = torn.compute()
    assert (figures["ap_mask"], figures["ap_mask_50"]) == (0, 0)
    assert figures["ap_box"] == pytest.approx(100)
    assert set(late.compute().values()) == {0.0}


def test_nothing_found_is_a_precision_of_0(folder: Path) -> None:
    judge = evaluator(folder)
    assert judge.compute() == dict.fromkeys(PERFECT, 0.0)
    found, target = truth_as_predictions(folder)[0]
    nothing = {name: value[:0] for name, value in found.items()}
    judge.update([nothing], [target])
    assert judge.compute() == dict.fromkeys(PERFECT, 0.0)


def test_two_processes_judge_as_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = truth_as_predictions(folder, score=0.5)  # all scores are equal
    for found, _ in pairs:
        found["boxes"] += 3 * torch.rand(found["boxes"].shape, generator=generator)
    alone, halves = evaluator(folder), [evaluator(folder), evaluator(folder)]
    for number, (found, target) in enumerate(pairs):
        alone.update([found], [target])
        halves[number % 2].update([found], [target])
    expected = alone.compute()
    assert 0 < expected["ap_box"] < 100
    parts = [list(half._found) for half in halves]
    monkeypatch.setattr(average_precision, "gathered", lambda value: parts)
    assert [half.compute() for half in halves] == [expected, expected]


def test_an_evaluator_is_new_every_time(folder: Path) -> None:
    data = TASK.data(folder, asked())
    for _ in range(2):
        judge = data.evaluator()
        for found, target in truth_as_predictions(folder):
            judge.update([found], [target])
        assert judge.compute() == pytest.approx(PERFECT)


# ------------------------------------------------------------------ the task


def test_the_task_is_found_by_its_name() -> None:
    assert task("detection") is TASK


def test_protocols_that_ask_for_something_else_are_refused(folder: Path) -> None:
    for name, said in (("uninas_classification", "classification"), ("nasbench201", "class")):
        with pytest.raises(InputError, match=f"{name} is for {said}.*not for detection"):
            TASK.data(folder, protocol(name))
    given = asked()
    for change, said in (
        ({"crop": "scaled"}, "no augmentation crop 'scaled'"),
        ({"photometric": True}, "no augmentation photometric True"),
        ({"auto": "rand-m9"}, "no augmentation auto 'rand-m9'"),
    ):
        augmentation = dataclasses.replace(given.augmentation, **change)
        with pytest.raises(InputError, match=said):
            TASK.data(folder, given.changed(augmentation=augmentation))
    with pytest.raises(InputError, match="60 x 100 is no multiple of 32"):
        TASK.data(folder, given.changed(resolution=(60, 100)))
    with pytest.raises(InputError, match="detection has no label smoothing"):
        TASK.data(folder, given.changed(label_smoothing=0.1))


def test_cells_without_four_stages_are_refused() -> None:
    with pytest.raises(InputError, match="strides 4, 8, 16 and 32"):
        TASK.network(described("0", "nasbench201"), asked(), 3)


@pytest.mark.parametrize(("space", "text"), NETWORKS)
def test_networks_of_staged_spaces_are_trained_and_detect(
    space: str, text: str, folder: Path
) -> None:
    torch.manual_seed(0)
    data, given = TASK.data(folder, asked()), asked()
    network = TASK.network(described(text, space, f"imagenet-{SIZE}-3"), given, 3)
    assert isinstance(network, Detector)
    network.detector.roi_heads.fg_bg_sampler = BalancedPositiveNegativeSampler(32, 0.125)
    image, target = data.train[0]
    losses = network.train()([image], [target])
    torch.stack(list(losses.values())).sum().backward()
    trained = [p for p in network.backbone.parameters() if p.requires_grad]
    assert trained
    assert all(p.grad is not None for p in trained)
    with torch.no_grad():
        found = network.eval()([image])
    assert set(found[0]) == {"boxes", "labels", "scores", "masks"}
    costs = TASK.costs(network, given)
    assert 0 < costs["flops"] < costs["flops_with_head"]


def test_costs_count_backbone_pyramid_and_heads() -> None:
    network = Detector(Stages((8, 16, 24, 32)), 80, (64, 96))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    costs = TASK.costs(network, asked().changed(resolution=(64, 96)))
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert costs["params"] == sum(p.numel() for p in network.backbone.parameters())
    assert costs["params_with_head"] == sum(p.numel() for p in network.parameters())
    pixels = [64 * 96 // stride**2 for stride in (2, 4, 8, 16, 32)]
    layers = ((3, 8, 0), (8, 8, 1), (8, 8, 1), (8, 16, 2), (16, 16, 2), (16, 24, 3), (24, 24, 3),
              (24, 32, 4), (32, 32, 4))  # fmt: skip
    assert costs["flops"] == sum(2 * 9 * i * o * pixels[at] for i, o, at in layers)
    levels = [*pixels[1:], 1 * 2]
    pyramid = sum(n * (c * 256 + 9 * 256**2) for n, c in zip(levels, (8, 16, 24, 32), strict=False))
    proposals = sum(n * (9 * 256**2 + 256 * (3 + 12)) for n in levels)
    boxes = 1000 * (256 * 49 * 1024 + 1024**2 + 1024 * 81 * 5)
    masks = 100 * (196 * 4 * 9 * 256**2 + 196 * 4 * 256**2 + 784 * 256 * 81)
    heads = 2 * (pyramid + proposals + boxes + masks)
    assert costs["flops_with_head"] == costs["flops"] + heads
