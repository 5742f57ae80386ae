"""Pareto smoothing, R-hat and the effective sample size, with either version of ArviZ."""

import numpy as np
import pytest

from isogmm import inference_data as idt
from isogmm.results.arviz import versions as arviz_versions


@pytest.mark.parametrize("shape", [0.3, 0.7, 1.2])
def test_psis_finds_the_shape_of_a_generalized_pareto_tail(shape):
    """Above a threshold the ratios u^-k have a generalized Pareto distribution of shape k.

    The standard error of the estimate is (1 + k)/sqrt(M) for M tail points.  ArviZ shrinks the
    estimate towards 0.5 with the weight of ten points.
    """
    n = 40_000
    uniform = np.random.default_rng(5).uniform(size=n)
    ratios = uniform**-shape
    weights, k = idt.psis(np.log(ratios).reshape(4, -1))
    tail = np.ceil(3 * np.sqrt(n))
    error = (1 + shape) / np.sqrt(tail)
    bias = 10 / (tail + 10) * abs(shape - 0.5)
    assert abs(k - shape) < bias + 5 * error
    # Ratios of the opposite sign, u^k, are bounded and uniform near their maximum: k = -1.
    assert idt.psis(-np.log(ratios))[1] < 0
    assert weights.shape == (4, n // 4)
    np.testing.assert_allclose(np.exp(weights).sum(), 1.0, rtol=1e-10)
    # Smoothing changes the tail only: the other weights keep their ratios.
    order = np.argsort(ratios)
    flat, body = weights.ravel(), order[: int(0.9 * n)]
    np.testing.assert_allclose(
        flat[body] - flat[body[0]], np.log(ratios[body] / ratios[body[0]]), atol=1e-8
    )
    assert (np.diff(flat[order]) >= -1e-12).all()


def test_psis_of_special_cases():
    generator = np.random.default_rng(0)
    ratios = generator.normal(size=400)
    before = ratios.copy()
    idt.psis(ratios)
    np.testing.assert_array_equal(ratios, before)
    weights, k = idt.psis(np.full(100, 7.0))
    assert k == 0.0
    np.testing.assert_allclose(weights, -np.log(100))
    weights, k = idt.psis(np.full(10, -np.inf))
    assert k == np.inf
    np.testing.assert_allclose(weights, -np.log(10))
    gaps = ratios.copy()
    gaps[:40], gaps[40:50] = -np.inf, np.nan
    weights, k = idt.psis(gaps)
    assert np.isfinite(k)
    assert (np.exp(weights[:50]) == 0).all()
    np.testing.assert_allclose(np.exp(weights).sum(), 1.0, rtol=1e-10)
    gaps[7] = np.inf
    weights, k = idt.psis(gaps)
    assert k == np.inf
    assert np.exp(weights[7]) == 1.0
    for few in (2, 4, 24):
        weights, k = idt.psis(ratios[:few])
        assert k == np.inf
        np.testing.assert_allclose(np.diff(weights), np.diff(ratios[:few]), rtol=1e-12)
    assert not np.isnan(idt.psis(ratios[:25])[1])
    # The largest ratios are equal, so there is no tail to fit.
    capped = np.minimum(ratios, 0.0)
    weights, k = idt.psis(capped)
    assert k == 0.0
    np.testing.assert_allclose(weights - weights.max(), capped, atol=1e-12)


def test_rhat_and_ess_by_variable():
    generator = np.random.default_rng(2)
    draws = generator.normal(size=(4, 500, 3, 2))
    draws[0, :, 1, 1] += 3.0
    rhat, ess = idt.rhat(draws), idt.ess(draws)
    assert rhat.shape == ess.shape == (3, 2)
    assert rhat[1, 1] > 1.2
    assert np.delete(rhat.ravel(), 3).max() < 1.02
    assert ess[1, 1] < 50
    # For 2,000 independent draws the error of the estimate is a few per cent.
    assert np.delete(ess.ravel(), 3).min() > 1500
    assert np.ndim(idt.rhat(draws[..., 0, 0])) == 0
    # Zero variance within and between chains: R-hat is not defined.
    assert np.isnan(idt.rhat(np.ones((4, 100))))


@pytest.mark.parametrize("package", ["arviz", "arviz_stats"])
@pytest.mark.parametrize("size", [100, 4000])
def test_psis_smooths_the_tail_of_independent_draws(size, package, monkeypatch):
    """min(S / 5, 3 sqrt(S)) ratios, as for a relative efficiency of one.

    ArviZ 0.23 needs ``arviz_stats`` too, so that both calls are tested on Python 3.11.
    """
    if package == "arviz_stats":
        pytest.importorskip("arviz_stats")
        monkeypatch.setattr(arviz_versions, "is_first_generation", lambda: False)
    ratios = 2.0 * np.random.default_rng(3).standard_normal(size)
    smoothed, _ = idt.psis(ratios)
    change = smoothed - ratios
    num_changed = np.count_nonzero(np.abs(change - np.median(change)) > 1e-12)
    assert abs(num_changed - min(size / 5, 3 * np.sqrt(size))) <= 2
