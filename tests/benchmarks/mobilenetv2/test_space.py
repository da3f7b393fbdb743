"""MobileNetV2 structures: strings, mutation, published figures, datasets."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.mobilenetv2.architecture import (
    KNOWN,
    RESIDUAL_TYPES,
    Convolution,
    Residual,
    Structure,
    round8,
)
from benchmarks.mobilenetv2.moves import (
    PUBLISHED_WEIGHTS,
    SPLIT_AT,
    Weights,
    channel_choices,
    mutate_times,
    neighbours,
)
from tests.benchmarks.mobilenetv2.walks import SMALL, SPACE, structures

INITIAL, ZICO = KNOWN["initial"], KNOWN["zico-450M"]
PUBLIC = (
    "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K7(16,40,2,40,1)SuperResIDWE2K7(40,80,2,64,1)"
    "SuperResIDWE4K7(80,96,2,96,5)SuperResIDWE2K7(96,224,2,224,5)SuperConvK1BNRELU(224,2048,1,1)"
)

# ------------------------------------------------------------------ strings


def test_public_strings() -> None:
    assert ZICO.id == PUBLIC
    assert Structure.parse(PUBLIC) == ZICO
    named = PUBLIC.replace("(", "(uuid0f3a|", 3)
    assert Structure.parse(f"{named}\n") == ZICO
    assert SPACE.parse("zico-450M") == ZICO


@given(structures)
def test_ids_survive_a_round_trip(structure: Structure) -> None:
    assert SPACE.parse(structure.id) == structure
    assert SPACE.recognises(structure.id)


STEM = "SuperConvK3BNRELU(3,8,2,1)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["position 0", "expected a block such as SuperConvK3BNRELU(3,8,2,1)"]),
        ("nothing", ["position 0", "'nothing'"]),
        (f"{STEM},{STEM}", ["position 26", "',SuperConvK3BNRELU(3,8,2"]),
        (f"{STEM}SuperResIDWE6K3(8,32,2,8,1", ["position 26", "'SuperResIDWE6K3(8,32,2,8"]),
        (
            f"{STEM}SuperResIDW6K3(8,32,2,8,1)",
            ["block 2 at position 26", "unknown block type 'SuperResIDW6K3'; did you mean"],
        ),
        (f"{STEM}SuperResIDWE3K3(8,32,2,8,1)", ["unknown block type", "SuperResIDWE{1,2,4,6}"]),
        (f"{STEM}SuperConvK9BNRELU(8,32,2,1)", ["unknown block type", "SuperConvK{1,3,5,7}"]),
        (f"{STEM}SuperResIDWE6K3(8,32,2,1)", ["(in,out,stride,bottleneck,sublayers)", "not 4"]),
        (f"{STEM}SuperConvK1BNRELU(8,32,2,8,1)", ["takes (in,out,stride,sublayers)", "not 5"]),
        (f"{STEM}SuperResIDWE6K3(8,x,2,8,1)", ["out must be a number in 1..65536, not 'x'"]),
        (f"{STEM}SuperResIDWE6K3(8,-8,2,8,1)", ["out must be", "'-8'"]),
        (f"{STEM}SuperResIDWE6K3(8,32,2,0,1)", ["bottleneck must be", "'0'"]),
        (f"{STEM}SuperResIDWE6K3(8,32,2,8,0)", ["sublayers must be", "'0'"]),
        (f"{STEM}SuperResIDWE6K3(8,32,3,8,1)", ["stride must be 1 or 2, not '3'"]),
        (f"{STEM}SuperResIDWE6K3(16,32,2,8,1)", ["takes 16 channels, but", "gives 8"]),
        ("SuperConvK3BNRELU(8,8,2,1)", ["block 1", "takes 8 channels, but images have 3"]),
    ],
)
def test_malformed(text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        SPACE.parse(text)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


# ------------------------------------------------------------------ mutation


def test_round8_is_bankers() -> None:
    assert [round8(x) for x in (0, 3, 4, 12, 20, 28, 36)] == [8, 8, 8, 16, 16, 32, 32]


def chained(structure: Structure) -> bool:
    blocks = structure.blocks
    return blocks[0].c_in == 3 and all(a.c_out == b.c_in for a, b in pairwise(blocks))


def reduction(structure: Structure) -> int:
    product = 1
    for block in structure.blocks:
        product *= block.stride
    return product


@given(structures, st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_mutations_stay_in_the_space(structure: Structure, seed: int, times: int) -> None:
    child = mutate_times(structure, random.Random(seed), times)
    assert chained(child)
    assert reduction(child) == 32
    assert child.blocks[-1] == Convolution(1, child.blocks[-2].c_out, 2048, 1, 1)
    assert all(b.sublayers >= 1 and b.c_out >= 8 and b.c_out % 8 == 0 for b in child.blocks)
    assert child == mutate_times(structure, random.Random(seed), times)


@given(structures, st.integers(0, 2**32 - 1))
def test_one_mutation_changes_one_block(structure: Structure, seed: int) -> None:
    child = mutate_times(structure, random.Random(seed), 1)
    if len(child.blocks) > len(structure.blocks):
        return
    moved = 0
    for before, after in zip(structure.blocks, child.blocks, strict=True):
        if str(before).split(",", 1)[1] != str(after).split(",", 1)[1] or before.type != after.type:
            moved += 1
            assert after.c_out in channel_choices(before.c_out)
            assert before.stride == after.stride
            assert abs(before.sublayers - after.sublayers) <= 2
    assert moved <= 1


def test_types_are_drawn_as_the_published_code_draws_them() -> None:
    # Each type is added to the list of candidates before a copy of it begins the next list.
    lists: list[list[tuple[int, int]]] = []
    growing: list[tuple[int, int]] = []
    for type_ in RESIDUAL_TYPES:
        growing.append(type_)
        growing = list(growing)
        lists.append(growing)
    counted = Counter(type_ for candidates in lists for type_ in candidates)
    assert tuple(counted[type_] for type_ in RESIDUAL_TYPES) == PUBLISHED_WEIGHTS


@pytest.mark.parametrize("weights", ["published", "uniform"])
def test_frequencies(weights: Weights) -> None:
    rng, total = random.Random(0), 10_000
    # All of its blocks are drawn, so the second one is.
    draws = [mutate_times(SMALL, rng, 40, weights).blocks[1] for _ in range(total)]
    drawn = Counter((b.expansion, b.kernel) for b in draws if isinstance(b, Residual))
    expected = PUBLISHED_WEIGHTS if weights == "published" else (1,) * len(RESIDUAL_TYPES)
    for type_, weight in zip(RESIDUAL_TYPES, expected, strict=True):
        mean = total * weight / sum(expected)
        assert abs(drawn[type_] - mean) < 5 * mean**0.5, type_


def test_long_superblocks_are_split() -> None:
    long = Structure.parse(f"{STEM}SuperResIDWE6K3(8,32,2,16,5)SuperConvK1BNRELU(32,64,1,1)")
    rng = random.Random(0)
    split = {c for c in (mutate_times(long, rng, 1) for _ in range(300)) if len(c.blocks) == 4}
    assert split
    lengths = set()
    for child in split:
        one, two = child.blocks[1:3]
        assert isinstance(one, Residual)
        assert isinstance(two, Residual)
        assert (one.sublayers, one.stride, two.stride) == (SPLIT_AT // 2, 2, 1)
        assert two.c_in == two.c_out == one.c_out
        assert (one.type, one.bottleneck) == (two.type, two.bottleneck)
        lengths.add(one.sublayers + two.sublayers)
    assert lengths == {6, 7}


def test_neighbours_are_what_a_mutation_can_give() -> None:
    all_, rng = list(neighbours(SMALL)), random.Random(1)
    assert len(set(all_)) == len(all_)
    assert SMALL not in all_
    assert all(map(chained, all_))
    members = {SMALL, *all_}
    assert all(mutate_times(SMALL, rng, 1) in members for _ in range(500))


def test_two_draws_of_one_block_mutate_it_once() -> None:
    single = Structure((Convolution(3, 3, 8, 2, 1),) * 1)
    assert mutate_times(single, random.Random(0), 5) == single  # the last block never changes
    for seed in range(50):
        child = mutate_times(INITIAL, random.Random(seed), 50)
        assert child.blocks[0].c_out in channel_choices(8)


def test_samples_are_walks_from_the_initial_structure() -> None:
    samples = [SPACE.sample(random.Random(seed)) for seed in range(40)]
    assert len(set(samples)) == 40
    assert SPACE.sample(random.Random(3)) == samples[3]
    assert all(map(chained, samples))


# ------------------------------------------------------------------ size


@pytest.mark.parametrize(
    ("structure", "flops", "size", "layers", "tensors"),
    [(INITIAL, 162_396_776, 2_813_889, 6, 112), (ZICO, 438_385_944, 5_716_393, 14, 244)],
    ids=["initial", "zico"],
)
def test_published_counters(
    structure: Structure, flops: int, size: int, layers: int, tensors: int
) -> None:
    limits = SPACE.limits(structure, "imagenet")
    assert limits == {"flops": flops, "params": size, "layers": layers}
    figures = SPACE.figures(structure, "imagenet")
    assert figures["search_flops"] == flops
    assert figures["search_size"] == size
    assert figures["layers"] == layers
    assert SPACE.costs(structure, "imagenet").layers == tensors == figures["tensors"]


def test_published_sizes() -> None:
    assert SPACE.costs(INITIAL, "imagenet").params == 2_824_264
    figures = SPACE.figures(ZICO, "imagenet")
    assert (figures["se_search_flops"], figures["se_params"]) == (441_606_856, 7_526_376)


# ------------------------------------------------------------------ datasets and sets


@pytest.mark.parametrize(
    ("name", "resolution", "classes"),
    [
        ("imagenet", 224, 1000),
        ("imagenet-96", 96, 1000),
        ("imagenet-224-10", 224, 10),
        ("imagenet-64-10", 64, 10),
    ],
)
def test_datasets(name: str, resolution: int, classes: int) -> None:
    task = SPACE.dataset(name)
    assert (task.name, task.resolution, task.classes) == (name, resolution, classes)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cifar10", "use imagenet"),
        ("imagenet-100", "multiple of 32"),
        ("imagenet-0", "multiple of 32"),
        ("imagenet-64-1", "multiple of 32"),
        ("imagenet-224", "is called 'imagenet'"),
        ("imagenet-224-1000", "is called 'imagenet'"),
        ("imagenet-064", "is called 'imagenet-64'"),
        ("imagenet-64-1000", "is called 'imagenet-64'"),
    ],
)
def test_no_dataset(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SPACE.dataset(name)


def test_the_space_has_no_end() -> None:
    assert SPACE.architectures("known") == tuple(KNOWN.values())
    with pytest.raises(InputError, match=r"unknown MobileNetV2 set 'all'; .*no end.*--archs"):
        SPACE.architectures("all")
    assert SPACE.index(INITIAL) is None
    assert BENCHMARKS["mbv2"].name == "mobilenetv2"
