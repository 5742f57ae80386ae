"""Places where the log density is rounding noise, and a search that must not end there."""

import numpy as np
import pytest
from scipy.special import gammaln

from helpers.targets import correlated_gaussian, make_target
from isogmm.api import fit_isogmm
from isogmm.locate.roughness import is_rough, is_rougher_than_others
from isogmm.results.groups import get_group


def cancelling(points):
    """A Gaussian N(3, 1), and far out the noise of large terms that cancel in exact numbers."""
    x = points[:, 0]
    large = np.exp(np.minimum(x, 80.0))
    large = large[:, None] * np.arange(1.0, 9.0)
    noise = gammaln(large + 1.0) - gammaln(large) - np.log(large)
    # Taken for a gain: what makes such a place attractive.
    return -0.5 * (x - 3.0) ** 2 + 1e3 * np.abs(noise).sum(axis=1), -(points - 3.0)


def rough_at(positions, target):
    positions = np.asarray(positions, dtype=float)
    return is_rougher_than_others(target, positions, *target.evaluate(positions))


def test_noise_is_told_from_slopes_and_edges():
    target = make_target(cancelling, 1)
    np.testing.assert_array_equal(rough_at([[3.0], [36.0], [0.0]], target), [False, True, False])
    # As steep as a standard deviation of 1e-6 around 1,000 is: no noise.
    steep = make_target(lambda x: (-0.5e12 * (x[:, 0] - 1e3) ** 2, -1e12 * (x - 1e3)), 1)
    np.testing.assert_array_equal(rough_at([[1e3], [1e3 + 3e-6]], steep), [False, False])


def test_curvature_is_no_noise():
    """A mode with an sd of 1e-13 near zero, a tenth of the step: the neck of a funnel."""
    narrow = make_target(lambda x: (-0.5e26 * x[:, 0] ** 2, -1e26 * x), 1)
    positions = np.array([[0.0], [1e-13]])
    assert not is_rough(narrow, positions, *narrow.evaluate(positions)).any()


def test_where_all_is_noise_nothing_is_dropped():
    generator = np.random.default_rng(0)
    target = make_target(lambda x: (generator.normal(0.0, 100.0, len(x)), np.zeros_like(x)), 2)
    assert not rough_at(np.zeros((5, 2)), target).any()


def test_a_smooth_density_is_nowhere_rough():
    target = correlated_gaussian(4, 1e6).target()
    assert not rough_at(np.random.default_rng(1).normal(size=(20, 4)) * 1e4, target).any()


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_the_search_does_not_end_in_noise():
    # A start spread far ends at a concentration of 1e20 and a "log evidence" of 70,000.
    numpyro = pytest.importorskip("numpyro")
    import jax.numpy as jnp
    import numpyro.distributions as dist

    generator = np.random.default_rng(0)
    shares = generator.dirichlet(2.0 * np.array([1.0, 2.0, 3.0, 4.0, 0.5]), 40)
    counts = np.stack([generator.multinomial(30, share) for share in shares])

    def model():
        concentration = numpyro.sample("concentration", dist.LogNormal(1, 1))
        base = numpyro.sample("base", dist.Dirichlet(jnp.ones(5)))
        with numpyro.plate("row", 40):
            likelihood = dist.DirichletMultinomial(concentration * base, total_count=30)
            numpyro.sample("counts", likelihood, obs=counts)

    idata = fit_isogmm(model, random_seed=2, progressbar=False)
    draws = get_group(idata, "posterior")["concentration"].values
    # NUTS: 20.2, sd 4.1.
    assert abs(draws.mean() - 20.2) < 0.1 * 4.1
    assert idata.attrs["verdict"] != "unreliable"
