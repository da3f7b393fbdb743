"""Published tables of trained models."""

from __future__ import annotations

import math

import pytest

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.trained import Column, Group, parse

TEXT = """# source: a paper, Table 9
# title: Table 9
# protocol: all alike
# group: Scenes | detection | uninas_detection | 800x1280 | 80 | 117266 | 5000
# column: ap | Scenes | AP box | trained.ap_box
# column: flops | Scenes | FLOPs (G) | size.flops / 1e9
# column: kind | Scenes | kind |
# known: a = resnet
# note: b is not public
model,ap,flops,kind
a,37.7,184,old
b,42,,new
"""
TABLES = [(name, key) for name in BENCHMARKS for key in BENCHMARKS[name].trained]


def test_a_file_says_what_its_columns_are() -> None:
    table = parse(TEXT, "folder/nine.csv")
    assert (table.key, table.title, table.source) == ("nine", "Table 9", "a paper, Table 9")
    assert table.groups == [
        Group("Scenes", "detection", "uninas_detection", (800, 1280), 80, 117266, 5000)
    ]
    assert table.columns == [
        Column("ap", "Scenes", "AP box", "trained", "ap_box"),
        Column("flops", "Scenes", "FLOPs (G)", "size", "flops", 1e9),
        Column("kind", "Scenes", "kind"),
    ]
    assert (table.known, table.notes, table.models) == (
        {"a": "resnet"},
        ("b is not public",),
        ["a", "b"],
    )
    assert table.text("b", "ap") == "42"  # as it is printed
    assert table.value("a", "ap") == 37.7
    assert math.isnan(table.value("b", "flops"))
    assert math.isnan(table.value("a", "kind"))
    assert [table.digits(name) for name in ("ap", "flops")] == [1, 0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# source: a paper, Table 9\n", "", "no line '# source"),
        ("# group: Scenes", "# groups: Scenes", "should be a leading line"),
        ("| 80 |", "| many |", "should be '# group: name"),
        ("| detection |", "| detecting |", "task one of classification"),
        ("800x1280", "800", "should be '# group: name"),
        ("ap | Scenes", "ap | Scene", "unknown group 'Scene'"),
        ("trained.ap_box", "train.ap_box", "should be '# column: name"),
        ("# known: a", "# known: c", "should be '# known: model"),
        ("model,ap", "model,ap_box", "expected the columns model, ap, flops, kind"),
        ("\nb,", "\na,", "a has two rows"),
        ("37.7", "n/a", "ap of a is 'n/a', no number"),
    ],
)
def test_malformed_files_are_refused(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=words) as caught:
        parse(TEXT.replace(old, new, 1), "f.csv")
    assert str(caught.value).startswith("f.csv: ")


@pytest.mark.parametrize(("benchmark", "key"), TABLES)
def test_tables_of_the_package_name_what_there_is(benchmark: str, key: str) -> None:
    table, space = BENCHMARKS[benchmark].trained[key], BENCHMARKS[benchmark].space
    assert "arXiv:" in table.source
    for name in table.known.values():
        assert space.parse(name) in space.architectures("known")


def test_packaged_values() -> None:
    table = BENCHMARKS["uninas"].trained["uninas"]
    assert table.models == ["resnet", "efficientnet", "vit", "coatnet", "uninas_a"]
    found = [table.text("uninas_a", column.name) for column in table.columns]
    assert found == ["26.8", "81.15", "9.0", "42.4", "39.0", "14.2", "297", "45.6", "88.2", "51"]
    assert table.text("vit", "coco_ap_box") == ""
    other = BENCHMARKS["mobilenetv2"].trained["imagenet"]
    assert [other.text("vkdnw_agg", c) for c in ("flops_millions", "top1_percent")] == [
        "480",
        "78.8",
    ]
    assert other.text("nasnet_b", "type") == "multi-shot"
    with pytest.raises(KeyError):
        BENCHMARKS["uninas"].trained["coco"]


@pytest.mark.parametrize("column", ["imagenet_flops_g", "coco_flops_g", "ade20k_flops_g"])
def test_published_flops_are_those_of_the_networks_alone(column: str) -> None:
    """Two for a multiply-accumulate, without heads; attention grows with the square of the map."""
    benchmark = BENCHMARKS["uninas"]
    table = benchmark.trained["uninas"]
    sides = {
        "imagenet_flops_g": (224, 224),
        "coco_flops_g": (800, 1280),
        "ade20k_flops_g": (512, 512),
    }
    for model, name in table.known.items():
        published = table.value(model, column)
        if math.isfinite(published):
            size = benchmark.space.size_at(benchmark.space.parse(name), *sides[column])  # type: ignore[attr-defined]
            assert size["flops"] / 1e9 == pytest.approx(published, rel=0.015)
            assert size["params"] / 1e6 == pytest.approx(
                table.value(model, "params_millions"), rel=0.01
            )


def test_a_square_of_its_own_size_gives_the_usual_counts() -> None:
    space = BENCHMARKS["uninas"].space
    model = space.parse("coatnet")
    size = space.size_at(model, 224, 224)  # type: ignore[attr-defined]
    assert size["flops"] == 2 * space.costs(model, "imagenet").flops
    with pytest.raises(InputError, match="multiples of 32"):
        space.size_at(model, 800, 1270)  # type: ignore[attr-defined]
    small = space.parse(model.id + ":px=64:classes=10:drop=0.1")
    assert small != model
    assert space.unsized(small) == model  # type: ignore[attr-defined]
