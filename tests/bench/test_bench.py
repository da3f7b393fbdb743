"""The bench itself: floors that nothing undercuts, figures that mean what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.proxies import PROXIES
from tests.bench import page
from tests.bench.__main__ import options, plan_of
from tests.bench.checkouts import ROOT, Checkout, OrderError, Setting
from tests.bench.floors import FLOORS, Measures, together
from tests.bench.proxies import TABLE1, Measured, Plan, Row, Side, measure

BATCH = 4


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    with Checkout(ROOT, Setting("nasbench201", "cifar10", BATCH), 1) as started:
        yield started


@pytest.fixture(scope="module")
def measures(checkout: Checkout) -> Measures:
    return Measures(BATCH, **checkout.ask("measures", arch=checkout.drawn[0]))


def test_the_network_is_measured(measures: Measures) -> None:
    assert (measures.classes, measures.features) == (10, 64)
    # A change of a scalar costs what comes behind its layer: from all of the pass to none.
    assert 0 < measures.tails < 128


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_no_proxy_does_less_than_its_floor(
    name: str, checkout: Checkout, measures: Measures
) -> None:
    counted = checkout.ask("arithmetic", arch=checkout.drawn[0], name=name)
    if name == "synflow":
        counted *= 2  # in float64
    # The first layer has no gradient of its input to compute.
    assert counted >= 0.97 * FLOORS[name].of(measures)


def test_depthwise_weights_are_not_counted_as_full_ones() -> None:
    with Checkout(ROOT, Setting("mobilenetv2", "imagenet-64-10", 2), 1) as started:
        counted = started.ask("arithmetic", arch=started.drawn[0], name="grad_norm")
    assert counted == pytest.approx(3, rel=0.03)


def test_floors_are_of_proxies() -> None:
    assert set(FLOORS) <= {name for name in PROXIES if PROXIES[name].needs == "network"}
    assert set(TABLE1) <= set(FLOORS)


def test_shared_passes_count_once() -> None:
    measures = Measures(batch=64, classes=10, features=64, tails=80)
    assert together([["snip", "jacov"]], measures, FLOORS) == 4
    assert together([["snip"], ["jacov"]], measures, FLOORS) == 5
    assert together([["synflow"]], measures, FLOORS) == 6 / 64
    assert FLOORS["vkdnw"].of(measures) == 11
    many = Measures(batch=64, classes=1000, features=512, tails=80.5)
    assert FLOORS["vkdnw"].of(many) == 81.5
    assert FLOORS["te_nas"].of(measures) == 130


def test_memory_grows_with_the_graph(checkout: Checkout) -> None:
    arch = checkout.drawn[0]
    small, large = (
        checkout.ask_clean("memory", arch=arch, names=[name]) for name in ("l2_norm", "grasp")
    )
    if small is None:
        pytest.skip("this system does not tell a process its peak memory")
    assert 0 <= small < large < 4096


def test_a_failing_order_leaves_the_process(checkout: Checkout) -> None:
    with pytest.raises(OrderError, match="unknown proxy"):
        checkout.ask("forward", arch=checkout.drawn[0], name="nobody")
    assert checkout.ask("forward", arch=checkout.drawn[0], name="nwot")[0] > 0


def test_a_plan_against_another_checkout(tmp_path: Path) -> None:
    plan = Plan(Setting("nasbench201", "cifar10", 2), 1, 1, 1.0, ("nwot",), against=ROOT)
    (found,) = measure(plan)
    (row,) = found.rows
    assert row.now is not None
    assert row.before is not None
    assert row.difference == 0  # the same code on the same cells
    assert row.now.job > row.now.ms > 0  # networks and batches are no time of the proxy
    path = tmp_path / "page.md"
    path.write_text("# Page\n\n<!-- measured nasbench201 -->\n<!-- end -->\n\nRest.\n")
    for _ in range(2):  # a table takes the place of the one before
        page.put(path, "nasbench201", page.markdown(found, "python -m tests.bench"))
    text = path.read_text()
    assert text.count("| `nwot` |") == 1
    assert text.endswith("<!-- end -->\n\nRest.\n")
    with pytest.raises(SystemExit, match="has no line"):
        page.put(path, "uninas", "")


def test_rows_of_a_table_are_of_one_width() -> None:
    side = Side(ms=30.0, wall=40.0, job=50.0, forward=10.0)
    rows = [
        Row("nwot", now=side, before=side, floor=1.0, difference=0.0),
        Row("mine", now=side),
        Row("zen", error="it asks for stages"),
    ]
    plan = Plan(Setting("uninas", "imagenet-32", 8), 2, against=Path("older"))
    text = page.markdown(Measured(plan, ["a", "b"], rows), "command")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {table[0].count("|")}
    assert "| `nwot` | 30.0 | 40.0 | 3.00 | 1 | 3.00 |" in text
    assert "not scored: it asks for stages" in text


def test_arguments() -> None:
    chosen = options(["--space", "uninas", "--batch-size", "4", "--proxies", "vkdnw"])
    plan = plan_of("uninas", chosen)
    assert plan.setting == Setting("uninas", "imagenet-32", 4)
    assert (plan.names, plan.literals, plan.against) == (["vkdnw"], False, None)
    assert plan_of("nasbench201", options([])).literals
    assert options(["--cells", "3", "--datasets"]).datasets == []
    with pytest.raises(SystemExit):
        options(["--dataset", "cifar10"])
