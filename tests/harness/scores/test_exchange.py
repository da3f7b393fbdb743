from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import InputError
from benchmarks.nasbench201.enumeration import official_order
from harness.scores.exchange import ScoreFile, compare, keep, label_of, of_records, read, write_csv
from harness.scores.exchange import write_json as write
from harness.scores.store import Key, Record, Store
from tests.harness.networks import ALL_NONE, ALL_SKIP, MIXED, SPACE

#: The first cell of the public files, in both spellings.
CODES = "(4, 0, 3, 1, 4, 3)"
CELL = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def json_file(folder: Path, content: object) -> Path:
    path = folder / "zc.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def csv_file(folder: Path, *lines: str) -> Path:
    path = folder / "zc.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def cells(scores: ScoreFile) -> dict[tuple[str, str], tuple[float, str]]:
    frame = scores.frame
    assert frame["score"].notna().eq(frame["status"] == "ok").all()
    rows = frame[["arch", "proxy", "score", "status"]].itertuples(index=False)
    return {(arch, proxy): (score, status) for arch, proxy, score, status in rows}


# ------------------------------------------------------------------ reading


def test_suite_zero_json(tmp_path: Path) -> None:
    entry = {
        "nwot": {"score": 754.5, "time": 0.25},
        "zen_next": {"score": -3, "time": 1},
        "val_accuracy": 84.5,
        "id": 7,
    }
    others = {"ninapro": {CODES: entry}, "ImageNet16-120": {}}
    path = json_file(tmp_path, {"cifar10": {CODES: entry}, **others})
    found = read(path, SPACE, "cifar10")
    assert (found.dataset, found.proxies) == ("cifar10", ["nwot", "zen_next"])
    assert cells(found) == {(CELL, "nwot"): (754.5, "ok"), (CELL, "zen_next"): (-3.0, "ok")}
    assert list(found.frame["seconds"]) == [0.25, 1.0]
    assert dict(found.accuracies) == {CELL: 84.5}


@pytest.mark.parametrize("key", [CODES, CODES.replace(" ", ""), "[4, 0, 3, 1, 4, 3]", CELL])
def test_flat_json_with_bare_numbers(tmp_path: Path, key: str) -> None:
    path = json_file(tmp_path, {key: {"naswot": 1.5, "synflow": {"score": 2}}})
    found = read(path, SPACE, "cifar100")
    assert found.dataset == "cifar100"
    # Their name for it becomes ours.
    assert cells(found) == {(CELL, "nwot"): (1.5, "ok"), (CELL, "synflow"): (2.0, "ok")}
    assert found.frame["seconds"].isna().all()
    assert found.accuracies.empty


@pytest.mark.parametrize(
    ("spelled", "status"),
    [
        ("NaN", "nan"),
        ('"nan"', "nan"),
        ("-Infinity", "-inf"),
        ('"inf"', "inf"),
        ("1e999", "inf"),
        ("-1e8", "error"),
        ("-100000000", "error"),
        ("null", "error"),
    ],
)
def test_what_is_no_score(tmp_path: Path, spelled: str, status: str) -> None:
    path = json_file(tmp_path, f'{{"{CODES}": {{"a": {spelled}, "b": {{"score": {spelled}}}}}}}')
    assert set(read(path, SPACE, "cifar10").frame["status"]) == {status}


