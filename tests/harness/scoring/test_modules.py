"""Scores of modules that know nothing of the harness."""

from __future__ import annotations

import copy
import random
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.types import Batch
from harness.proxies import PROXIES, register_proxy
from harness.scoring.modules import ModuleScore, score_module
from tests.harness.networks import MIXED, SPACE, state_of

SHAPE = (3, 8, 8)
ALL = list(PROXIES)


class Block(nn.Module):
    def __init__(self, read: int, give: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(read, give, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(give)
        self.two = nn.Conv2d(give, give, 3, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.short = nn.Conv2d(read, give, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        given: Tensor = self.relu(self.two(self.relu(self.norm(self.one(x)))) + self.short(x))
        return given


class ResNet(nn.Module):
    """A small one, its blocks in a `ModuleList`."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList([Block(8, 8, 1), Block(8, 16, 2)])
        self.drop = nn.Dropout(0.2)
        self.classifier = nn.Linear(16 * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.classifier(self.drop(x.view(len(x), -1)))
        return logits


class Staged(ResNet):
    """The same, with the methods that some proxies ask for."""

    def features(self, x: Tensor) -> list[Tensor]:
        maps = [self.stem(x)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def pre_gap(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]

    def head(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.drop(x.view(len(x), -1)))
        return logits


class Encoder(nn.Module):
    """A transformer encoder over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(24, 4, 32, batch_first=True, activation="gelu")
        self.token = nn.Parameter(torch.zeros(1, 1, 24))
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classifier = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 1, 3).flatten(2)
        rows = torch.cat([self.token.expand(len(rows), -1, -1), rows], 1)
        logits: Tensor = self.classifier(self.encoder(rows)[:, 0])
        return logits


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(192, 192), nn.Linear(192, 192)
        self.two.weight = self.one.weight
        self.classifier = nn.Linear(192, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.two(self.one(x.flatten(1)).relu()).relu())
        return logits


def mlp(activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    layers = [nn.Flatten(), nn.Linear(192, 32), activation(), nn.LayerNorm(32), nn.Linear(32, 10)]
    return nn.Sequential(*layers)


def scores(module: nn.Module, *names: str, **options: Any) -> dict[str, ModuleScore]:
    options = {"input_shape": SHAPE, "batch_size": 4, **options}
    found = score_module(module, names or ALL, **options)
    assert [row.name for row in found] == list(names or ALL)
    return {row.name: row for row in found}


#: Without stages, ReLUs or ReLUs that give maps.
STAGES = {"zen", "az_nas"}
RELUS = {"nwot", "te_nas"}
MODULES: dict[str, tuple[Any, set[str]]] = {
    "resnet": (ResNet, STAGES),
    "staged": (Staged, set()),
    "mlp": (mlp, {*STAGES, "te_nas"}),
    "gelu": (lambda: mlp(nn.GELU), STAGES | RELUS),
    "encoder": (Encoder, STAGES | RELUS),
    "tied": (Tied, STAGES | RELUS),
    "1d": (
        lambda: nn.Sequential(
            nn.Flatten(2), nn.Conv1d(3, 10, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten()
        ),
        STAGES
        | RELUS
        | {"fisher", "gradsign", "grasp", "l2_norm", "plain", "snip", "synflow", "zico"},
    ),
}


@pytest.mark.parametrize("kind", MODULES)
def test_every_proxy_scores_or_says_why_not(kind: str) -> None:
    make, unsupported = MODULES[kind]
    torch.manual_seed(0)
    module = make()
    before = state_of(module)
    randomness = torch.get_rng_state(), str(np.random.get_state()), random.getstate()
    found = scores(module)
    assert {name for name, row in found.items() if row.status == "unsupported"} == unsupported
    failed = {name: row for name, row in found.items() if row.status not in ("ok", "unsupported")}
    assert not failed
    for name, row in found.items():
        assert bool(row.message) == (row.status == "unsupported")
        assert row.message == "" or row.message.startswith(f"{name} ")
        assert row.value is None or PROXIES[name].has_score
    assert state_of(module) == before
    assert torch.equal(torch.get_rng_state(), randomness[0])
    assert (str(np.random.get_state()), random.getstate()) == randomness[1:]
    torch.manual_seed(1)
    assert [row[:4] for row in scores(module).values()] == [row[:4] for row in found.values()]


def test_sizes_are_counted() -> None:
    module = ResNet()
    dict(module.named_parameters())["stem.bias"].requires_grad_(False)
    found = scores(module, "params", "flops", "layers")
    trainable = [p for p in module.parameters() if p.requires_grad]
    assert found["params"].value == sum(p.numel() for p in trainable)
    assert found["layers"].value == len(trainable)
    blocks = 64 * (8 * 72 * 2 + 8 * 8 + 8) + 16 * (16 * 72 + 16 * 144 + 16 * 8 + 16)
    assert found["flops"].value == 64 * 8 * 28 + blocks + 257 * 10


def test_counts_equal_the_closed_form() -> None:
    costs = SPACE.costs(MIXED, "cifar10")
    found = scores(
        SPACE.network(MIXED, "cifar10"), "params", "flops", "layers", input_shape=(3, 32, 32)
    )
    assert [row.value for row in found.values()] == [costs.params, costs.flops, costs.layers]


def test_weights() -> None:
    names = ("l2_norm", "grad_norm")
    one, other = ResNet(), ResNet()

    def values(module: nn.Module, **options: Any) -> list[float | None]:
        return [row.value for row in scores(module, *names, **options).values()]

    assert values(one) == values(other)
    assert values(one) != values(one, seed=1)
    assert values(one, weights="kept") != values(other, weights="kept")
    with torch.no_grad():
        total = sum(
            float(m.weight.double().norm())
            for m in one.modules()
            if isinstance(m, nn.Conv2d | nn.Linear)
        )
    assert values(one, weights="kept")[0] == pytest.approx(total)


def test_attention_is_drawn_too() -> None:
    one, other = Encoder(), Encoder()
    assert (
        scores(one, "grad_norm")["grad_norm"][1:4] == scores(other, "grad_norm")["grad_norm"][1:4]
    )


def test_parts() -> None:
    found = scores(Staged(), "vkdnw", "vkdnw.entropy", "te_nas.ntk", "az_nas", "naswot")
    assert found["vkdnw.entropy"].value == found["vkdnw"].parts["entropy"]
    assert found["te_nas.ntk"].status == "ok"
    assert (found["az_nas"].value, len(found["az_nas"].parts)) == (None, 3)
    assert found["naswot"].status == "ok"
    assert scores(mlp(), "te_nas.ntk")["te_nas.ntk"].status == "unsupported"


def test_images_go_to_proxies_that_prefer_them() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, *SHAPE, generator=generator), torch.arange(8)
    module = ResNet()
    before = images[0].clone()
    with_images = scores(module, "snip", "zico", "nwot", images=images)
    without = scores(module, "snip", "zico", "nwot")
    assert [with_images[n].value == without[n].value for n in without] == [False, False, True]
    assert torch.equal(images[0], before)
    few = scores(module, "snip", "zico", images=(images[0][:6], images[1][:6]))
    assert few["snip"].status == "ok"
    assert (few["zico"].status, few["zico"].message) == (
        "unsupported",
        "zico takes 2 batches of 4, and there are 6 images; give 8, or a smaller batch_size",
    )


@pytest.mark.usefixtures("own_proxies")
def test_a_proxy_that_raises_is_one_row() -> None:
    @register_proxy("broken", paper="-")
    def broken(network: nn.Module, batch: Batch) -> float:
        raise ValueError("no")

    @register_proxy("refuses", paper="-")
    def refuses(network: nn.Module, batch: Batch) -> float:
        raise InputError("not this one")

    @register_proxy("writes", paper="-")
    def writes(network: nn.Module, batch: Batch) -> float:
        for p in network.parameters():
            p.data.zero_()
        return 1.0

    module = ResNet()
    before = state_of(module)
    found = scores(module, "broken", "refuses", "writes", "l2_norm")
    line = broken.__code__.co_firstlineno + 2
    assert found["broken"].message == f"ValueError: no (test_modules.py, line {line})"
    assert (found["refuses"].status, found["refuses"].message) == ("error", "not this one")
    assert found["l2_norm"].status == "ok"
    assert found["l2_norm"].value is not None
    assert found["l2_norm"].value > 0
    assert state_of(module) == before


class Gives(nn.Module):
    """Something that is no logits."""

    def __init__(self, give: Any) -> None:
        super().__init__()
        self.layer, self.give = nn.Linear(192, 10), give

    def forward(self, x: Tensor) -> Any:
        return self.give(self.layer(x.flatten(1)))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Gives(lambda x: (x, x)), r"gives a tuple, .*wrap it"),
        (Gives(lambda x: {"logits": x}), r"gives a dict, .*wrap it"),
        (Gives(lambda x: x[:, :, None]), r"shape \(2, 10, 1\).* must give logits"),
        (Gives(lambda x: x.argmax(1)), r"must give logits of shape \(2, classes\)"),
        (nn.Linear(5, 5), r"raises RuntimeError on an input of shape \(2, 3, 8, 8\).*input_shape"),
        (functional.relu, r"function is no nn.Module"),
        (nn.LazyLinear(3), r"run it once"),
    ],
)
def test_modules_that_give_no_logits(module: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scores(module, "nwot")


def test_methods_of_the_same_names_are_looked_at() -> None:
    class Other(Staged):
        def features(self, x: Tensor) -> Any:
            return self.stem(x)

    with pytest.raises(InputError, match="that do not fit; correct or rename them"):
        scores(Other(), "snip")


def test_a_module_that_holds_a_result() -> None:
    module = mlp()
    module.last = module(torch.zeros(1, *SHAPE))
    with pytest.raises(InputError, match=r"cannot be copied .* holds no results"):
        scores(module, "nwot")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vkdnw_agg", r"'vkdnw_agg' is no proxy of a single network; aggregates"),
        ("rank(nwot,snip)", r"rank a set of architectures"),
        ("nwot@theirs", r"come from a file"),
        ("nwott", r"did you mean 'nwot'"),
        ("vkdnw.entropi", r"vkdnw has no part 'entropi'; its parts: layers, entropy"),
    ],
)
def test_names_that_are_no_proxy(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scores(mlp(), name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": 7}, "gives 10 logits, not 7"),
        ({"batch_size": 1}, "batch size 1 is too small"),
        ({"seed": -1}, "seed -1"),
        ({"weights": "mine"}, "'drawn' or 'kept'"),
        ({"input_shape": (3, 0)}, "must be positive numbers"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"images": (torch.zeros(4, 3, 4, 4), torch.zeros(4).long())}, "images are .*input_shape"),
        ({"images": (torch.zeros(4, *SHAPE), torch.full((4,), 10))}, r"whole numbers in 0\.\.9"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        scores(mlp(), "nwot", **options)


def test_other_inputs_and_types() -> None:
    layers = OrderedDict(one=nn.Linear(20, 16), relu=nn.ReLU(), two=nn.Linear(16, 4))
    module = nn.Sequential(layers).double()
    found = scores(module, "nwot", "snip", "vkdnw", input_shape=(20,), classes=4)
    assert {row.status for row in found.values()} == {"ok"}
    assert next(module.parameters()).dtype == torch.float64
    with torch.no_grad():
        again = scores(copy.deepcopy(module), "snip", input_shape=(20,))
    assert again["snip"].value == found["snip"].value
