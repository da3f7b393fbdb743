"""How many architectures are needed, against simulation and against a benchmark's accuracies."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks import BENCHMARKS
from benchmarks.truth import resolve
from harness.evaluation import power
from harness.evaluation.metrics import kendall_tau
from harness.evaluation.power import Assumed

Array = NDArray[np.float64]


def drawn(taus: tuple[float, float, float], n: int, rng: np.random.RandomState) -> Array:
    """Accuracy and two scores of n architectures with those taus: (3, n)."""
    a, b, c = map(power.rho_of, taus)
    covariance = [[1, a, b], [a, 1, c], [b, c, 1]]
    return np.asarray(rng.multivariate_normal(np.zeros(3), covariance, n).T)


@pytest.mark.parametrize(
    ("taus", "n"), [((0.6, 0.6, 0.7), 40), ((0.5, 0.3, 0.4), 100), ((0.8, 0.75, 0.9), 20)]
)
def test_deviations_are_those_of_simulation(taus: tuple[float, float, float], n: int) -> None:
    rng = np.random.RandomState(1)
    found = []
    for _ in range(2000):
        accuracy, one, other = drawn(taus, n, rng)
        found.append((kendall_tau(one, accuracy), kendall_tau(other, accuracy)))
    first, second = np.array(found).T
    # The deviation of 2,000 draws is known to 1.6 %.
    assert np.std(first) == pytest.approx(power.tau_deviation(n, taus[0]), rel=0.06)
    expected = power.difference_deviation(n, *taus)
    assert np.std(first - second) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("tau", [0.0, 0.3, 0.6, 0.9])
def test_a_difference_of_independent_parts_is_a_sum_of_variances(tau: float) -> None:
    """A proxy that is pure noise, independent of the other: the closed forms of both remain."""
    of_tau, of_noise = power.tau_deviation(50, tau), power.tau_deviation(50, 0.0)
    expected = math.hypot(of_tau, of_noise)
    assert power.difference_deviation(50, tau, 0.0, 0.0) == pytest.approx(expected, rel=1e-4)


def test_a_proxy_does_not_differ_from_itself() -> None:
    assert power.difference_deviation(50, 0.6, 0.6, 1.0) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="no proxies have"):
        power.difference_deviation(50, 0.9, 0.1, 0.9)


def test_deviation_of_no_dependence_is_the_textbooks() -> None:
    n = 30
    assert power.tau_deviation(n, 0.0) == pytest.approx(
        math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
    )


def test_numbers_needed_are_the_smallest_that_suffice() -> None:
    assumed = Assumed()
    n = power.needed_for_interval(0.05, assumed)
    assert power.interval_width(n, assumed) <= 0.05 < power.interval_width(n - 1, assumed)
    m = power.needed_for_difference(0.05, assumed)
    assert power.smallest_difference(m, assumed) <= 0.0501
    assert power.smallest_difference(m - 1, assumed) > 0.0499
    assert power.needed_for_difference(0.1, assumed) < m
    assert power.needed_for_difference(0.05, replace(assumed, between=0.9)) < m
    assert power.needed_for_difference(0.05, replace(assumed, power=0.5)) < m


def test_the_difference_is_decided_as_often_as_is_said() -> None:
    """80 of 100 samples of that size have a paired interval without 0."""
    assumed = Assumed(tau=0.5, between=0.6)
    n = power.needed_for_difference(0.15, assumed)
    rng = np.random.RandomState(3)
    deviation = power.difference_deviation(n, 0.5, 0.5, 0.6)
    decided = 0
    for _ in range(1000):
        accuracy, better, worse = drawn((0.575, 0.425, 0.6), n, rng)
        difference = kendall_tau(better, accuracy) - kendall_tau(worse, accuracy)
        decided += difference > 1.96 * deviation
    assert decided / 1000 == pytest.approx(0.8, abs=0.05)


def test_noisy_accuracies_lower_tau_as_simulated() -> None:
    """Attenuation: a proxy's tau, and the best tau there is, with the mean of k trainings."""
    rng = np.random.RandomState(5)
    ideal = rng.normal(size=4000)
    proxy = 0.8 * ideal + 0.6 * rng.normal(size=4000)
    trainings = ideal[:, None] + 0.7 * rng.normal(size=(4000, 3))
    assumed = Assumed(
        tau=kendall_tau(proxy, ideal), retraining=kendall_tau(*trainings[:, :2].T), seeds=3
    )
    mean = trainings.mean(axis=1)
    assert assumed.measured(assumed.tau) == pytest.approx(kendall_tau(proxy, mean), abs=0.02)
    assert assumed.ceiling == pytest.approx(kendall_tau(ideal, mean), abs=0.02)
    assert replace(assumed, retraining=None).ceiling == 1
    needed = [power.needed_for_difference(0.05, replace(assumed, seeds=s)) for s in (1, 3, 10)]
    assert needed == sorted(needed, reverse=True)


def test_lines_say_what_is_decided() -> None:
    first, with_n, needed = power.lines(50, Assumed(retraining=0.6, seeds=2))
    assert "two trainings agree at tau 0.60, mean over 2" in first
    assert "with 50 architectures" in with_n
    assert "a difference of 0.1" in with_n
    assert "deciding a difference of 0.05 takes" in needed
    assert "no difference" in power.lines(3, Assumed())[1]


def test_on_nasbench201(real_data: Path) -> None:
    """Deviations of params, FLOPs and a noisy score over samples of the benchmark's own cells.

    Ties of sizes and the shape of the accuracies' distribution are not normal: within 10 %.
    """
    benchmark = BENCHMARKS["nasbench201"]
    truth = resolve(benchmark, "auto", "cifar10").values
    space = benchmark.space
    rng = np.random.RandomState(0)
    archs = [a.id for a in space.architectures("reachable")]
    archs = [archs[k] for k in rng.permutation(len(archs))[:3000]]
    sizes = [space.costs(space.parse(arch), "cifar10") for arch in archs]
    accuracy = truth.loc[archs].to_numpy(dtype=float)
    ranks = stats.rankdata(accuracy)
    columns = {
        "params": np.array([float(size.params) for size in sizes]),
        "flops": np.array([float(size.flops) for size in sizes]),
        "noisy": ranks + rng.normal(0, 1200, len(ranks)),
    }
    tau = {name: kendall_tau(column, accuracy) for name, column in columns.items()}
    n, taus = 100, dict[str, list[float]]()
    for _ in range(1000):
        chosen = rng.choice(len(archs), n, replace=False)
        for name, column in columns.items():
            taus.setdefault(name, []).append(kendall_tau(column[chosen], accuracy[chosen]))
    for name, found in taus.items():
        assert np.std(found) == pytest.approx(power.tau_deviation(n, tau[name]), rel=0.1)
    for one in ("params", "flops"):
        between = kendall_tau(columns[one], columns["noisy"])
        difference = np.std(np.array(taus[one]) - np.array(taus["noisy"]))
        expected = power.difference_deviation(n, tau[one], tau["noisy"], between)
        assert difference == pytest.approx(expected, rel=0.1)
