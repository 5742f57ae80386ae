"""Causes of wrong draws in the log density itself."""

from dataclasses import replace
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from helpers.targets import correlated_gaussian
from isogmm import LogDensity
from isogmm.draws.pool import Pool
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.judgment import causes
from isogmm.recipe.judgment.causes import with_causes, with_tests
from isogmm.recipe.judgment.findings import Findings
from isogmm.recipe.judgment.missing_gradients import MissingGradients, missing_gradients
from isogmm.recipe.thresholds import MAX_NONFINITE_SHARE, MAX_STUCK_SHARE
from isogmm.results.labeling.labels import DrawSource

pytestmark = pytest.mark.usefixtures("unchecked")

FINDINGS = Findings(
    source=DrawSource.CHAINS, pareto_k=0.1, relative_ess=0.9, rhat=1.0, rhat_name="x"
)
#: What the refinement says about chains that mix.
MIXING = {"still_drifting": False, "is_independent": True, "stuck_share": 0.0}
#: Draws of every coordinate, at quantiles of the normal distribution.
QUANTILES = norm.ppf((np.arange(1000) + 0.5) / 1000)


def target():
    return FitTarget.of(correlated_gaussian(2).target())


def pool_of(target, *, log_q=None):
    """Draws whose coordinates are all the quantiles, from two chains."""
    positions = np.repeat(QUANTILES[:, None], target.dim, axis=1).reshape(2, 500, target.dim)
    if log_q is None:
        log_q = norm.logpdf(positions[..., 0])
    zero = np.zeros((2, 500), dtype=int)
    return Pool(positions, zero, target.values(positions), log_q, log_q)


def delivery_of(target, **changes):
    """Draws, and chains with these properties."""
    return SimpleNamespace(
        selection=SimpleNamespace(positions=pool_of(target).positions),
        refined=SimpleNamespace(**{**MIXING, **changes}),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"still_drifting": True}, "x[1]"),
        ({"stuck_share": 1.01 * MAX_STUCK_SHARE}, "x[1]"),
        ({"is_independent": False}, "x[1]"),
    ],
)
def test_chains_that_drift_hardly_move_or_do_not_mix_are_tested_for_an_improper_posterior(
    changes, expected, monkeypatch
):
    monkeypatch.setattr(causes.improper, "improper_direction", lambda *given, **options: "x[1]")
    delivery = delivery_of(target(), **changes)
    found, reason = with_tests(target(), pool_of(target()), delivery, FINDINGS)
    assert (found.improper_direction, reason) == (expected, None)


def test_jumps_and_rounding_errors_are_causes(monkeypatch):
    monkeypatch.setattr(causes, "coordinate_with_jumps", lambda *arguments: "x[0]")
    monkeypatch.setattr(causes, "rounding_error", lambda *arguments: 0.25)
    found, reason = with_causes(target(), pool_of(target()), delivery_of(target()), FINDINGS)
    assert reason is None
    assert (found.jumps_along, found.rounding_error) == ("x[0]", 0.25)


def without_gradient(edge):
    """A standard normal in two coordinates; the gradient by ``b`` is NaN below the edge."""

    def log_density(x):
        unused = jnp.where(x["b"] > edge, 0.0 * jnp.sqrt(x["b"] - edge), 0.0)
        return -0.5 * (x["a"] ** 2 + x["b"] ** 2) + unused

    model = LogDensity(log_density, {"a": np.zeros(()), "b": np.ones(())}, x64=True)
    return FitTarget.of(model.to_target())


@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_the_posterior_mass_without_a_gradient(shift):
    target = without_gradient(norm.ppf(0.1))
    # The log weights log π - log q are those of a normal density, and a constant.
    log_q = pool_of(without_gradient(-10.0)).log_density - shift
    found = missing_gradients(target, pool_of(target, log_q=log_q))
    assert found.mass == pytest.approx(0.1, rel=1e-9)
    assert found.names == ("b",)
    assert missing_gradients(target, pool_of(without_gradient(-10.0))) == MissingGradients()


def test_draws_without_a_gradient_count_with_their_weights():
    target = without_gradient(0.0)
    density = pool_of(without_gradient(-10.0)).log_density
    # Weights of 1/4 below zero, and of 1 above it.
    log_q = density + np.where(QUANTILES.reshape(2, 500) < 0.0, np.log(4.0), 0.0)
    found = missing_gradients(target, pool_of(target, log_q=log_q))
    assert found.mass == pytest.approx(0.2, rel=1e-9)


def test_a_boundary_is_no_missing_gradient():
    model = LogDensity(lambda x: jnp.where(x > 0.0, -0.5 * x**2, -jnp.inf), np.ones(()), x64=True)
    target = FitTarget.of(model.to_target())
    pool = pool_of(target)
    assert pool.num_nonfinite == 500
    assert missing_gradients(target, pool) == MissingGradients()
    # Rounding differs between the programs for many points and for one, which is finite here.
    elsewhere = without_gradient(-10.0)
    log_density = np.where(QUANTILES.reshape(2, 500) < 0.0, -np.inf, 0.0)
    pool = replace(pool_of(elsewhere), log_density=log_density)
    assert missing_gradients(elsewhere, pool) == MissingGradients()


def test_missing_gradients_are_tested_in_every_fit():
    target = without_gradient(0.0)
    found, _ = with_tests(target, pool_of(target), delivery_of(target), FINDINGS)
    assert found.missing_gradients.mass > 0.1


@pytest.mark.parametrize(("share", "is_named"), [(0.99, False), (1.01, True)])
def test_terms_that_are_not_finite_are_named(share, is_named, monkeypatch):
    monkeypatch.setattr(causes, "coordinate_with_jumps", lambda *arguments: None)
    target = without_gradient(0.0)
    asked = []
    target.explain = lambda positions: asked.append(positions) or "The factor 'f' is nan."
    findings = replace(FINDINGS, nonfinite_share=share * MAX_NONFINITE_SHARE)
    found, _ = with_causes(target, pool_of(target), delivery_of(target), findings)
    assert found.nonfinite_terms == ("The factor 'f' is nan." if is_named else "")
    assert len(asked) == is_named
    assert all((positions < 0.0).all() for positions in asked)
