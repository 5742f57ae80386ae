"""The models of the calibration benchmark, and its table."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from benchmarks import calibrate_models
from benchmarks.calibrate_models import HiddenMarkov

STAY, MEANS = 0.8, np.array([-1.0, 2.0])


@pytest.mark.long
def test_the_hidden_states_are_summed_out():
    y = np.array([-0.5, 0.3, 2.1, 1.0])
    total = 0.0
    for states in itertools.product(range(2), repeat=len(y)):
        jumps = np.diff(states) != 0
        transitions = 0.5 * np.prod(np.where(jumps, 1.0 - STAY, STAY))
        total += transitions * np.prod(norm.pdf(y, MEANS[list(states)], 1.0))
    with jax.numpy_rank_promotion("allow"):
        found = HiddenMarkov(jnp.array(STAY), jnp.array(MEANS), len(y)).log_prob(jnp.array(y))
    assert float(found) == pytest.approx(np.log(total), rel=1e-5)


@pytest.mark.long
def test_simulated_states_switch_as_often_as_they_should():
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        # Means so far apart that the states can be read from the values.
        chain = HiddenMarkov(jnp.array(STAY), jnp.array([-20.0, 20.0]), 4_000)
        y = np.asarray(chain.sample(jax.random.key(0)))
    switches = np.mean(np.diff(y > 0) != 0)
    standard_error = np.sqrt(STAY * (1.0 - STAY) / 3_999)
    assert abs(switches - (1.0 - STAY)) < 5.0 * standard_error


@pytest.mark.long
def test_the_command_prints_one_row_for_each_model(capsys):
    (row,) = calibrate_models.main(["--n", "10", "--only", "regression"])
    assert sum(row["verdicts"].values()) == 10
    assert capsys.readouterr().out.count("\n| regression |") == 1
