"""The temperatures and the evidence of a run of SMC, with steps that are given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isogmm import OptionError
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.samplers.smc_from import _evidence
from isogmm.samplers.tempering import _run

pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked")]

MIXTURE = IsotropicMixture(np.zeros((1, 2)), np.ones(1), np.zeros(1))


def run(temperatures, keys, seed=0):
    """A run whose steps reach these temperatures and move all particles by one."""
    left = [*temperatures, 1.0]

    def step(key, state, step_size):
        keys.append(tuple(np.asarray(jax.random.key_data(key)).tolist()))
        temperature = left.pop(0)
        increment = temperature - float(state.tempering_param)
        state = state._replace(
            particles=state.particles + 1.0, tempering_param=jnp.asarray(temperature)
        )
        return state, jnp.asarray(3.0 * increment), jnp.asarray(0.7)

    generator = np.random.default_rng(seed)
    return _run(step, MIXTURE, 50, 2, generator, lambda temperature: None)


def test_a_run_ends_with_moves_at_the_posterior():
    pytest.importorskip("blackjax")
    keys = []
    found = run([0.2, 0.6, 1.0], keys)
    assert found.num_temperatures == 4
    np.testing.assert_allclose(found.log_evidence, 3.0)
    start = MIXTURE.sample(np.random.default_rng(0), 50)[0]
    np.testing.assert_allclose(found.positions, start + 4.0)
    # Nine gradients for the eight leapfrog steps of each of two moves.
    assert found.num_gradients == 4 * 50 * 2 * 9
    # Every step of every run has its own key.
    run([0.2, 1.0], keys, seed=1)
    assert len(set(keys)) == len(keys) == 7


def test_a_run_that_does_not_reach_the_posterior_is_an_error():
    pytest.importorskip("blackjax")
    for temperatures in (np.linspace(0.0, 0.9, 300), [0.1, np.nan]):
        with pytest.raises(OptionError, match="stopped at inverse temperature"):
            run(temperatures, [])


def test_the_evidence_is_the_mean_of_the_runs():
    values = np.log([1.0, 2.0, 6.0]) + 1_000.0
    log_mean, se = _evidence(values)
    np.testing.assert_allclose(log_mean, np.log(3.0) + 1_000.0)
    np.testing.assert_allclose(se, np.std([1, 2, 6], ddof=1) / np.sqrt(3) / 3.0)
    assert _evidence(values[:1]) == (pytest.approx(1_000.0), None)
