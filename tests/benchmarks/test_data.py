"""Finding and fetching data files, and writing whole files."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks import BENCHMARKS, data
from benchmarks.errors import InputError

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
