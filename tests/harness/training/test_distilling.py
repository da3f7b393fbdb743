"""The teacher beside the labels, against the losses in their literal form."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from harness.inspect.describe import described
from harness.training.folders import images
from harness.training.recipe import distilling, modifying
from harness.training.recipe.distilling import Distilled, StagedClassifier, Teacher
from harness.training.recipe.labels import classification_loss
from harness.training.recipe.protocol import Augmentation, Distillation, Protocol, protocol
from harness.training.run.loop import Settings, Trainer
from harness.training.tasks.classification import TASK, data_of
from tests.harness.training.test_modifying import NASBENCH201, STRUCTURE

SETTINGS = Distillation("test_efficientnet", resolution=96, logits=0.5, features=2.0)
RECIPE = dataclasses.replace(
    protocol("mobilenetv2_480"),
    distillation=SETTINGS, label_smoothing=0.1, augmentation=Augmentation(), batch_per_gpu=4,
)  # fmt: skip
CLASSES = 5
UNINAS = "4-8:16-16-24-24:R/E/R/E"


def guide(resolution: int = 96) -> Teacher:
    torch.manual_seed(1)
    network = timm.create_model("test_efficientnet", pretrained=False, num_classes=CLASSES)
    return Teacher(network, "test_efficientnet", (16, 32), resolution)


def student(text: str = STRUCTURE) -> nn.Module:
    torch.manual_seed(2)
    return modifying.classifier(described(text, dataset="imagenet-64-5"), RECIPE, CLASSES)


def distilled(recipe: Protocol = RECIPE, text: str = STRUCTURE, resolution: int = 96) -> Distilled:
    made = student(text)
    return Distilled(made, classification_loss(recipe, CLASSES), recipe, guide(resolution))


def batch(count: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 3, 64, 64, generator=generator), torch.arange(count) % CLASSES


def smooth_l1(one: Tensor, other: Tensor) -> float:
    gap = np.abs((one - other).detach().double().numpy())
    return float(np.where(gap < 1, gap**2 / 2, gap - 0.5).mean())


@pytest.mark.parametrize("text", [STRUCTURE, UNINAS])
@pytest.mark.parametrize("resolution", [64, 96])
def test_losses_are_the_literal_ones(text: str, resolution: int) -> None:
    made = distilled(text=text, resolution=resolution).train()
    for projection in made.projections:  # large enough to be seen
        assert isinstance(projection, nn.Conv2d)
        nn.init.normal_(projection.weight, 0, 0.3)
    inputs, targets = batch()
    other: Any = copy.deepcopy(made.backbone).train()
    found = made(inputs, targets)
    assert set(found) == {"labels", "teacher", "features"}

    maps = other.stages(inputs)
    logs = other.after_stages(maps[-1]).double().log_softmax(1)
    hard = -logs[torch.arange(4), targets] * 0.9 - logs.mean(1) * 0.1
    assert float(found["labels"].detach()) == pytest.approx(float(hard.detach().mean()), rel=1e-5)

    seen = nn.functional.interpolate(inputs, (resolution, resolution), mode="bilinear")
    network: Any = guide().network.eval()
    probabilities = network(seen).double().softmax(1)
    soft = -(probabilities * logs).sum(1).mean()
    assert float(found["teacher"].detach()) == pytest.approx(0.5 * float(soft.detach()), rel=1e-5)

    theirs = network.forward_intermediates(seen, intermediates_only=True)[-2:]
    gaps = []
    for own, his, projection in zip(maps[2:], theirs, made.projections, strict=True):
        assert isinstance(projection, nn.Conv2d)
        bias = projection.bias
        assert bias is not None
        projected = torch.einsum("bchw,oc->bohw", own, projection.weight[:, :, 0, 0])
        projected = projected + bias[:, None, None]
        his = nn.functional.interpolate(his, own.shape[-2:], mode="bilinear")  # noqa: PLW2901
        gaps.append(smooth_l1(projected, his))
    assert float(found["features"].detach()) == pytest.approx(2.0 * sum(gaps), rel=1e-4)


@pytest.mark.parametrize("text", [STRUCTURE, UNINAS])
def test_stages_and_what_is_after_them_are_the_whole_network(text: str) -> None:
    network = student(text).eval()
    assert isinstance(network, StagedClassifier)
    inputs, _ = batch()
    torch.testing.assert_close(network.after_stages(network.stages(inputs)[-1]), network(inputs))


def test_gradients_reach_student_and_projections_alone() -> None:
    made = distilled().train()
    sum(made(*batch()).values()).backward()
    trained = {name: p for name, p in made.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None] == []
    assert all(name.startswith(("backbone.", "projections.")) for name in made.state_dict())
    teacher = made._guides[0]
    assert not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    features = distilled().train()
    features(*batch())["features"].backward()
    grads = {n for n, p in features.named_parameters() if p.grad is not None and p.grad.any()}
    assert "projections.0.weight" in grads
    assert not any(name.startswith("backbone.classifier") for name in grads)


def test_the_teacher_stays_as_it_is() -> None:
    made = distilled()
    teacher = made._guides[0]
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    made.train()
    assert made.training
    assert not any(m.training for m in teacher.modules())
    made(*batch())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    made.to("meta")  # another device takes it along
    assert {p.device.type for p in teacher.parameters()} == {"meta"}
    assert teacher.get_buffer("factor").device.type == "meta"


def test_projections_begin_small() -> None:
    for projection, channels in zip(distilled().projections, (24, 24), strict=True):
        assert isinstance(projection, nn.Conv2d)
        assert float(projection.weight.detach().std()) == pytest.approx(
            1e-4 / channels**0.5, rel=0.15
        )
        assert projection.bias is not None
        assert not projection.bias.any()


def test_images_are_normalised_anew_where_statistics_differ() -> None:
    network = timm.create_model("test_efficientnet", pretrained=False, num_classes=CLASSES)
    config: Any = network.pretrained_cfg
    cifar = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    pixels = torch.rand(2, 3, 64, 64)
    answers = []
    for mean, deviation in (cifar, (config["mean"], config["std"])):
        teacher = Teacher(network, "t", (16,), 64, mean, deviation)
        normalised = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[
            :, None, None
        ]
        answers.append(teacher(normalised)[0])
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)


def test_mixed_images_are_those_that_the_teacher_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    mixing = dataclasses.replace(RECIPE, augmentation=Augmentation(mixup=1.0))
    made = distilled(mixing).train()
    teacher = made._guides[0]
    forward, seen = teacher.forward, list[Tensor]()

    def watched(x: Tensor) -> tuple[Tensor, list[Tensor]]:
        seen.append(x)
        return forward(x)

    monkeypatch.setattr(teacher, "forward", watched)
    inputs, targets = batch()
    np.random.seed(0)
    made(inputs, targets)
    np.random.seed(0)
    assert torch.equal(seen[0], made.loss.mixed(inputs, targets)[0])
    assert not torch.equal(seen[0], inputs)
    made.eval()
    assert torch.equal(made(inputs), made.backbone(inputs))


def test_weights_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "teacher.pth"
    torch.manual_seed(5)
    theirs = timm.create_model("test_efficientnet", pretrained=False)
    torch.save(theirs.state_dict(), file)
    settings = dataclasses.replace(SETTINGS, file=str(file))
    found = distilling.teacher(settings)
    assert found.classes == 1000
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name])
    with pytest.raises(InputError, match=r"there is no file .*none\.pth with the weights of"):
        distilling.teacher(dataclasses.replace(SETTINGS, file=str(tmp_path / "none.pth")))
    for content in (b"nothing", file.read_bytes()[:5000]):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"teacher\.pth does not hold the weights of"):
            distilling.teacher(settings)
    torch.save({"conv.weight": torch.zeros(1)}, file)
    with pytest.raises(InputError, match="does not hold the weights of the teacher test_eff"):
        distilling.teacher(settings)


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was run",))


def test_a_hostile_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": _Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(InputError, match=r"hostile\.pth does not hold"):
        distilling.teacher(dataclasses.replace(SETTINGS, file=str(tmp_path / "hostile.pth")))


def test_what_cannot_be_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = classification_loss(RECIPE, CLASSES)
    of = described(STRUCTURE, dataset="imagenet-64-5")
    with pytest.raises(InputError, match="knows 5 classes and the images have 10"):
        Distilled(modifying.classifier(of, RECIPE, 10), loss, RECIPE, guide())
    with pytest.raises(InputError, match="needs a student with maps at strides 4, 8, 16"):
        Distilled(modifying.classifier(described(NASBENCH201), RECIPE, CLASSES), loss, RECIPE)
    with pytest.raises(InputError, match="timm has no teacher 'nonsense': Unknown model"):
        distilling.teacher(dataclasses.replace(SETTINGS, teacher="nonsense"))
    with pytest.raises(InputError, match="the teacher x has no maps at stride 64"):
        Teacher(guide().network, "x", (16, 64), 96)
    with pytest.raises(InputError, match="nasbench201 has no teacher"):
        Distilled(student(), loss, protocol("nasbench201"))

    def unreachable(*_: Any, **__: Any) -> nn.Module:
        raise OSError("name or service not known\nmore")

    monkeypatch.setattr(distilling, "create_model", unreachable)
    with pytest.raises(
        InputError, match=r"cannot be downloaded: name or service not known; down.*--teacher FILE"
    ):
        distilling.teacher(SETTINGS)


def test_a_whole_recipe_trains_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % CLASSES
    pixels = rng.integers(0, 256, (40, 48, 48, 3), dtype=np.uint8) // 2 + 25 * labels[
        :, None, None, None
    ].astype(np.uint8)
    np.savez(tmp_path / "images.npz", pixels=pixels, labels=labels)
    network = timm.create_model("test_efficientnet", pretrained=False, num_classes=CLASSES)
    torch.save(network.state_dict(), tmp_path / "teacher.pth")
    recipe = protocol("mobilenetv2_480")
    assert recipe.distillation is not None
    small = dataclasses.replace(recipe.distillation, teacher="test_efficientnet", resolution=80)
    recipe = dataclasses.replace(recipe, distillation=small).with_teacher(tmp_path / "teacher.pth")
    recipe = recipe.changed(epochs=2, resolution=(64, 64), batch_per_gpu=10)
    data = data_of(images.read(tmp_path / "images.npz"), recipe)
    of = described(STRUCTURE, dataset="imagenet-64-5")

    def trainer(**settings: Any) -> Trainer:
        torch.manual_seed(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distilling, "create_model", lambda name, **_: copy.deepcopy(network))
            made = TASK.network(of, recipe, CLASSES)
        return Trainer(made, data, recipe, Settings(**settings), {})

    whole = trainer()
    history = whole.run()
    assert {"labels", "teacher", "features"} <= set(history.columns)
    assert np.isfinite(history["loss"]).all()

    class StoppedError(Exception):
        pass

    def stop(done: int, total: int, note: str) -> None:
        if done == 4:
            raise StoppedError

    file = tmp_path / "checkpoint.pt"
    with pytest.raises(StoppedError):
        trainer(checkpoint=file, every=1, on_step=stop).run()
    assert not any(
        "guide" in name for name in torch.load(file, weights_only=True)["state"]["network"]
    )
    resumed = trainer(checkpoint=file).run()
    assert resumed["loss"].tolist() == history["loss"].tolist()
    assert resumed["top1"].tolist() == history["top1"].tolist()
