from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.nasbench201.architecture import Cell
from benchmarks.nasbench201.network import Network
from benchmarks.types import Batch
from harness.proxies import Score
from harness.proxies.vkdnw import (
    Factor,
    decile_entropy,
    fisher_matrix,
    softmax_covariance_factor,
    spectrum_deciles,
    vkdnw,
    vkdnw_exact,
)
from harness.scoring.initialise import initialise
from tests.harness.networks import (
    ALL_NONE,
    ALL_SKIP,
    LARGE,
    MIXED,
    SPACE,
    batch_of,
    network_of,
    noise,
    state_of,
)
from tests.reference import vkdnw as literal

Function = Callable[[nn.Module, Batch], Score]
FACTORS: list[tuple[Function, bool]] = [(vkdnw, False), (vkdnw_exact, True)]


def parts(function: Function, network: nn.Module, batch: Batch) -> Mapping[str, float]:
    result = function(network, batch)
    assert isinstance(result, Mapping)
    return result


def covariance(p: Tensor) -> Tensor:
    return torch.diag_embed(p) - p[..., :, None] * p[..., None, :]


@example([1.0, 1e-30, 1e-30])  # the tail behind the first is lost to rounding
@given(st.lists(st.floats(1e-30, 1), min_size=1, max_size=12))
def test_factor_is_a_cholesky_factor(weights: list[float]) -> None:
    p = torch.tensor(weights, dtype=torch.float64)
    p /= p.sum()
    lower = softmax_covariance_factor(p)
    torch.testing.assert_close(lower @ lower.mT, covariance(p), rtol=0, atol=1e-15)
    assert not lower.triu(1).any()
    assert not lower[:, -1].any()
    assert (lower.diagonal() >= 0).all()


def test_factor_of_a_batch_is_that_of_its_members() -> None:
    p = torch.randn(2, 3, 120, dtype=torch.float64).softmax(-1)
    lower = softmax_covariance_factor(p)
    torch.testing.assert_close(lower @ lower.mT, covariance(p), rtol=1e-10, atol=1e-16)
    assert lower[1, 2].equal(softmax_covariance_factor(p[1, 2]))


def smoothed(logits: Tensor) -> Tensor:
    return 0.95 * logits.softmax(-1) + 0.05 / logits.shape[-1]


def test_exact_factor_gives_the_fisher_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    jacobian = torch.randn(4, 7, 5, generator=generator, dtype=torch.float64)
    expected = (jacobian.mT @ covariance(smoothed(logits)) @ jacobian).mean(0)
    torch.testing.assert_close(fisher_matrix(logits, jacobian, "exact"), expected)
    assert not torch.allclose(fisher_matrix(logits, jacobian, "public"), expected)


@pytest.mark.parametrize("factor", ["public", "exact"])
def test_fisher_matrix_equals_literal(factor: Factor) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    jacobian = torch.randn(4, 7, 5, generator=generator, dtype=torch.float64)
    found = fisher_matrix(logits.float(), jacobian.float(), factor)
    expected = literal.fisher(
        logits.float().double().numpy(), jacobian.float().double().numpy(), exact=factor == "exact"
    )
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("function", "exact"), FACTORS)
@pytest.mark.parametrize("cell", [ALL_SKIP, MIXED], ids=["21 tensors", "156 tensors"])
def test_equals_literal(cell: Cell, function: Function, exact: bool) -> None:
    network, inputs = network_of(cell), noise(6)
    found = parts(function, network, batch_of(inputs))
    layers, entropy, deciles = literal.vkdnw(network, inputs, exact=exact)
    assert found["layers"] == layers
    assert found["entropy"] == pytest.approx(entropy, rel=1e-9)
    assert found["score"] == pytest.approx(layers + entropy, rel=1e-12)
    found_deciles = [found[f"decile_{k}"] for k in range(1, 10)]
    assert found_deciles == pytest.approx(deciles, rel=1e-9, abs=1e-12 * deciles[-1])
    assert 0.1 < entropy < math.log(9)  # no trivial spectrum


def test_factors_differ() -> None:
    network, batch = network_of(MIXED), batch_of(noise(6))
    assert parts(vkdnw, network, batch)["entropy"] != pytest.approx(
        parts(vkdnw_exact, network, batch)["entropy"], rel=1e-3
    )


@pytest.mark.parametrize("function", [vkdnw, vkdnw_exact])
def test_parts(function: Function) -> None:
    network = Network(MIXED, 100).eval()
    initialise(network, "kaiming", 0)
    found = parts(function, network, batch_of(noise(4).float()))
    deciles = [f"decile_{k}" for k in range(1, 10)]
    assert list(found) == ["score", "layers", "entropy", *deciles]
    assert all(type(value) is float for value in found.values())
    assert found["score"] == found["layers"] + found["entropy"]
    assert [found[name] for name in deciles] == sorted(found[name] for name in deciles)


@pytest.mark.parametrize("cell", [ALL_NONE, ALL_SKIP, MIXED, LARGE])
def test_layers_are_the_closed_form(cell: Cell) -> None:
    found = parts(vkdnw, network_of(cell), batch_of(noise(2)))
    assert found["layers"] == SPACE.costs(cell, "cifar10").layers


@pytest.mark.parametrize("function", [vkdnw, vkdnw_exact])
def test_disconnected_cell(function: Function) -> None:
    network = Network(ALL_NONE, 10).eval()
    initialise(network, "kaiming", 0)
    found = parts(function, network, batch_of(noise(4).float()))
    assert (found["layers"], found["entropy"], found["score"]) == (21, 0, 21)


@given(st.lists(st.floats(0, 1e6), min_size=9, max_size=9))
def test_entropy_is_bounded(deciles: list[float]) -> None:
    entropy = decile_entropy(torch.tensor(sorted(deciles), dtype=torch.float64))
    assert -1e-8 <= entropy <= math.log(9) + 1e-8


def test_entropy_of_known_spectra() -> None:
    assert decile_entropy(torch.full((9,), 3.0).double()) == pytest.approx(math.log(9))
    assert decile_entropy(torch.tensor([0.0] * 7 + [1.0, 1.0])) == pytest.approx(math.log(2))
    assert decile_entropy(torch.tensor([0.0] * 8 + [5.0]).double()) == pytest.approx(0, abs=1e-9)
    assert decile_entropy(torch.zeros(9)) == 0


def test_deciles_interpolate() -> None:
    eigenvalues = torch.tensor([4.0, 0.0, 1.0, 8.0], dtype=torch.float64)
    expected = [float(np.quantile(eigenvalues.numpy(), k / 10)) for k in range(1, 10)]
    assert spectrum_deciles(eigenvalues.diag()).tolist() == pytest.approx(expected)
    assert expected[0] == pytest.approx(0.3)


def test_leaves_nothing_behind() -> None:
    network = network_of(MIXED)
    before = state_of(network)
    vkdnw(network, batch_of(noise(2)))
    assert state_of(network) == before
