"""How many architectures an evaluation needs, known before any is trained.

Accuracy and scores are thought of as monotone functions of jointly normal variables (the Gaussian
copula): Kendall's tau is then (2 / pi) arcsin rho, and the sampling variances of tau and of the
difference of two taus follow from their pairwise values alone. Ties and other dependences
move them; `tests/harness/evaluation/test_power.py` states by how much on NAS-Bench-201.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from harness.evaluation.metrics import Array

#: Half of a 95 % interval, in standard deviations.
_HALF = float(stats.norm.ppf(0.975))
#: Nodes a dimension of the quadrature: the third digit of a deviation does not move with more.
_NODES = 32
_MOST = 1_000_000


@dataclass(frozen=True)
class Assumed:
    """What is assumed of proxies and trainings.

    Attributes:
        tau: Of each proxy with the accuracy that infinitely many trainings would have as mean.
        between: Tau of two proxies with one another.
        retraining: Tau of two trainings of the same architectures; None: they agree entirely.
        seeds: Trainings that an accuracy is the mean of.
        power: Probability with which a difference that is there is to be decided.
    """

    tau: float = 0.6
    between: float = 0.7
    retraining: float | None = None
    seeds: int = 1
    power: float = 0.8

    @property
    def reliability(self) -> float:
        """Share of the variance of the mean accuracy that another training would repeat.

        Spearman and Brown: k r / (1 + (k - 1) r), r the correlation of two trainings.
        """
        if self.retraining is None:
            return 1.0
        single = max(rho_of(self.retraining), 0.0)
        return self.seeds * single / (1 + (self.seeds - 1) * single)

    def measured(self, tau: float) -> float:
        """What is left of a proxy's tau where accuracies are noisy (attenuation)."""
        return tau_of(rho_of(tau) * math.sqrt(self.reliability))

    @property
    def ceiling(self) -> float:
        """The highest tau that any proxy can have with the mean accuracy of the trainings."""
        return self.measured(1.0)


def rho_of(tau: float) -> float:
    """Correlation of two normal variables with that Kendall's tau: sin(pi tau / 2)."""
    return math.sin(math.pi * tau / 2)


def tau_of(rho: float) -> float:
    """Kendall's tau of two normal variables with that correlation (Greiner's relation)."""
    return 2 / math.pi * math.asin(rho)


def tau_deviation(n: int, tau: float) -> float:
    """Standard deviation of Kendall's tau of n draws of two normal variables.

    Exact (Esscher 1924; Kendall and Gibbons, "Rank correlation methods", section 10.7):
    var = 2 / (n (n - 1)) [1 - tau^2 + 2 (n - 2) (1/9 - (2/pi arcsin(rho / 2))^2)].
    """
    second = (2 / math.pi * math.asin(rho_of(tau) / 2)) ** 2
    variance = 2 / (n * (n - 1)) * (1 - tau**2 + 2 * (n - 2) * (1 / 9 - second))
    return math.sqrt(max(variance, 0.0))


def difference_deviation(n: int, first: float, second: float, between: float) -> float:
    """Standard deviation of the difference of two proxies' taus on the same n architectures.

    The difference is a U-statistic of order two with the kernel h = s_y (s_x - s_z), s the signs
    of differences within a pair (Hoeffding 1948):
    var = 2 / (n (n - 1)) [2 (n - 2) zeta_1 + zeta_2], zeta_2 = 2 - 2 tau_xz - (tau_x - tau_z)^2,
    zeta_1 the variance of the difference of the two taus' projections, 4 Phi_2(x, y) - 2 Phi(x)
    - 2 Phi(y) + 1, by quadrature.

    Args:
        n: Architectures.
        first: Tau of one proxy with the accuracy.
        second: That of the other.
        between: Of the proxies with one another.

    Raises:
        ValueError: No three normal variables have such taus.
    """
    one = _projected(first, second, between)
    two = 2 - 2 * between - (first - second) ** 2
    return math.sqrt(max(2 / (n * (n - 1)) * (2 * (n - 2) * one + two), 0.0))


@functools.lru_cache(maxsize=256)
def _projected(first: float, second: float, between: float) -> float:
    """zeta_1 of `difference_deviation`."""
    a, b, c = rho_of(first), rho_of(second), rho_of(between)
    covariance = np.array([[1, a, b], [a, 1, c], [b, c, 1]])
    values, vectors = np.linalg.eigh(covariance)
    if values.min() < -1e-9:
        raise ValueError(f"no proxies have tau {first}, {second} and {between} with one another")
    nodes, weights = special.roots_hermitenorm(_NODES)
    grid = np.array(list(itertools.product(nodes, repeat=3))).T
    joint = np.prod(np.array(list(itertools.product(weights, repeat=3))), axis=1)
    joint = joint / joint.sum()
    # Turned, so that no axis of the grid is a variable: there the projections are smooth.
    y, x, z = vectors @ (np.sqrt(np.clip(values, 0, None))[:, None] * (vectors.T @ grid))
    difference = _projection(x, y, a) - _projection(z, y, b)
    mean = float(joint @ difference)
    return float(joint @ (difference - mean) ** 2)


