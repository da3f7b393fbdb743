"""Official files against what they say when unpickled and against the official packages."""

from __future__ import annotations

import bz2
import functools
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.errors import InputError
from benchmarks.nasbench201.enumeration import official_order
from benchmarks.nasbench201.official import import_official
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.tables import Table
from tests.benchmarks.nasbench201 import official
from tests.benchmarks.nasbench201.official import Cells, Row
from tests.benchmarks.readers.hostile import KINDS, Bomb, bomb

SAMPLE = "NATS-tss-v1_0-3ffb9-simple"


@pytest.fixture(scope="module", params=["synthetic", "real"])
def cells(request: pytest.FixtureRequest) -> Cells:
    """Three cells: random figures, and the official sample."""
    if request.param == "synthetic":
        return official.synthetic_cells()
    return official.real_cells(request.getfixturevalue("real_data") / SAMPLE)


@pytest.fixture
def synthetic() -> Cells:
    return official.synthetic_cells()


def _rows(imported: Table) -> list[Row]:
    frame = imported.frame
    return sorted(
        (str(arch), str(dataset), int(epochs), str(split), str(seed), float(accuracy))
        for arch, dataset, epochs, split, seed, accuracy in frame.itertuples(index=False)
    )


def _simple(cells: Cells, tmp_path: Path) -> Path:
    return official.write_simple(cells, tmp_path / SAMPLE)


def _whole(cells: Cells, tmp_path: Path) -> Path:
    path = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    content = official.single_file(cells, full="200", less="12")
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))
    return path


def _pth(zipped: bool, cells: Cells, tmp_path: Path) -> Path:
    return official.write_pth(cells, tmp_path / "NAS-Bench-201-v1_1-096897.pth", zipped=zipped)


def _archive(zipped: bool, cells: Cells, tmp_path: Path) -> Path:
    return official.write_archive(cells, tmp_path / "NAS-Bench-201-v1_1-archive", zipped=zipped)


WRITERS = {
    "simple": _simple,
    "whole": _whole,
    "pth": functools.partial(_pth, False),
    "pth-zip": functools.partial(_pth, True),
    "archive": functools.partial(_archive, False),
    "archive-zip": functools.partial(_archive, True),
}
FORMATS = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())

# ------------------------------------------------------------------ every figure


@FORMATS
def test_every_final_accuracy_is_found(cells: Cells, write: Any, tmp_path: Path) -> None:
    path = write(cells, tmp_path)
    imported = import_official(path)
    assert _rows(imported) == official.expected_rows(cells)
    assert imported.source == f"{path.name} (official, 3 of 15625 cells)"


def test_the_official_sample_folder_as_it_lies(real_data: Path) -> None:
    imported = import_official(real_data / SAMPLE)
    assert _rows(imported) == official.expected_rows(official.real_cells(real_data / SAMPLE))
    space = NASBench201Space()
    assert {space.index(space.parse(arch)) for arch in imported.frame["arch"]} == {0, 11, 284}


#: What the official packages call a split in their answers.
_ANSWERS = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "valid", "x-test": "test", "ori-test": "valtest"},
    "ImageNet16-120": {"x-valid": "valid", "x-test": "test", "ori-test": "valtest"},
}


def _assert_package_agrees(api: Any, rows: list[Row]) -> None:
    for arch, dataset, epochs, split, seed, accuracy in rows:
        index = api.query_index_by_arch(arch)
        answer = api.get_more_info(index, dataset, hp=str(epochs), is_random=int(seed))
        name = "train" if split == "train" else _ANSWERS[dataset][split]
        assert answer[f"{name}-accuracy"] == accuracy, (arch, dataset, epochs, split, seed)


def test_nats_bench_answers_alike(cells: Cells, tmp_path: Path) -> None:
    nats_bench = pytest.importorskip("nats_bench")
    folder = _simple(cells, tmp_path)
    api = nats_bench.create(str(folder), "tss", fast_mode=True, verbose=False)
    _assert_package_agrees(api, _rows(import_official(folder)))


