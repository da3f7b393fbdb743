"""The public JSON format: example files, round trips, its writer's slips, damaged files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from benchmarks.errors import InputError
from benchmarks.uninas import files, moves
from benchmarks.uninas.architecture import KNOWN, Model
from benchmarks.uninas.costs import counts as size_of
from benchmarks.uninas.nodes import algebra as n
from tests.benchmarks.uninas.models import built, images, small, walks


def spelt_out(model: Model) -> dict[str, Any]:
    """The fields of its file, with no block as a code."""
    fields = files.to_json(model)
    blocks = iter(zip(model.blocks(), model.places(), strict=True))
    stages = [
        [
            {
                "subblock1": n.sequence_json(block.sub1, place.shape),
                "subblock2": n.sequence_json(block.sub2, place.shape),
            }
            for block, place in (next(blocks) for _ in stage)
        ]
        for stage in model.stages
    ]
    return {**fields, "model_str": json.dumps(stages)}


@pytest.mark.parametrize("name", ["resnet", "efficientnet", "transformer", "coatnet"])
def test_the_public_examples(name: str, real_data: Path) -> None:
    path = real_data / "uninas" / f"model_{name}.json"
    if not path.exists():
        pytest.skip(f"there is no {path.name} on this machine")
    assert files.read(path) == KNOWN[name]


@pytest.mark.parametrize("name", KNOWN)
def test_known_networks_spelt_out(name: str) -> None:
    assert files.parse(json.dumps(spelt_out(KNOWN[name]))) == KNOWN[name]


@settings(max_examples=25)
@given(walks)
def test_round_trip(steps: list[moves.Step]) -> None:
    model = steps[-1].model
    again = files.parse(json.dumps(files.to_json(model)))
    assert again == model
    assert size_of(again) == size_of(model)


def test_written_and_read_back_is_the_same_function(tmp_path: Path) -> None:
    model = small("{dropout,expand[2,kaiming_normal_mlp](bn)|relpos}T/E")
    model = Model.parse(f"{model.id}:drop=0.25")
    files.write(model, tmp_path / "model.json")
    again = files.read(tmp_path / "model.json")
    assert (again.drop_rate, again.classes, again.img_size) == (0.25, 5, 16)
    one, other, inputs = built(model).eval(), built(again).eval(), images(model)
    assert one(inputs).equal(other(inputs))
    other.load_state_dict(one.state_dict())


def test_defaults_of_the_format() -> None:
    blocks = json.dumps([["E", "E"], ["E", "R", "R"], ["T"] * 5, ["E", "R"]])
    assert files.parse(json.dumps({"model_str": blocks})) == KNOWN["example"]


def test_slips_of_the_public_writer_are_read() -> None:
    content = spelt_out(small("T/E"))
    stages = json.loads(content["model_str"])
    attention, mlp = (stages[0][0][half]["params"]["modules"][0] for half in stages[0][0])
    for product in attention["params"]["matmullefts"]:
        product["shape"] = [1, 16, 16]  # its output's
    mlp["params"]["sequential"]["params"]["modules"][1]["shape"] = [96, 4, 4]
    del mlp["params"]["scheme"]
    # An older version wrote nodes as text within text.
    stages[1][0]["subblock2"] = json.dumps(stages[1][0]["subblock2"])
    model = files.parse(json.dumps({**content, "model_str": json.dumps(stages)}))
    assert size_of(model) == size_of(small("T/E"))


def edited(path: str, value: Any, model: Model) -> str:
    """The model's file with another value at a path; a None takes the field out."""
    content = spelt_out(model)
    stages = json.loads(content["model_str"])
    whole: Any = {**content, "model_str": stages}
    *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
    place = whole
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    if isinstance(whole.get("model_str"), list):
        whole["model_str"] = json.dumps(whole["model_str"])
    return json.dumps(whole)


FIRST = "model_str.0.0.subblock1.params.modules.0"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (f"{FIRST}.class", "Conv7", "stage 0, block 0, subblock1[0] Conv7: unknown node"),
        (f"{FIRST}.class", None, "subblock1[0]: expected a node with a class"),
        (
            f"{FIRST}.shape",
            [96, 5, 5],
            "declares the shape [96, 5, 5], but it stands at [96, 4, 4]",
        ),
        (f"{FIRST}.params.factor", 0, "factor '0'"),
        (f"{FIRST}.params.scheme", "best", "unknown scheme 'best'"),
        (f"{FIRST}.params.sequential", None, "sequential is missing"),
        (
            f"{FIRST}.params.sequential.params.modules.1.shape",
            [7, 4, 4],
            "subblock1[0] ExpandAndReduce / sequential[1] GELU: declares",
        ),
        (f"{FIRST}.params.sequential.params.modules.5.params.branches_count", 3, "branches_count"),
        ("model_str.0.0", "Q", "stage 0, block 0: unknown block 'Q'"),
        ("model_str.0.0.subblock2", None, "object with subblock1 and subblock2"),
        ("model_str.0", [], "stage 0: 0 blocks, but depths says 1"),
        ("model_str", [["E"]], "1 stages, but embed_dim has 2"),
        ("model_str", "[", "no valid JSON"),
        ("model_str", None, "model_str is missing"),
        ("depths", [1], "2 numbers and depths 1"),
        ("embed_dim", [96, 0], "0 is no positive whole number"),
        ("img_size", 15, "img_size 15 must be even"),
        ("img_size", [224, 112], "no positive whole number"),
        ("stem_width", [1, 2, 3], "two widths expected"),
        ("drop_rate", "much", "'much' is no number"),
        ("drop_rate", 1.5, "not in [0, 1)"),
        ("other", 1, "unknown field 'other'"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(edited(path, value, small("E/R")))
    with pytest.raises(InputError) as caught:
        files.read(file)
    assert str(caught.value).startswith(f"{file} is no UniNAS model: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "3", "[" * 100_000, '{"model_str": 3}'])
def test_what_is_no_model_at_all(content: str) -> None:
    with pytest.raises(InputError, match="the text is no UniNAS model"):
        files.parse(content)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        files.read(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read"):
        files.read(tmp_path / "binary.json")