def _projection(x: Array, y: Array, rho: float) -> Array:
    """E[sign(x - X) sign(y - Y)] for normal X and Y, by Owen's T function."""
    if abs(rho) > 1 - 1e-9:  # one variable: min(Phi(x), Phi(y)), or its counterpart
        below = stats.norm.cdf(np.minimum(x, y))
        if rho < 0:
            below = np.maximum(stats.norm.cdf(x) + stats.norm.cdf(y) - 1, 0)
    else:
        # Owen 1956, eq. 2.1; a node at 0 exactly has no slope.
        x, y = (np.where(np.abs(v) < 1e-12, 1e-12, v) for v in (x, y))
        root = math.sqrt(1 - rho**2)
        below = (stats.norm.cdf(x) + stats.norm.cdf(y)) / 2 - (
            special.owens_t(x, (y / x - rho) / root) + special.owens_t(y, (x / y - rho) / root)
        )
        below = below - np.where(x * y < 0, 0.5, 0.0)
    return np.asarray(4 * below - 2 * stats.norm.cdf(x) - 2 * stats.norm.cdf(y) + 1)


# ------------------------------------------------------------------ what a user wants to know


def interval_width(n: int, assumed: Assumed) -> float:
    """Half of the expected 95 % interval of a proxy's tau on n architectures."""
    return _HALF * tau_deviation(n, assumed.measured(assumed.tau))


def smallest_difference(n: int, assumed: Assumed) -> float:
    """The smallest difference of two taus that n architectures decide.

    Of taus with the noise-free accuracy, around `Assumed.tau`; decided is one whose paired 95 %
    interval leaves out 0 with the probability `Assumed.power`. NaN where none is small enough.
    """
    low, high = 0.0, min(2 * assumed.tau, 2 * (1 - assumed.tau))
    if not _decides(n, high, assumed):
        return math.nan
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if _decides(n, middle, assumed) else (middle, high)
    return high


def _decides(n: int, difference: float, assumed: Assumed) -> bool:
    better, worse = (
        assumed.measured(min(max(assumed.tau + sign * difference / 2, -1.0), 1.0))
        for sign in (1, -1)
    )
    needed = _HALF + float(stats.norm.ppf(assumed.power))
    # The deviation without a difference: the taus that are assumed need not allow for one.
    measured = assumed.measured(assumed.tau)
    deviation = difference_deviation(n, measured, measured, assumed.between)
    return better - worse >= needed * deviation


def needed_for_interval(half: float, assumed: Assumed) -> int:
    """Architectures whose 95 % interval of a proxy's tau is no wider than +- `half`."""
    return _least(lambda n: interval_width(n, assumed) <= half)


def needed_for_difference(difference: float, assumed: Assumed) -> int:
    """Architectures that decide a difference of two proxies' taus; see `smallest_difference`."""
    return _least(lambda n: _decides(n, difference, assumed))


def _least(enough: Callable[[int], bool]) -> int:
    """The smallest n that is enough, of those up to a million."""
    low, high = 2, 4
    while not enough(high):
        if high > _MOST:
            raise ValueError(f"more than {_MOST:,} architectures are needed")
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def lines(n: int, assumed: Assumed, wanted: float = 0.05) -> list[str]:
    """What n architectures decide, and how many would be needed, in words."""
    of = (
        f"assumed: tau {assumed.tau:g} of a proxy with the accuracy, {assumed.between:g} of two "
        "proxies with one another"
    )
    if assumed.retraining is not None:
        of += (
            f"; two trainings agree at tau {assumed.retraining:.2f}, mean over {assumed.seeds}, so "
            f"that no proxy is expected above tau {assumed.ceiling:.2f}"
        )
    smallest = smallest_difference(n, assumed)
    decides = "no difference" if math.isnan(smallest) else f"a difference of {smallest:.2f}"
    interval = _counted(needed_for_interval, wanted, assumed)
    difference = _counted(needed_for_difference, wanted, assumed)
    return [
        of,
        f"with {n:,} architectures the 95 % interval of tau is about "
        f"+-{interval_width(n, assumed):.2f}, and {decides} between two proxies is decided "
        f"(paired, with probability {assumed.power:g})",
        f"an interval of +-{wanted:g} takes {interval} architectures, deciding a difference of "
        f"{wanted:g} takes {difference}",
    ]


def _counted(needed: Callable[[float, Assumed], int], wanted: float, assumed: Assumed) -> str:
    try:
        return f"{needed(wanted, assumed):,}"
    except ValueError:
        return f"more than {_MOST:,}"


def after(assumed: Assumed, retraining: float, seeds: int) -> Assumed:
    """The same, with what has been seen of the trainings."""
    return replace(assumed, retraining=retraining, seeds=seeds)
