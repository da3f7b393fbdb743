"""Protocols are what their sources say, and their files hold nothing else."""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.errors import InputError
from harness.training.recipe.optimising import optimiser
from harness.training.recipe.protocol import Protocol, names, parse, protocol
from harness.training.recipe.rates import Rates, scale

# Týbl and Neumann, arXiv:2510.06035, table of the final evaluation; N is the number of GPUs.
TABLE = """
setting | classification | detection | segmentation
training_data | ImageNet-1k | COCO | ADE20K
network_head | FC | Mask R-CNN | UperNet
epochs | 150 | 12 | 125
warmup_epochs | 5 | 5 | 5
batch_size_per_gpu | 48 | 4 | 4
optimizer | AdamW | AdamW | AdamW
weight_decay | 0.05 | 0.05 | 0.05
lr_schedule | cosine | multi-step | linear
warmup_lr | N*1e-7 | N*1e-7 | N*1e-7
minimal_lr | N*1e-6 | N*2.5e-6 | 0
learning_rate | N*1e-4 | N*2.5e-5 | N*1.5e-5
data_augmentation | rand-m15-n2-mstd0.5 | RandFlip 0.5 | PhotoMetricDistortion + RandFlip 0.5
gradient_clip | 1.0 | 1.0 | 1.0
drop_path | 0.2 | 0.1 | 0.3
input_resolution | 224x224 | 1280x800 | 512x512
"""


def column(task: str) -> dict[str, str]:
    rows = [[c.strip() for c in row.split("|")] for row in TABLE.strip().splitlines()]
    place = rows[0].index(task)
    return {row[0]: row[place] for row in rows[1:]}


def rate_of(text: str, gpus: int) -> float:
    return gpus * float(text.removeprefix("N*")) if text.startswith("N*") else float(text)


def stepped(held: Protocol, gpus: int, steps: int = 20) -> list[float]:
    """The rate of every step of a training of `steps` an epoch."""
    made = optimiser(nn.Linear(2, 2), held, gpus)
    rates = Rates(made, held, steps, gpus)
    return [rates.set(step) for step in range(held.epochs * steps)]


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_every_setting_of_uninas_is_the_papers(task: str) -> None:
    held, paper = protocol(f"uninas_{task}"), column(task)
    width, height = map(int, paper["input_resolution"].split("x"))
    schedule = held.rate.schedule.replace("multistep", "multi-step")
    facts: dict[str, object] = {
        "training_data": held.data,
        "network_head": held.head,
        "epochs": str(held.epochs),
        "warmup_epochs": f"{held.rate.warmup_epochs:g}",
        "batch_size_per_gpu": str(held.batch_per_gpu),
        "optimizer": held.optimiser.name.replace("adamw", "AdamW"),
        "weight_decay": f"{held.optimiser.weight_decay:g}",
        "lr_schedule": schedule,
        "gradient_clip": str(held.optimiser.clip),
        "drop_path": f"{held.network.drop_path:g}",
    }
    assert facts == {name: paper[name] for name in facts}
    assert held.task == task
    assert held.resolution == (height, width)
    assert (held.rate.per, held.distillation, held.network.se) == ("gpu", None, False)
    augmentation, words = held.augmentation, paper["data_augmentation"]
    assert augmentation.photometric == ("PhotoMetricDistortion" in words)
    assert augmentation.auto == (words if words.startswith("rand-") else None)
    if "RandFlip" in words:
        assert augmentation.flip == float(words.rpartition(" ")[2])
    unnamed = (augmentation.jitter, augmentation.lighting, augmentation.erase, augmentation.mixup)
    assert not any((*unnamed, held.label_smoothing))
    for gpus in (1, 8):
        rates = stepped(held, gpus)
        warm = 5 * 20
        assert rates[0] == pytest.approx(rate_of(paper["warmup_lr"], gpus))
        assert max(rates) <= rate_of(paper["learning_rate"], gpus) * (1 + 1e-9)
        assert max(rates) >= 0.9 * rate_of(paper["learning_rate"], gpus)
        lowest = rate_of(paper["minimal_lr"], gpus)
        assert min(rates[warm:]) == pytest.approx(lowest, abs=0.01 * max(rates))
        assert held.rate.floor * scale(held, gpus) == pytest.approx(lowest)


def test_what_the_paper_leaves_open_is_noted() -> None:
    for task, words in (
        ("classification", "random resized crops|validation|label smoothing"),
        ("detection", "8 and 11|torchvision"),
        ("segmentation", "auxiliary|scaled by"),
    ):
        text = " ".join(protocol(f"uninas_{task}").notes)
        assert all(re.search(word, text) for word in words.split("|"))
        assert "not in the paper" in text


def test_the_recipes_of_mobilenetv2() -> None:
    long, short = protocol("mobilenetv2_480"), protocol("mobilenetv2_150")
    for held, epochs, peak in ((long, 480, 0.2), (short, 150, 0.8)):
        assert (held.epochs, held.batch_per_gpu, held.resolution) == (epochs, 64, (224, 224))
        rates = stepped(held, 8, 4)
        assert max(rates) == pytest.approx(peak, rel=0.01)
        assert rates[0] == 0
        half = math.floor(len(rates) / 2)
        assert rates[half] == pytest.approx(peak / 2, rel=0.01)
        assert rates[-1] < 1e-3 * peak
        assert held.rate.warmup_epochs == 5
        assert dataclasses.astuple(held.optimiser) == ("sgd", 4e-5, "matrices", 0.9, None, None)
        assert dataclasses.astuple(held.network) == (0.0, True, 0.01, "kaiming_zero")
        assert held.label_smoothing == 0.1
        assert held.evaluating.resize * 224 == pytest.approx(256)
        assert held.evaluating.interpolation == held.augmentation.interpolation == "bicubic"
        assert (held.augmentation.crop, held.augmentation.flip) == ("resized", 0.5)
        assert held.augmentation.lighting == 0.1
    more = ("auto", "erase", "mixup", "jitter")
    assert [getattr(long.augmentation, name) for name in more] == ["original", 0.5, 0.2, 0]
    assert [getattr(short.augmentation, name) for name in more] == [None, 0, 0, 0.4]
    assert long.distillation is not None
    assert dataclasses.astuple(long.distillation) == (
        "tf_efficientnet_b3.ns_jft_in1k", 320, 1.0, 1.0, (16, 32), ""
    )  # fmt: skip
    assert short.distillation is None


