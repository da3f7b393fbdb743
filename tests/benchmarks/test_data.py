"""Finding and fetching data files, writing whole files, and CIFAR archives."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import io
import pickle
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import BENCHMARKS, data
from benchmarks.errors import InputError
from tests.benchmarks.hostile import KINDS, bomb

# ------------------------------------------------------------------ pinned sources


@pytest.mark.parametrize("name", data.sources())
def test_pinned_source(name: str) -> None:
    source = data.sources()[name]
    assert source.name == name
    hashed = re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", source.hash)
    # Without a published hash, each record's own checksum must do.
    assert hashed or (not source.hash and source.file.endswith(".tfrecord"))
    assert re.fullmatch(r"https://\S+/" + re.escape(source.file), source.url)
    assert source.size > 0
    assert source.licence
    assert source.what
    assert source.serves == "inputs" or source.serves in BENCHMARKS


def test_benchmarks_fetch_pinned_sources() -> None:
    for name in BENCHMARKS:
        for source in BENCHMARKS[name].fetches:
            assert data.sources()[source].serves == name


def test_pinned_hash_is_that_of_the_real_table(real_data: Path) -> None:
    source = data.sources()["nats_bench"]
    raw = (real_data / source.file).read_bytes()
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == source.hash
    assert len(raw) == source.size


# ------------------------------------------------------------------ fetching

CONTENT = b"accuracies"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server on this machine that has the file `table.csv`."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "table.csv").write_bytes(CONTENT)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: _Quiet(*args, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _pin(monkeypatch: pytest.MonkeyPatch, url: str, content: bytes = CONTENT) -> None:
    template = data.sources()["nats_bench"]
    pinned = f"sha256:{hashlib.sha256(content).hexdigest()}"
    source = dataclasses.replace(template, name="toy", file="toy.csv", url=url, hash=pinned)
    monkeypatch.setattr(data, "sources", lambda: {"toy": source})


def test_fetch(site: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(monkeypatch, f"{site}/table.csv")
    assert data.first_found("toy.csv") is None
    path = data.fetch("toy")
    assert path == cache / "toy.csv"
    assert path.read_bytes() == CONTENT
    assert data.first_found("toy.csv") == path


def test_fetch_takes_what_the_cache_has(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(monkeypatch, "http://127.0.0.1:9/table.csv")
    (cache / "toy.csv").write_bytes(CONTENT)
    assert data.fetch("toy") == cache / "toy.csv"


def test_fetch_replaces_a_damaged_file(
    site: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pin(monkeypatch, f"{site}/table.csv")
    (cache / "toy.csv").write_bytes(CONTENT[:3])
    assert data.fetch("toy").read_bytes() == CONTENT


def test_fetch_of_another_content(site: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(monkeypatch, f"{site}/table.csv", content=b"what was pinned")
    with pytest.raises(InputError, match=r"/table\.csv does not have the pinned sha256:"):
        data.fetch("toy")
    assert list(cache.iterdir()) == []


def test_fetch_of_a_missing_file(site: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(monkeypatch, f"{site}/elsewhere.csv")
    with pytest.raises(InputError, match=r"cannot download .*/elsewhere\.csv.*404") as caught:
        data.fetch("toy")
    assert str(cache) in str(caught.value)
    assert list(cache.iterdir()) == []


def test_fetch_without_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _pin(monkeypatch, "http://127.0.0.1:9/table.csv")  # the discard port: nobody listens
    with pytest.raises(InputError, match=r"cannot download http://127\.0\.0\.1:9/table\.csv"):
        data.fetch("toy")
    assert list(cache.iterdir()) == []


def test_fetch_of_an_unknown_source() -> None:
    with pytest.raises(InputError, match=r"'nope'; known: nats_bench, .*cifar10, cifar100"):
        data.fetch("nope")


# ------------------------------------------------------------------ folders


def test_data_folder_comes_before_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "a").touch()
    (cache / "b").touch()
    assert data.first_found("a") == cache / "a"
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (tmp_path / "a").touch()
    assert data.folders() == [tmp_path, cache]
    assert data.first_found("a") == tmp_path / "a"
    assert data.first_found("b", "a") == cache / "b"
    assert data.first_found("c", "d") is None


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_data_folder_is_none(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / name))
    with pytest.raises(InputError, match=f"HARNESS_DATA names .*{name}, which is no folder"):
        data.first_found("a")


# ------------------------------------------------------------------ whole files or none


def test_replacing_writes_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.csv"
    with data.replacing(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (path.parent, ".csv")
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_replacing_leaves_the_old_file_on_failure(
    error: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    folder = sorted(tmp_path.iterdir())

    def fail() -> None:
        with data.replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == folder


def test_replacing_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "a.csv"
    with pytest.raises(InputError, match=r"cannot write .*a\.csv"), data.replacing(path):
        pytest.fail("the block was entered")


# ------------------------------------------------------------------ CIFAR archives


def _python2_pickle(content: dict[bytes, object]) -> bytes:
    """As Python 2 wrote it: byte strings, and NumPy's module under its older name."""

    def save_bytes(pickler: Any, value: bytes) -> None:
        pickler.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        pickler.memoize(value)

    stream = io.BytesIO()
    pickler: Any = pickle._Pickler(stream, protocol=2)
    pickler.dispatch = {**pickler.dispatch, bytes: save_bytes}
    pickler.dump(content)
    return stream.getvalue().replace(b"numpy._core.", b"numpy.core.")


