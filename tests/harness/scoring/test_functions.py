"""Functions as proxies: their versions, their replacement, and how worker processes get them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.errors import InputError
from benchmarks.types import Batch
from harness.proxies import PROXIES, register_proxy
from harness.proxies.nwot import nwot
from harness.scores.store import Store
from harness.scoring.adapters import from_measure
from harness.scoring.engine import Request, run
from harness.scoring.fingerprint import FIRST_HASH, version_of
from harness.scoring.functions import register_function
from tests.harness.networks import ALL_SKIP, MIXED

pytestmark = pytest.mark.usefixtures("own_proxies")
ROOT = Path(__file__).parents[3]


def importable(network: nn.Module, batch: Batch) -> float:
    """Of this module."""
    return 1.0


def made(factor: float) -> Callable[..., float]:
    """A function that nothing can import."""
    weight = torch.full((2,), factor)

    def scaled(network: nn.Module, batch: Batch) -> float:
        return float(weight.sum()) * len(list(network.parameters()))

    return scaled


def python(script: str, *arguments: str, stdin: bool = False, folder: Path) -> str:
    """What a script prints, run from a file or from standard input."""
    path = folder / "script.py"
    path.write_text(script)
    command = [sys.executable, "-" if stdin else str(path), *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        command,
        input=script if stdin else None,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ names and options


def test_registers_under_its_name() -> None:
    proxy = register_function(importable, mode="eval", batches=2)
    assert PROXIES["importable"] is proxy
    assert (proxy.mode, proxy.batches, proxy.init, proxy.input) == (
        "eval",
        2,
        "kaiming",
        "gaussian",
    )
    assert (proxy.parts, proxy.local, proxy.paper) == ((), True, "-")
    assert FIRST_HASH <= proxy.version < 2**63
    assert register_function(importable) is proxy


def test_a_proxy_stays_what_it_is() -> None:
    assert register_function(nwot) is PROXIES["nwot"]
    register_proxy("another_name", paper="-", mode="eval")(importable)
    assert register_function(importable).name == "another_name"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda network, batch: 1.0, r"<lambda> is no name for a proxy; define it with def"),
        (torch.nn.Identity(), r"is no name for a proxy"),
    ],
)
def test_without_a_name(function: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        register_function(function)


@pytest.mark.parametrize("name", ["vkdnw", "naswot"])
def test_with_the_name_of_another(name: str) -> None:
    function = made(1.0)
    function.__name__ = name
    with pytest.raises(InputError, match=f"the function {name} has the name of another.*rename"):
        register_function(function)


def test_defined_again_replaces_the_earlier_one() -> None:
    first, second = register_function(made(1.0)), register_function(made(2.0))
    assert PROXIES["scaled"] is second
    assert first.version != second.version
    assert register_function(made(1.0)).version == first.version


# ------------------------------------------------------------------ versions


def test_version_sees_code_and_options() -> None:
    versions = {version_of(made(1.0)), version_of(made(2.0)), version_of(importable)}
    versions |= {version_of(importable, "eval"), version_of(from_measure(importable))}
    versions |= {version_of(from_measure(made(1.0))), version_of(from_measure(made(2.0)))}
    assert len(versions) == 7


def test_version_of_what_has_no_lasting_form(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as stream:

        def writes(network: nn.Module, batch: Batch) -> float:
            stream.write("x")
            return 0.0

        with pytest.raises(InputError, match=r"function writes refers to something.*version=1"):
            register_function(writes)
        assert register_function(writes, version=1).version == 1


SCRIPT = """
import torch
from harness.proxies import PROXIES, register_proxy
from harness.scoring.functions import register_function

SCALE, NAMES = 3.0, ("a", "b")

class Helper:
    def twice(self, x):
        return 2 * x if x in {"a", "b", "c"} else Helper().once(x)

    def once(self, x):
        return x * SCALE

def walk(n):
    return n if n < 1 else walk(n - 1)

def mine(network, batch):
    return Helper().twice(walk(3)) + torch.ones(1)

@register_proxy("yours", paper="-")
def yours(network, batch):
    return mine(network, batch)

print(register_function(mine).version, PROXIES["yours"].version)
"""


def test_version_of_a_script_that_runs_again(tmp_path: Path) -> None:
    first = python(SCRIPT, folder=tmp_path)
    moved = SCRIPT.replace("SCALE, ", "# a comment\n\nSCALE, ")
    assert python(moved, folder=tmp_path) == first
    assert python(SCRIPT, stdin=True, folder=tmp_path) == first
    for edited in ("x * SCALE + 1", "x / SCALE"):
        other = python(SCRIPT.replace("x * SCALE", edited), folder=tmp_path)
        assert not set(other.split()) & set(first.split())


# ------------------------------------------------------------------ worker processes


def test_workers_get_what_nothing_imports(store: Store) -> None:
    register_function(made(0.5))
    archs = [MIXED.id, ALL_SKIP.id]
    request = Request("nasbench201", "ImageNet16-120", archs, ["scaled", "nwot"], batch_size=2)
    assert run(request, store, workers=2).scored == 4
    values = {record.value for record in store.records(proxy="scaled")}
    assert len(values) == 2


def test_what_cannot_be_sent_is_said(store: Store, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as stream:

        @register_proxy("writes", paper="-", version=1)
        def writes(network: nn.Module, batch: Batch) -> float:
            return float(stream.write("x"))

        request = Request(
            "nasbench201", "cifar10", [MIXED.id, ALL_SKIP.id], ["writes"], batch_size=2
        )
        with pytest.raises(InputError, match=r"proxy writes cannot be sent to worker.*workers=1"):
            run(request, store, workers=2)
        assert run(request, store, workers=1).scored == 2


UNGUARDED = """
import sys
from pathlib import Path
from harness.proxies import register_proxy
from harness.scores.store import Store
from harness.scoring.engine import Request, run

SCALE = 2.0

@register_proxy("mine", paper="-")
def mine(network, batch):
    return SCALE

with Store(Path("scores.sqlite")) as store:
    request = Request("nasbench201", "ImageNet16-120", sys.argv[1:], ["mine"], batch_size=2)
    tally = run(request, store, workers=2)
    print(tally.scored, [record.value for record in store.records()], __name__, __spec__)
"""


@pytest.mark.parametrize("stdin", [False, True], ids=["file", "stdin"])
def test_scripts_without_a_guard(tmp_path: Path, stdin: bool) -> None:
    found = python(UNGUARDED, MIXED.id, ALL_SKIP.id, stdin=stdin, folder=tmp_path)
    assert found == "2 [2.0, 2.0] __main__ None\n"


def test_a_notebook_replaces_its_decorated_proxies(tmp_path: Path) -> None:
    script = """
from harness.proxies import PROXIES, register_proxy
for text in ("return 1.0", "return 2.0"):
    exec(f'''
@register_proxy("mine", paper="-", aliases=("my_alias",))
def mine(network, batch):
    {text}
''')
    print(PROXIES["my_alias"].function(0, 0))
"""
    assert python(script, folder=tmp_path) == "1.0\n2.0\n"