def test_the_recipes_of_the_benchmarks() -> None:
    held = protocol("nasbench201")
    assert (held.epochs, held.batch_per_gpu, held.resolution) == (200, 256, (32, 32))
    assert dataclasses.astuple(held.optimiser)[:4] == ("sgd", 5e-4, "all", 0.9)
    for gpus in (1, 4):
        rates = stepped(held, gpus, 2)
        assert rates[0] == pytest.approx(0.1)
        assert rates[200] == pytest.approx(0.05)
        assert rates[-1] < 1e-4
    assert (held.augmentation.padding, held.augmentation.flip) == (4, 0.5)
    assert held.changed(resolution=(16, 16)).augmentation.padding == 2  # as ImageNet16-120 pads

    held = protocol("nasbench101")
    assert (held.epochs, held.batch_per_gpu) == (108, 256)
    assert stepped(held, 1, 2)[0] == pytest.approx(0.2)  # 0.1 a TPU shard, of two
    made = optimiser(nn.Linear(2, 2), held, 1)
    [group] = made.param_groups
    facts = {name: group[name] for name in ("alpha", "eps", "momentum", "weight_decay")}
    assert facts == {"alpha": 0.9, "eps": 1.0, "momentum": 0.9, "weight_decay": 1e-4}
    assert type(made).__name__ == "RMSpropTF"


def test_sgd_is_nesterovs_and_spares_norms_where_it_is_said() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    made = optimiser(network, protocol("mobilenetv2_480"), 8)
    assert isinstance(made, torch.optim.SGD)
    assert all(group["nesterov"] for group in made.param_groups)
    decays = {id(p): g["weight_decay"] for g in made.param_groups for p in g["params"]}
    found = {name: decays[id(p)] for name, p in network.named_parameters()}
    assert found == {"0.weight": 4e-5, "0.bias": 0, "1.weight": 0, "1.bias": 0}
    [group] = optimiser(network, protocol("nasbench201"), 1).param_groups
    assert (group["weight_decay"], len(group["params"])) == (5e-4, 4)


def test_other_values() -> None:
    held = protocol("uninas_detection")
    short = held.changed(epochs=6, resolution=(400, 640), batch_per_gpu=None)
    assert (short.rate.milestones, short.rate.warmup_epochs) == ((4, 5.5), 2.5)
    assert (short.batch_per_gpu, short.resolution) == (4, (400, 640))
    assert held.changed() == held
    small = protocol("nasbench201").changed(resolution=(64, 64))
    assert small.augmentation == dataclasses.replace(
        protocol("nasbench201").augmentation, padding=8
    )


def test_weights_of_the_teacher_from_a_file() -> None:
    held = protocol("mobilenetv2_480").with_teacher(Path("a/b.pth"))
    assert held.distillation is not None
    assert held.distillation.file == str(Path("a/b.pth"))
    moved = protocol("mobilenetv2_480").with_teacher(Path("c/b.pth"))
    assert moved.plain() == held.plain() != protocol("mobilenetv2_480").plain()
    with pytest.raises(InputError, match="mobilenetv2_150 has no teacher; leave --teacher out"):
        protocol("mobilenetv2_150").with_teacher(Path("b.pth"))


@pytest.mark.parametrize("name", names())
def test_every_protocol_says_all_of_itself(name: str) -> None:
    held = protocol(name)
    text = "\n".join(held.lines())
    for note in (*held.notes, held.title, held.source):
        assert note in text
    assert len(held.notes) > 0
    for field in dataclasses.fields(held.augmentation):
        there = getattr(held.augmentation, field.name) != field.default
        assert not there or f"{field.name} " in text


def _text(name: str) -> str:
    folder = importlib.resources.files("harness.training.recipe").joinpath("protocols")
    return folder.joinpath(f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("peak =", "paek =", r"\[rate\]: there is no setting 'paek', did you mean peak\?"),
        ("[optimiser]", "[optimizer]", r"there is no group \[optimizer\]"),
        ("epochs = 200", "epoch = 200", "no setting 'epoch', did you mean epochs"),
        ('schedule = "cosine"', "", r"\[rate\]: .*missing .*'schedule'"),
        ("epochs = 200", "", "missing .*'epochs'"),
        ("epochs = 200", "epochs = ", "protocol mine is no TOML"),
    ],
)
def test_typing_errors_are_refused(old: str, new: str, message: str) -> None:
    text = _text("nasbench201")
    assert old in text
    with pytest.raises(InputError, match=message):
        parse("mine", text.replace(old, new, 1))


def test_unknown_protocols_are_refused() -> None:
    with pytest.raises(
        InputError, match="unknown protocol 'nasbench-201', did you mean nasbench201"
    ):
        protocol("nasbench-201")
