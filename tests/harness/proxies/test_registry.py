from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import harness.proxies
from benchmarks.errors import InputError
from benchmarks.types import Costs
from harness.proxies import PROXIES, Proxy, register_proxy
from harness.proxies._registry import Init, Input, Mode, Needs
from tests.harness.networks import MIXED, SPACE, network_of

MODULES = [
    module.name
    for module in pkgutil.iter_modules(harness.proxies.__path__)
    if not module.name.startswith("_")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_listed(name: str) -> None:
    module = importlib.import_module(f"harness.proxies.{name}")
    own = [p for p in map(PROXIES.__getitem__, PROXIES) if p.function.__module__ == module.__name__]
    assert own, f"{name} registers no proxy"


@pytest.mark.parametrize("name", list(PROXIES))
def test_declaration(name: str) -> None:
    proxy = PROXIES[name]
    assert proxy.name == name
    assert proxy.summary.endswith(".")
    assert re.fullmatch(r"arXiv:\d{4}\.\d{5}(v\d)?|baseline", proxy.paper)
    assert proxy.needs in Needs.__args__  # type: ignore[attr-defined]
    assert proxy.init in Init.__args__  # type: ignore[attr-defined]
    assert proxy.mode in Mode.__args__  # type: ignore[attr-defined]
    assert proxy.input in Input.__args__  # type: ignore[attr-defined]
    assert proxy.version >= 1
    # Costs come from formulas: no weights, no data.
    assert proxy.needs == "network" or (proxy.init, proxy.input) == ("none", "none")


def test_aliases_name_the_same_proxy() -> None:
    assert PROXIES["naswot"] is PROXIES["nwot"]
    assert PROXIES["aleph"] is PROXIES["vkdnw_dim"] is PROXIES["layers"]
    assert PROXIES.aliases("layers") == ["aleph", "vkdnw_dim"]
    assert "naswot" not in list(PROXIES)


def test_unknown_name_lists_near_ones() -> None:
    with pytest.raises(InputError, match=r"unknown proxy 'synflw'; did you mean 'synflow'\?"):
        PROXIES["synflw"]
    with pytest.raises(InputError, match=r"unknown proxy '!!'\. Known: .*nwot, params, plain"):
        PROXIES["!!"]


@pytest.mark.usefixtures("own_proxies")
class TestRegistering:
    def test_returns_the_function_unchanged(self) -> None:
        def count(costs: Costs) -> float:
            """One line.

            More.
            """
            return costs.params

        assert register_proxy("count", paper="baseline", needs="costs", version=3)(count) is count
        expected = Proxy(
            "count", count, "baseline", "costs", "kaiming", "train", "gaussian", 1, 3, ()
        )
        assert PROXIES["count"] == expected
        assert PROXIES["count"].summary == "One line."

    @pytest.mark.parametrize(
        ("name", "aliases", "taken"),
        [("nwot", (), "nwot"), ("naswot", (), "naswot"), ("new", ("x", "synflow"), "synflow")],
    )
    def test_refuses_a_taken_name(self, name: str, aliases: tuple[str, ...], taken: str) -> None:
        before = PROXIES["nwot"], list(PROXIES)
        with pytest.raises(ValueError, match=f"proxy '{taken}' is registered twice"):
            register_proxy(name, paper="baseline", aliases=aliases)(lambda network, batch: 0.0)
        assert (PROXIES["nwot"], list(PROXIES)) == before

    def test_parts(self) -> None:
        def unknown(network, batch):  # type: ignore[no-untyped-def]
            return {"one": 1.0}

        register_proxy("unknown", paper="-")(unknown)
        assert (PROXIES["unknown"].parts, PROXIES["unknown"].has_score) == (None, True)
        register_proxy("known", paper="-", parts=["one"], has_score=False)(unknown)
        assert (PROXIES["known"].parts, PROXIES["known"].has_score) == (("one",), False)
        with pytest.raises(ValueError, match="leave it out of parts"):
            register_proxy("own", paper="-", parts=("one", "score"))
        with pytest.raises(ValueError, match="name its parts"):
            register_proxy("none", paper="-", has_score=False)


@pytest.mark.parametrize(("name", "value"), [("params", 7.0), ("flops", 11.0), ("layers", 3.0)])
def test_sizes_are_the_closed_form(name: str, value: float) -> None:
    score = PROXIES[name].function(Costs(params=7, flops=11, layers=3))
    assert (score, type(score)) == (value, float)


def test_params_and_layers_count_the_network() -> None:
    costs, parameters = SPACE.costs(MIXED, "cifar10"), list(network_of(MIXED).parameters())
    assert PROXIES["params"].function(costs) == sum(p.numel() for p in parameters)
    assert PROXIES["layers"].function(costs) == len(parameters)