@pytest.mark.parametrize("zipped", [False, True])
def test_nas_201_api_answers_alike(
    cells: Cells, zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas_201_api = pytest.importorskip("nas_201_api")
    path = _pth(zipped, cells, tmp_path)
    with monkeypatch.context() as patch:  # the package knows nothing of weights_only
        patch.setattr(torch, "load", functools.partial(torch.load, weights_only=False))
        api = nas_201_api.NASBench201API(str(path), verbose=False)
    _assert_package_agrees(api, _rows(import_official(path)))


@pytest.mark.parametrize("write", [_pth, _archive], ids=["pth", "archive"])
@pytest.mark.parametrize("zipped", [False, True])
def test_trained_weights_are_passed_over(
    write: Any, zipped: bool, synthetic: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights() -> object:
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()

    path = write(zipped, official.synthetic_cells(weights), tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a tensor was built")

    for name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
        monkeypatch.setattr(torch._utils, name, fail)
    assert _rows(import_official(path)) == official.expected_rows(synthetic)


@FORMATS
def test_progress_rises_to_its_total(write: Any, synthetic: Cells, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = write(synthetic, tmp_path)
    import_official(path, lambda done, total: calls.append((done, total)))
    totals = {total for _, total in calls}
    assert len(totals) == 1
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1][0] == totals.pop() > 0


# ------------------------------------------------------------------ damaged and foreign files


def _only_file(path: Path) -> Path:
    """The file itself, or the folder's first cell."""
    return path if path.is_file() else min(path.glob("0*"))


@FORMATS
@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.9])
def test_truncated(write: Any, fraction: float, synthetic: Cells, tmp_path: Path) -> None:
    path = write(synthetic, tmp_path)
    file = _only_file(path)
    raw = file.read_bytes()
    file.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(InputError, match=file.name):
        import_official(path)


@FORMATS
@pytest.mark.parametrize("kind", KINDS)
def test_hostile(write: Any, kind: str, synthetic: Cells, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    synthetic[0]["12"]["all_results"]["cifar10", 111]["latency"] = bomb(kind, marker)
    path = write(synthetic, tmp_path)
    with pytest.raises(InputError, match="may be hostile") as caught:
        import_official(path)
    assert _only_file(path).name in str(caught.value)
    assert not marker.exists()


def test_hostile_preamble_of_the_older_torch_format(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    path.write_bytes(pickle.dumps(bomb("mkdir", marker), protocol=2))
    with pytest.raises(InputError, match=r"096897\.pth.*may be hostile"):
        import_official(path)
    assert not marker.exists()


def test_functions_of_torch_do_not_run(synthetic: Cells, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    marker = tmp_path / "ran"
    evil.write_bytes(pickle.dumps(bomb("mkdir", marker)))
    # torch.load with weights_only=False would run the other file.
    synthetic[0]["12"]["all_results"]["cifar10", 111]["latency"] = Bomb(torch.load, str(evil))
    path = _pth(True, synthetic, tmp_path)
    assert _rows(import_official(path)) == official.expected_rows(synthetic)
    assert not marker.exists()


@FORMATS
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("arch_str", official_order()[1].id, "cell 0 is given as .*official order"),
        ("arch_index", 15_625, "cell 15625 .*official order"),
        ("arch_index", -1, "cell -1 .*official order"),
        ("all_results", [], "download it again"),
        ("all_results", {("cifar10", 777): {"epochs": 12}}, "train_acc1es.*download it again"),
        ("all_results", {"cifar10": {}}, "download it again"),
    ],
)
def test_another_structure(
    write: Any, key: str, value: object, message: str, synthetic: Cells, tmp_path: Path
) -> None:
    synthetic[0]["12"][key] = value
    path = write(synthetic, tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        import_official(path)
    assert _only_file(path).name in str(caught.value)


@FORMATS
def test_accuracy_out_of_range(write: Any, synthetic: Cells, tmp_path: Path) -> None:
    synthetic[11]["200"]["all_results"]["cifar10", 888]["eval_acc1es"]["ori-test@199"] = 100.5
    path = write(synthetic, tmp_path)
    with pytest.raises(InputError, match=r"100\.5 .*cifar10 ori-test is not in 0\.\.100") as caught:
        import_official(path)
    assert str(path) in str(caught.value)


def test_missing_budget(synthetic: Cells, tmp_path: Path) -> None:
    del synthetic[11]["200"]
    path = _simple(synthetic, tmp_path)
    with pytest.raises(InputError, match=r"000011\.pickle\.pbz2 lacks .*'200'.*download it again"):
        import_official(path)


def test_a_cell_that_lies_there_twice(synthetic: Cells, tmp_path: Path) -> None:
    folder = _simple(synthetic, tmp_path)
    archive = _archive(True, synthetic, tmp_path)
    shutil.copy(archive / "000011-FULL.pth", folder)
    with pytest.raises(InputError, match="stands twice"):
        import_official(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"text\n", b"PK\x03\x04 no zip", b"BZh9 no bz2", bz2.compress(b"no pickle")],
)
def test_no_such_format(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=path.name):
        import_official(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        import_official(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no architecture; expected .*-simple .*\.pth"):
        import_official(tmp_path)
