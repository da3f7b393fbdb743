from __future__ import annotations

import importlib.metadata
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.errors import InputError
from harness.proxies import PROXIES
from harness.scores.frames import export_frame
from harness.scores.store import Store
from harness.scoring import plugins
from harness.scoring.engine import Request, run
from tests.harness.networks import MIXED

HEAD = "from harness.proxies import PROXIES, register_proxy\n"
PROXY = (
    HEAD
    + """
@register_proxy("mine", paper="-", input="none", init="none")
def mine(network, batch):
    "Mine."
    return 1.0
"""
)


@pytest.fixture(autouse=True)
def forgotten(own_proxies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test loads is forgotten after it."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(plugins, "_loaded", {plugins.GROUP})


def file(folder: Path, text: str, name: str = "my_proxy.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_file_registers(tmp_path: Path) -> None:
    plugins.use([file(tmp_path, PROXY)])
    assert PROXIES["mine"].summary == "Mine."
    assert "mine" in PROXIES
    assert os.environ[plugins.VARIABLE] == str(tmp_path / "my_proxy.py")
    plugins.use([tmp_path / "my_proxy.py"])  # a second time changes nothing
    assert PROXIES["mine"].version >= plugins.FIRST_HASH
    assert plugins.default_version() == 1


def test_version_follows_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = []
    for text in (PROXY, PROXY.replace("1.0", "2.0"), PROXY):
        monkeypatch.setattr(PROXIES, "_entries", {k: PROXIES[k] for k in PROXIES if k != "mine"})
        monkeypatch.setattr(plugins, "_loaded", {plugins.GROUP})
        plugins.use([file(tmp_path, text)])
        versions.append(PROXIES["mine"].version)
    assert versions[0] == versions[2] != versions[1]
    assert all(version < 2**63 for version in versions)  # the store's integers
    stated = PROXY.replace('"mine"', '"stated"').replace('"-"', '"-", version=3')
    plugins.use([file(tmp_path, stated, "stated.py")])
    assert PROXIES["stated"].version == 3


def test_edited_file_never_meets_old_scores(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request("nasbench201", "cifar10", [MIXED.id], ["mine"])
    values: list[float] = []
    for text in (PROXY, PROXY.replace("1.0", "2.0")):
        monkeypatch.setattr(PROXIES, "_entries", {k: PROXIES[k] for k in PROXIES if k != "mine"})
        monkeypatch.setattr(plugins, "_loaded", {plugins.GROUP})
        plugins.use([file(tmp_path, text)])
        if values:  # before it is scored again
            with pytest.raises(InputError, match="scored with other code"):
                export_frame(store, "nasbench201", "cifar10")
        assert run(request, store, workers=1).scored == 1
        values += list(export_frame(store, "nasbench201", "cifar10")["mine"])
    assert values == [1.0, 2.0]
    monkeypatch.setattr(PROXIES, "_entries", {k: PROXIES[k] for k in PROXIES if k != "mine"})
    with pytest.raises(InputError, match="--proxy-file"):
        export_frame(store, "nasbench201", "cifar10")


def test_worker_processes_load_it(tmp_path: Path, store: Store) -> None:
    plugins.use([file(tmp_path, PROXY)])
    archs = [MIXED.id, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"]
    request = Request("nasbench201", "ImageNet16-120", archs, ["mine"], batch_size=2)
    assert run(request, store, workers=2).scored == 2
    assert {r.key.version for r in store.records()} == {PROXIES["mine"].version}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module_here\n", "line 1 raises ModuleNotFoundError"),
        ("def broken(:\n", "raises SyntaxError"),
        ("\n\nimport sys\nsys.exit('bye')\n", "line 4 raises SystemExit: bye"),
        ("\0", "raises "),
        ("x = 1\n", "registers no proxy; decorate"),
        (PROXY.replace('"mine"', '"vkdnw"'), "'vkdnw' is registered twice; choose another name"),
        (PROXY.replace('"mine"', '"naswot"'), "'naswot' is registered twice"),
        (PROXY.replace('"mine"', '"my.proxy"'), "letters, digits and _ only"),
        (HEAD + "PROXIES['vkdnv']\n", "raises InputError: unknown proxy 'vkdnv'"),
        (PROXY + "raise ValueError('late')\n", "raises ValueError: late"),
    ],
)
def test_bad_file(tmp_path: Path, text: str, words: str) -> None:
    before, modules = set(PROXIES), set(sys.modules)
    plugins.use([file(tmp_path, text)])
    for _ in range(2):  # met again, not forgotten
        with pytest.raises(InputError) as error:
            PROXIES["mine"]
        assert words in str(error.value)
        assert f"the proxy file {tmp_path / 'my_proxy.py'}" in str(error.value)
    assert set(PROXIES.names) == before  # nothing half-registered
    assert not [m for m in set(sys.modules) - modules if m.startswith("proxy_file_")]
    assert plugins.default_version() == 1


def test_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"there is no proxy file .*gone\.py"):
        plugins.use([tmp_path / "gone.py"])
    monkeypatch.setenv(plugins.VARIABLE, str(tmp_path / "gone.py"))
    with pytest.raises(InputError, match="correct --proxy-file or HARNESS_PROXY_FILES"):
        list(PROXIES)
    strange = tmp_path / f"a{os.pathsep}b.py"
    strange.write_text(PROXY)
    with pytest.raises(InputError, match="rename it"):
        plugins.use([strange])


def test_file_may_use_our_proxies(tmp_path: Path) -> None:
    text = PROXY + "OURS = PROXIES['params'].function\n"
    plugins.use([file(tmp_path, text)])
    assert PROXIES["mine"].name == "mine"


# ------------------------------------------------------------------ installed packages


def installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, *lines: str, name: str = "theirs"
) -> None:
    """A package on the path, with entry points."""
    file(folder, text, f"{name}_proxies.py")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join([f"[{plugins.GROUP}]", *lines]))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, f"{name}_proxies", raising=False)
    monkeypatch.setattr(plugins, "_loaded", set())
    assert importlib.metadata.entry_points(group=plugins.GROUP)


def test_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("a = theirs_proxies", "b = theirs_proxies:mine")
    installed(tmp_path, monkeypatch, PROXY, *lines)
    assert PROXIES["mine"].version == 1
    monkeypatch.delitem(sys.modules, "theirs_proxies")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\n", "a = theirs_proxies", "registers no proxy"),
        ("1 / 0\n", "a = theirs_proxies", "raises ZeroDivisionError"),
        (PROXY, "a = theirs_proxies:absent", "raises AttributeError"),
        (PROXY.replace('"mine"', '"vkdnw"'), "a = theirs_proxies", "choose another name"),
    ],
)
def test_bad_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: str, words: str
) -> None:
    installed(tmp_path, monkeypatch, text, line)
    with pytest.raises(InputError) as error:
        list(PROXIES)
    assert words in str(error.value)
    assert "the package theirs (entry point a = theirs_proxies" in str(error.value)
    sys.modules.pop("theirs_proxies", None)


def test_lookups_stay_cheap(tmp_path: Path) -> None:
    plugins.use([file(tmp_path, PROXY)])
    list(PROXIES)
    started = time.process_time()
    for _ in range(10_000):
        PROXIES["mine"]
    assert time.process_time() - started < 2
