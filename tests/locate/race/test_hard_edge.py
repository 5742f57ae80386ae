"""Densities that are -inf beyond a hard edge: a flagged fit instead of a wrong diagnosis."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import FitWarning, ModelError
from isogmm.locate.paths.starts import paths_from
from isogmm.locate.race.hard_edge import gaussian_at_edge

pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked")]


def density(function, dim=1):
    return isogmm.LogDensity(function, np.ones(dim))


def exponential(x):
    return jnp.where((x > 0).all(), -x.sum(), -jnp.inf)


def far_from_the_edge(x):
    return jnp.where(x[0] > 3, -0.5 * jnp.sum(x**2), -jnp.inf)


def flat(x):
    return jnp.where(x[0] > 0, 0.0, -jnp.inf)


@pytest.mark.parametrize("dim", [1, 3])
def test_the_gaussian_has_the_moments_of_the_density(dim):
    """An exponential distribution has mean and standard deviation 1.

    The last Gaussian comes from at least 256 weighted draws. Their weights are exp(-x) over a
    normal density, and the efficiency is above a tenth: five standard errors are 5 / √25.
    """
    target, generator = density(exponential, dim).to_target(), np.random.default_rng(0)
    paths, _ = paths_from(target, generator, 8, [])
    found = gaussian_at_edge(target, generator, paths, 0)
    np.testing.assert_allclose(found.best.means[0], 1.0, atol=1.0)
    sd = np.sqrt((found.best.factors[0] ** 2).sum(axis=1))
    np.testing.assert_allclose(np.log(sd), 0.0, atol=1.0)


def test_a_density_without_an_edge_has_no_such_gaussian():
    target, generator = (
        density(lambda x: -0.5 * jnp.sum(x**2)).to_target(),
        np.random.default_rng(0),
    )
    paths, _ = paths_from(target, generator, 8, [])
    assert gaussian_at_edge(target, generator, paths, 0) is None


@pytest.mark.usefixtures("short_search")
def test_the_fit_is_flagged():
    check_flagged(exponential)


@pytest.mark.long
def test_the_fit_is_flagged_far_from_the_edge():
    """A short search has too few starting points for this density."""
    check_flagged(far_from_the_edge)


def check_flagged(function):
    # The default limit of 10,000 iterations ends the fit, too.
    options = {"draws": 100, "chains": 2, "refine": 0, "max_iterations": 500}
    with pytest.warns(FitWarning, match="drops to zero at a boundary"):
        idata = isogmm.fit_isogmm(density(function), random_seed=0, progressbar=False, **options)
    assert idata.attrs["verdict"] == "unreliable"
    assert "Choose priors that exclude this region" in idata.attrs["advice"]


def test_an_improper_density_with_an_edge_is_refused():
    with pytest.raises(ModelError, match="improper"):
        isogmm.fit_isogmm(density(flat), random_seed=0, progressbar=False)
