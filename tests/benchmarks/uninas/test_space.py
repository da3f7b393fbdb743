"""Models: the known networks' sizes, ids, and what is refused."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings

from benchmarks.errors import InputError
from benchmarks.uninas import moves
from benchmarks.uninas.architecture import KNOWN, Model, known_block
from benchmarks.uninas.costs import counts as size_of
from benchmarks.uninas.space import UniNASSpace
from tests.benchmarks.uninas.models import small, walks

SPACE = UniNASSpace()

#: Parameters, trainable ones, FLOPs (two for a multiply-accumulate) of the networks as published.
PUBLISHED = {
    "resnet": (24_817_416, 24_810_504, 9.038e9),
    "efficientnet": (23_864_136, 23_856_712, 6.162e9),
    "transformer": (26_398_156, 26_398_156, 18.645e9),
    "coatnet": (26_871_124, 26_869_588, 8.506e9),
    "example": (32_938_660, 32_934_052, 9.704e9),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_known_networks_have_their_published_sizes(name: str) -> None:
    params, trainable, flops = PUBLISHED[name]
    counts = size_of(KNOWN[name])
    assert (counts.params, counts.trainable) == (params, trainable)
    # What is left: GELU in the transformer's MLP counts at 4 C channels, where it stands.
    assert counts.flops == pytest.approx(flops, rel=1e-3)
    costs = SPACE.costs(KNOWN[name], "imagenet")
    assert (costs.params, costs.flops, costs.layers) == (params, counts.macs, counts.tensors)
    figures = SPACE.figures(KNOWN[name], "imagenet")
    assert figures == {"trainable_params": trainable, "flops": counts.flops, "macs": counts.macs}


def test_limits_are_those_of_the_models_own_resolution() -> None:
    model = KNOWN["transformer"]
    assert SPACE.costs(model, "imagenet-64").params < SPACE.costs(model, "imagenet").params
    assert SPACE.limits(model, "imagenet-64")["params"] == PUBLISHED["transformer"][0]


@settings(max_examples=30)
@given(walks)
def test_ids_survive_a_round_trip(steps: list[moves.Step]) -> None:
    model = steps[-1].model
    assert Model.parse(model.id) == model
    assert SPACE.parse(model.id) == model
    assert hash(Model.parse(model.id)) == hash(model)


def test_known_blocks_are_written_by_their_code() -> None:
    assert KNOWN["example"].id == "32-64:96-192-384-768:EE/ERR/TTTTT/ER"
    assert SPACE.parse("example") is KNOWN["example"]
    spelt_out = "{conv3,bn,gelu,conv3,bn,gelu|zero}"
    assert small(f"{spelt_out}R/E") == small("RR/E")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "separated by ':'"),
        ("32-64:96-96:EE", "1 stages, but 2 widths"),
        ("32-64:96:E:px=15", "must be even"),
        ("32-64:96:E:what=1", "unknown field 'what'"),
        ("32-64:96:X", "unknown block 'X'"),
        ("32-64:64:T", "96, 192, 384, 768 channels, not 64"),
        ("32-64:96:{conv3}", "two subblocks"),
        ("32-64:96:{conv7|}", "unknown node 'conv7'"),
        ("32-64:96:{conv3,|}", "unknown node ''"),
        ("32-64:96:{avg(conv3|}", "')' is missing"),
        ("32-64:96:{conv3)|}", "unexpected ')'"),
        ("32-64:96:{conv3[4]|}", "takes no arguments"),
        ("32-64:96:{expand[0]()|}", "factor '0'"),
        ("32-64:96:{expand[4,odd]()|}", "unknown scheme 'odd'"),
        ("32-64:96:{fork[copy,sum](2*)|}", "no way to fork and merge"),
        ("32-64:96:{fork[copy,multiply](3*)|}", "cannot have 3"),
        ("32-64:96:{attention(14*)|}", "five sequences a head"),
        ("32-64:96:{fork[copy,add](999999999*)|}", "999999999 equal sequences"),
        ("32-64:96:{" + "avg(" * 99 + ")" * 99 + "|}", "nested deeper"),
        ("32-64:96:{relpos|}", "stage 0, block 0, subblock1[0] RelPosBias: H and W"),
        ("32-64:96:{|avg(reduce[5]())}", "subblock2[0] AvgAndUpsample / branch 0 [0] Reduce"),
    ],
)
def test_what_is_no_model_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=re.escape(reason)):
        Model.parse(text)


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="unknown UniNAS dataset"):
        SPACE.costs(KNOWN["resnet"], "cifar10")
    with pytest.raises(InputError, match="unknown UniNAS set"):
        SPACE.architectures("all")
    with pytest.raises(InputError, match="unknown block"):
        known_block("Q", 96)


def test_samples_and_mutants_fit() -> None:
    rng = random.Random(0)
    for _ in range(3):
        model = SPACE.sample(rng).checked()
        mutant = SPACE.mutate(model, rng).checked()
        assert mutant != model
        assert SPACE.parse(mutant.id) == mutant


def test_mutants_keep_the_budget() -> None:
    rng, model = random.Random(1), SPACE.initial
    for _ in range(100):
        model = SPACE.mutate(model, rng)
    assert size_of(model).params <= SPACE.budget


def test_datasets() -> None:
    task = SPACE.dataset("imagenet-64-10")
    assert (task.resolution, task.classes) == (64, 10)
    for name in ("imagenet-31", "imagenet-30", "imagenet-64-1", "imagenet-224", "cifar10"):
        with pytest.raises(InputError, match="UniNAS dataset"):
            SPACE.dataset(name)


def test_models_are_recognised() -> None:
    for text in ("coatnet", '{"model_str": 3}', "32-64:nonsense", KNOWN["resnet"].id):
        assert SPACE.recognises(text)
    for text in ("13714", "|none~0|", "SuperConvK3BNRELU(3,32,2,1)", "a" * 32):
        assert not SPACE.recognises(text)