def _images(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.RandomState(seed).randint(0, 256, (count, 3072)).astype(np.uint8)


def _archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def _batch(labels: list[int], seed: int, key: bytes = b"labels") -> bytes:
    return _python2_pickle({b"batch_label": b"a", key: labels, b"data": _images(len(labels), seed)})


def _pixels(flat: NDArray[np.uint8]) -> list[Any]:
    """Channel planes of 1,024 bytes each, to nested lists [image][row][column][channel]."""
    return [
        [
            [[int(image[1024 * c + 32 * y + x]) for c in range(3)] for x in range(32)]
            for y in range(32)
        ]
        for image in flat
    ]


def test_cifar10_archive(tmp_path: Path) -> None:
    folder = "cifar-10-batches-py"
    path = _archive(
        tmp_path / "cifar-10-python.tar.gz",
        {
            f"{folder}/batches.meta": _python2_pickle({b"label_names": [b"airplane"]}),
            f"{folder}/data_batch_2": _batch([3, 4], seed=2),
            f"{folder}/data_batch_1": _batch([9, 0, 1], seed=1),
            f"{folder}/test_batch": _batch([5], seed=3),
            f"{folder}/readme.html": b"<html>",
        },
    )
    images, labels = data.read_cifar(path)
    assert images.shape == (5, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.tolist() == [9, 0, 1, 3, 4]
    assert labels.dtype == np.int64
    assert images.tolist() == _pixels(_images(3, 1)) + _pixels(_images(2, 2))


def test_cifar100_archive(tmp_path: Path) -> None:
    train = _python2_pickle(
        {b"coarse_labels": [1, 2], b"fine_labels": [99, 7], b"data": _images(2, 0)}
    )
    members = {
        "cifar-100-python/train": train,
        "cifar-100-python/test": _batch([1], 1, b"fine_labels"),
    }
    images, labels = data.read_cifar(_archive(tmp_path / "cifar-100-python.tar.gz", members))
    assert labels.tolist() == [99, 7]
    assert images.tolist() == _pixels(_images(2, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_cifar_archive(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    raw = pickle.dumps({b"data": bomb(kind, marker), b"labels": [1]}, protocol=2)
    path = _archive(tmp_path / "cifar.tar.gz", {"c/data_batch_1": raw})
    with pytest.raises(InputError, match=r"cifar\.tar\.gz:c/data_batch_1: .*may be hostile"):
        data.read_cifar(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {b"data": "text", b"labels": [1]},
        {b"data": np.zeros((1, 3072), np.uint8)},
        {b"data": np.zeros((1, 3071), np.uint8), b"labels": [1]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": ["cat"]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]},
    ],
    ids=["none", "list", "empty", "text", "no labels", "pixel missing", "name", "label missing"],
)
def test_cifar_archive_of_another_content(content: object, tmp_path: Path) -> None:
    raw = pickle.dumps(content, protocol=2)
    path = _archive(tmp_path / "cifar.tar.gz", {"c/data_batch_1": raw})
    with pytest.raises(InputError, match=r"cifar\.tar\.gz"):
        data.read_cifar(path)


def test_archive_without_images(tmp_path: Path) -> None:
    path = _archive(tmp_path / "cifar.tar.gz", {"c/other": b""})
    with pytest.raises(InputError, match=r"cifar\.tar\.gz is no readable CIFAR archive"):
        data.read_cifar(path)


@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.9])
def test_truncated_cifar_archive(fraction: float, tmp_path: Path) -> None:
    path = _archive(tmp_path / "cifar.tar.gz", {"c/data_batch_1": _batch([1] * 50, seed=0)})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(InputError, match=r"(?s)cifar\.tar\.gz.*again"):
        data.read_cifar(path)


def test_damaged_cifar_archive_reads_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cifar.tar.gz"
    plain = {b"data": _images(9, 0) // 64, b"labels": [1] * 9}
    good = _archive(path, {"c/data_batch_1": _python2_pickle(plain)}).read_bytes()
    refused = []
    for position in range(0, len(good), 37):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        with contextlib.suppress(InputError):
            data.read_cifar(path)
            continue
        refused.append(position)
    assert len(refused) > 10


def test_other_file_than_an_archive(tmp_path: Path) -> None:
    for content in (b"", b"text", gzip.compress(b"text")):
        path = tmp_path / "cifar.tar.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cifar\.tar\.gz is no readable CIFAR archive"):
            data.read_cifar(path)