def test_csv(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "net,net_str,naswot,my_proxy,val_accs,rank",
        f'"{CODES}",{CELL},754.5,,84.5,1',
        f"1,{MIXED},nan,-1e8,,2",  # a number beside a string counts lines
        "284,,3,4,50,3",
    )
    found = read(path, SPACE, "cifar10")
    other = official_order()[284].id
    assert cells(found)[CELL, "nwot"] == (754.5, "ok")
    assert cells(found)[other, "my_proxy"] == (4.0, "ok")
    statuses = {key: status for key, (_, status) in cells(found).items() if status != "ok"}
    assert statuses == {(MIXED.id, "nwot"): "nan", (MIXED.id, "my_proxy"): "error"}
    assert (CELL, "my_proxy") not in cells(found)
    assert dict(found.accuracies) == {CELL: 84.5, other: 50.0}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("{}", "must be an object"),
        ("[1]", "must be an object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ({"cifar10": {}}, "holds no scores of cifar10"),
        ({"cifar10": []}, "must be an object of architectures"),
        ({"svhn": {CODES: {"nwot": 1}}}, "neither a dataset (cifar10, cifar10-valid"),
        ({"cifar100": {CODES: {"nwot": 1}}}, "holds no cifar10, but cifar100"),
        ({CODES: {"nwot": 1}, "(4, 0, 3, 1, 4, 9)": {"nwot": 1}}, "six codes in 0..4"),
        ({CODES: {"nwot": 1}, "(4, 0)": {"nwot": 1}}, "zc.json, (4, 0): "),
        ({CODES: {"nwot": 1}, CELL: {"nwot": 1}}, "stood there before, as " + CODES),
        (f'{{"{CODES}": {{"a": 1}}, "{CODES}": {{"a": 2}}}}', "stands twice"),
        ({CODES: {"nwot": "much"}}, f"{CODES}, nwot: 'much' is no number"),
        ({CODES: {"nwot": True}}, "'True' is no number"),
        ({CODES: {"nwot": [1, 2]}}, "'[1, 2]' is no number"),
        ({CODES: {"nwot": 10**400}}, "is no number"),
        ({CODES: {"nwot": {"score": 1, "time": "long"}}}, "nwot, time: 'long' is no number"),
        ({CODES: {"nwot": {"time": 1}}}, "has no score"),
        ({CODES: 5}, "is no object of proxies"),
        ({CODES: {"nwot": 1, "naswot": 1}}, "are the same proxy, nwot"),
        ({CODES: {"a@b": 1}}, "'a@b' is no name of a proxy"),
        ({CODES: {"a\x1b[2J": 1}}, "is no name of a proxy"),
        ({CODES: {"nwot": 1, "val_accuracy": 101}}, "accuracy 101.0 is not in 0..100"),
    ],
)
def test_bad_json(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(InputError) as error:
        read(json_file(tmp_path, content), SPACE, "cifar10")
    assert words in str(error.value)
    assert "zc.json" in str(error.value)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["arch,nwot", "1,2"], "no column net or net_str"),
        (["net,nwot"], "holds no scores"),
        (["net,nwot,nwot", "1,2,3"], "column nwot stands twice"),
        (["net,nwot", "1,2,3"], "line 2: 3 values for 2 columns"),
        (["net,nwot", "1,2", "1,3"], "line 3: "),
        (["net,nwot", "99999,2"], "line 2: NAS-Bench-201 index 99999"),
        (["net,nwot", "1,x"], "line 2, nwot: 'x' is no number"),
        (["net,net_str,a", f'"(0, 0, 0, 0, 0, 0)",{CELL},1'], "are different"),
        (["net,nwot", '1,"2'], "it is no CSV"),
    ],
)
def test_bad_csv(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(InputError) as error:
        read(csv_file(tmp_path, *lines), SPACE, "cifar10")
    assert words in str(error.value)
    assert "zc.csv" in str(error.value)


def test_dataset_has_to_be_said(tmp_path: Path) -> None:
    entry = {CODES: {"nwot": 1}}
    with pytest.raises(InputError, match="name it with --dataset"):
        read(json_file(tmp_path, entry), SPACE)
    with pytest.raises(InputError, match="name it with --dataset"):
        read(csv_file(tmp_path, "net,nwot", "1,2"), SPACE)
    two = json_file(tmp_path, {"CIFAR-10": entry, "cifar100": entry})
    with pytest.raises(InputError, match="several datasets"):
        read(two, SPACE)
    with pytest.raises(InputError, match="unknown NAS-Bench-201 dataset 'mnist'"):
        read(two, SPACE, "mnist")
    assert read(json_file(tmp_path, {"imagenet16_120": entry}), SPACE).dataset == "ImageNet16-120"


def test_file_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("absent.json", "scores.pkl"):
        with pytest.raises(InputError, match=name):
            read(tmp_path / name, SPACE, "cifar10")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read(tmp_path / "b.json", SPACE, "cifar10")
    monkeypatch.setattr("harness.scores.exchange.reading._MAX_BYTES", 10)
    with pytest.raises(InputError, match="more than the 10"):
        read(json_file(tmp_path, {CODES: {"nwot": 1}}), SPACE, "cifar10")


# ------------------------------------------------------------------ writing


def record(
    arch: str, proxy: str, value: float | None, status: str = "ok", **rest: object
) -> Record:
    seed = rest.pop("seed", 0)
    assert isinstance(seed, int)
    key = Key("nasbench201", "cifar10", arch, proxy, 1, seed, 4, "gaussian", "kaiming")
    return Record(key, value, status, seconds=0.5, **rest)  # type: ignore[arg-type]


RECORDS = [
    record(ALL_SKIP.id, "nwot", 0.1 + 0.2),
    record(MIXED.id, "nwot", None, "-inf"),
    record(ALL_NONE.id, "nwot", None, "nan"),
    record(ALL_SKIP.id, "vkdnw", 1e-300, components={"entropy": 2.5}),
    record(MIXED.id, "vkdnw", None, "error", message="broken"),
    record(MIXED.id, "te_nas", None, components={"ntk": -1.0}),
]


def test_written_json_is_read_again(tmp_path: Path) -> None:
    accuracies = pd.Series({ALL_SKIP.id: 50.25, official_order()[9].id: 90.0})
    scores = of_records(RECORDS, "cifar10", accuracies)
    assert set(scores.proxies) == {"nwot", "vkdnw", "vkdnw.entropy", "te_nas.ntk"}
    path = tmp_path / "out.json"
    assert write(scores, path, SPACE) == 3
    content = json.loads(path.read_text())["cifar10"]
    assert content["(0, 0, 0, 0, 0, 0)"]["nwot"] == {"score": 0.1 + 0.2, "time": 0.5}
    assert content["(0, 0, 0, 0, 0, 0)"]["val_accuracy"] == 50.25
    again = read(path, SPACE)
    pd.testing.assert_frame_equal(again.frame, scores.frame)
    pd.testing.assert_series_equal(again.accuracies, scores.accuracies)


def test_written_csv_is_read_again(tmp_path: Path) -> None:
    scores = of_records(RECORDS, "cifar10", pd.Series({ALL_SKIP.id: 50.25}))
    path = tmp_path / "out.csv"
    assert write_csv(scores, path, SPACE) == 3
    assert path.read_text().startswith("net,net_str,")
    again = read(path, SPACE, "cifar10")
    expected = {  # the form does not tell an error from NaN
        key: (score, "nan" if status == "error" else status)
        for key, (score, status) in cells(scores).items()
    }
    np.testing.assert_equal(cells(again), expected)
    assert dict(again.accuracies) == {ALL_SKIP.id: 50.25}


def test_one_seed_a_file() -> None:
    two = [record(MIXED.id, "nwot", float(seed), seed=seed) for seed in (0, 1)]
    with pytest.raises(InputError, match="seeds 0, 1"):
        of_records(two, "cifar10")
    assert list(of_records(two, "cifar10", seed=1).frame["score"]) == [1.0]
    with pytest.raises(InputError, match="no scores of cifar10 with seed 2"):
        of_records(two, "cifar10", seed=2)


def test_whole_space_takes_seconds(tmp_path: Path) -> None:
    archs = [cell.id for cell in official_order()[::4]]  # a quarter: the machine may be busy
    frame = pd.DataFrame(
        {
            "arch": np.repeat(archs, 15),
            "proxy": [f"p{k}" for k in range(15)] * len(archs),
            "score": np.random.default_rng(0).normal(size=15 * len(archs)),
            "seconds": 0.125,
            "status": "ok",
        }
    )
    scores = ScoreFile("cifar10", frame, pd.Series(50.0, index=pd.Index(archs)))
    started = time.process_time()
    write(scores, tmp_path / "big.json", SPACE)
    again = read(tmp_path / "big.json", SPACE)
    assert time.process_time() - started < 10
    pd.testing.assert_frame_equal(again.frame, frame)


# ------------------------------------------------------------------ store, and comparison


def test_kept_scores(tmp_path: Path, store: Store) -> None:
    path = json_file(tmp_path, {CODES: {"naswot": {"score": 1.5, "time": 2}, "x": -1e8}})
    theirs = read(path, SPACE, "cifar10")
    assert keep(theirs, store, "nasbench201", "suite", path) == ["nwot@suite", "x@suite"]
    keep(theirs, store, "nasbench201", "suite", path)  # the same again changes nothing
    nwot, x = store.records()
    assert (nwot.key.proxy, nwot.key.version, nwot.key.input) == ("nwot@suite", 0, "imported")
    assert (nwot.value, nwot.seconds, x.status, x.value) == (1.5, 2.0, "error", None)
    changed = read(json_file(tmp_path, {CODES: {"nwot": 1.25}}), SPACE, "cifar10")
    with pytest.raises(InputError, match=r"another nwot@suite .*choose another --label"):
        keep(changed, store, "nasbench201", "suite", path)
    assert len(list(store.records())) == 2
    with pytest.raises(InputError, match="no scores of cifar10"):
        of_records(store.records(), "cifar10")


@pytest.mark.parametrize("label", ["", "a b", "x@y", "l" * 101])
def test_bad_label(label: str) -> None:
    with pytest.raises(InputError, match="choose another --label"):
        label_of(Path("f.json"), label)
    assert label_of(Path("my file.json"), None) == "my_file"


def scored(**columns: list[float]) -> ScoreFile:
    archs = [cell.id for cell in official_order()[:5]]
    rows = [
        (arch, name, value, math.nan, "nan" if math.isnan(value) else "ok")
        for name, values in columns.items()
        for arch, value in zip(archs, values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["arch", "proxy", "score", "seconds", "status"])
    return ScoreFile("cifar10", frame, pd.Series(dtype=float))


def test_comparison() -> None:
    ours = scored(a=[1, 2, 3, 4, 5], b=[1, 2, 3, 4, math.nan], only=[1, 1, 1, 1, 1])
    theirs = scored(a=[5, 4, 3, 2, 1], b=[10, 20, 30, 40, 0], other=[1, 1, 1, 1, 1])
    archs = [cell.id for cell in official_order()[:4]]
    table = compare(ours, theirs, pd.Series([10.0, 20, 30, 40], index=archs))
    assert table.to_dict("list") == {
        "proxy": ["b", "a"],
        "n": [4, 5],
        "spearman": [pytest.approx(1), pytest.approx(-1)],
        "kendall_tau": [pytest.approx(1), pytest.approx(-1)],
        "n_accuracy": [4, 4],
        "tau_ours": [pytest.approx(1), pytest.approx(1)],
        "tau_theirs": [pytest.approx(1), pytest.approx(-1)],
    }
    assert list(compare(ours, theirs).columns) == ["proxy", "n", "spearman", "kendall_tau"]
    with pytest.raises(InputError, match="no proxy in common: ours are a"):
        compare(scored(a=[1] * 5), scored(b=[1] * 5))
    with pytest.raises(InputError, match="no architecture in common"):
        compare(scored(a=[1] * 5), scored(a=[math.nan] * 5))
