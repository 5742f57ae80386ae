"""The log density of simplex sites where NumPyro clips their shares."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import potential_energy

from isogmm.model.to_target import to_target

pytestmark = pytest.mark.numpyro

COUNTS = np.array([0, 5, 3, 10])


def model(counts):
    concentration = numpyro.sample("concentration", dist.Gamma(2, 1))
    shares = numpyro.sample("shares", dist.Dirichlet(concentration * jnp.ones(4)))
    numpyro.sample("counts", dist.Multinomial(18, shares), obs=counts)


def rows(counts):
    with numpyro.plate("rows", 2):
        shares = numpyro.sample("shares", dist.Dirichlet(0.1 * jnp.ones(4)))
        numpyro.sample("counts", dist.Multinomial(18, shares), obs=jnp.stack([counts, counts]))


@pytest.mark.parametrize(("model", "dim"), [(model, 4), (rows, 6)])
def test_the_log_density_decreases_where_a_share_is_clipped(model, dim):
    first = dim - 3  # of the last simplex
    near, far = np.zeros((2, dim))
    # The smallest share of float64 has the logarithm -708.
    near[first], far[first] = -1000.0, -2000.0
    with jax.numpy_rank_promotion("allow"):  # NumPyro's transform promotes in plates
        target = to_target(model, (COUNTS,), {}, 0)
        values, gradients = target.evaluate(np.stack([near, far]))
    # The exact log-determinant is log(share); the log likelihood of a count of zero is constant.
    assert values[0] - values[1] == pytest.approx(1000.0, rel=1e-3)
    assert gradients[:, first] == pytest.approx(1.0)


def test_the_log_density_is_that_of_numpyro_elsewhere():
    target = to_target(model, (COUNTS,), {}, 0)
    position = np.array([0.3, -20.0, 1.0, 30.0])
    unconstrained = {"concentration": position[0], "shares": position[1:]}
    energy = jax.jit(lambda z: potential_energy(model, (COUNTS,), {}, z))(unconstrained)
    assert target.evaluate(position[None])[0] == pytest.approx(-np.asarray(energy), rel=1e-6)
