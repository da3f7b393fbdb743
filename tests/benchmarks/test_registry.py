"""The registry: look-up by name and alias, near names, discovery of packages."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.registry import Registry


@pytest.fixture
def colours() -> Registry[str]:
    registry: Registry[str] = Registry("colour")
    registry.add("red", "#f00", aliases=("rouge", "rot"))
    registry.add("green", "#0f0")
    return registry


def test_names_and_aliases_find_the_entry(colours: Registry[str]) -> None:
    assert [colours[name] for name in ("red", "rouge", "rot", "green")] == ["#f00"] * 3 + ["#0f0"]
    assert colours.aliases("red") == ["rot", "rouge"]
    assert colours.aliases("green") == []


def test_iterates_over_sorted_names_without_aliases(colours: Registry[str]) -> None:
    assert list(colours) == ["green", "red"]


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("gren", "'green'"),
        ("Green", "'green'"),
        ("rouges", "'rouge'"),
        ("darkblue", "'dark_blue'"),
        ("DARK-BLUE", "'dark_blue'"),
        ("dark_bleu", "'dark_blue'"),
    ],
)
def test_unknown_name_proposes_near_ones(colours: Registry[str], asked: str, near: str) -> None:
    colours.add("dark_blue", "#008")
    with pytest.raises(InputError) as caught:
        colours[asked]
    message = str(caught.value)
    assert f"unknown colour '{asked}'" in message
    assert f"did you mean {near}" in message
    assert message.endswith("Known: dark_blue, green, red")


def test_unknown_name_without_a_near_one_lists_all(colours: Registry[str]) -> None:
    with pytest.raises(InputError, match=r"'xyzzy'\. Known: green, red"):
        colours["xyzzy"]


@pytest.mark.parametrize(
    ("name", "aliases"),
    [("red", ()), ("rouge", ()), ("blue", ("red",)), ("blue", ("rot",))],
)
def test_a_name_is_taken_once(colours: Registry[str], name: str, aliases: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        colours.add(name, "#00f", aliases)
    assert list(colours) == ["green", "red"]


_ENTRY = """
from {package} import REGISTRY
REGISTRY.add("{name}", "{name}")
"""


@pytest.mark.parametrize(
    ("subpackages", "found"), [(True, ["inner"]), (False, ["plain"])], ids=["packages", "modules"]
)
def test_discovery_imports_only_one_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subpackages: bool, found: list[str]
) -> None:
    package = f"discovered_{'packages' if subpackages else 'modules'}"
    files = {
        "__init__.py": "from benchmarks.registry import Registry\n"
        f"REGISTRY = Registry('entry', package=__name__, subpackages={subpackages})",
        "plain.py": _ENTRY.format(package=package, name="plain"),
        "inner/__init__.py": _ENTRY.format(package=package, name="inner"),
        "_private.py": _ENTRY.format(package=package, name="private module"),
        "_hidden/__init__.py": _ENTRY.format(package=package, name="private package"),
    }
    for name, text in files.items():
        file = tmp_path / package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    registry = importlib.import_module(package).REGISTRY
    assert not [name for name in sys.modules if name.startswith(f"{package}.")]
    assert list(registry) == found
    assert registry[found[0]] == found[0]


def test_the_benchmarks_are_found() -> None:
    assert "nasbench201" in BENCHMARKS
    for alias in ("nb201", "nats-tss"):
        assert BENCHMARKS[alias] is BENCHMARKS["nasbench201"]


def test_replacing_an_entry(colours: Registry[str]) -> None:
    colours.add("red", "#e00", aliases=("rosso",), replace=True)
    assert (colours["rosso"], colours.aliases("red")) == ("#e00", ["rosso"])
    with pytest.raises(InputError, match="unknown colour 'rouge'"):
        colours["rouge"]
    with pytest.raises(ValueError, match="'green' is registered twice"):
        colours.add("red", "#d00", aliases=("green",), replace=True)
    assert colours.registered("red") == "#e00"
    assert colours.registered("rosso") is None
