"""GRAF features against a literal version, and against what is plain by eye."""

from __future__ import annotations

import time
from collections import Counter

from hypothesis import given

from benchmarks.nasbench201.architecture import Cell
from benchmarks.nasbench201.graf import Paths, features, study_features
from benchmarks.nasbench201.space import NASBench201Space
from tests.benchmarks.nasbench201.strategies import cells
from tests.reference.graf import graf

SPACE = NASBench201Space()


@given(cells)
def test_every_feature_is_the_literal_one(cell: Cell) -> None:
    assert features([cell]).loc[cell.id].to_dict() == graf(cell)
    assert features([cell], paths="any").loc[cell.id].to_dict() == graf(cell, pure=False)


def test_a_cell_by_eye() -> None:
    # 0-1 conv 3x3, 0-2 none, 1-2 skip, 0-3 none, 1-3 none, 2-3 conv 1x1: one way is alive.
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    row = features([Cell.parse(text)]).iloc[0]
    assert (row["op_count_none"], row["op_count_avg_pool_3x3"]) == (3, 0)
    assert row["min_path_len_nothing"] == 1
    assert row["min_path_len_none"] == 3
    assert row["min_path_len_skip_connect+none"] == 5
    assert row["max_op_on_path_none"] == 1
    assert row["max_op_on_path_skip_connect+nor_conv_3x3+nor_conv_1x1"] == 3
    assert row["max_op_on_path_nor_conv_3x3+nor_conv_1x1"] == -1
    any_path = features([Cell.parse(text)], paths="any").iloc[0]
    assert any_path["max_op_on_path_nor_conv_3x3+nor_conv_1x1"] == 2
    assert any_path["max_op_on_path_avg_pool_3x3"] == 0
    assert row["node_degree_input_none"] == 2
    assert row["node_degree_output_nor_conv_1x1"] == 1
    assert row["node_degree_avg_in_none"] == row["node_degree_avg_out_none"] == 0.75


def test_the_whole_set_is_a_matter_of_seconds_and_every_row_its_own() -> None:
    reachable = SPACE.architectures("reachable")
    started = time.process_time()
    table = features(reachable)
    assert time.process_time() - started < 5
    assert table.shape == (9445, 191)
    assert list(table.index) == [cell.id for cell in reachable]
    for position in (0, 17, 9444):
        cell = reachable[position]
        assert table.iloc[position].to_dict() == graf(cell)


def test_columns() -> None:
    names = list(features([SPACE.parse("9")]).columns)
    kinds = ("op_count_", "min_path_len_", "max_op_on_path_", "node_degree_")
    counts = Counter(next(k for k in kinds if name.startswith(k)) for name in names)
    assert [counts[kind] for kind in kinds] == [5, 31, 31, 124]
    cell = SPACE.parse("9")
    study = list(study_features([cell]).columns)
    assert study == [name for name in names if not name.startswith("min_path_len_")]
    assert len(study) == 160
    kinds_of_paths: tuple[Paths, ...] = ("any", "pure")
    for paths in kinds_of_paths:
        assert study_features([cell], paths=paths).equals(features([cell], paths=paths)[study])
    assert study_features([cell]).equals(study_features([cell], paths="any"))


def test_no_cells() -> None:
    assert features([]).shape == (0, 191)
