"""Densities of the sampling literature belong to their exact draws and have their dimensions."""

import jax
import numpy as np
import pytest

from benchmarks.sampler_models import MODELS, SamplerModel
from benchmarks.sampler_units import measure, second_moment_error, squares_of

NUM_DRAWS = 4_000


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(MODELS))
def test_dimensions(name):
    model = MODELS[name]()
    assert np.isfinite(float(model.log_density(np.zeros(model.dim))))


@pytest.mark.long
@pytest.mark.parametrize("name", ["brownian_motion", "funnel", "rosenbrock"])
def test_scores_have_mean_zero_under_the_exact_draws(name):
    model = MODELS[name]()
    x = model.exact(np.random.default_rng(0), NUM_DRAWS)
    assert x.shape == (NUM_DRAWS, model.dim)
    scores = np.asarray(jax.jit(jax.vmap(jax.grad(model.log_density)))(x))
    standard_errors = scores.std(axis=0) / np.sqrt(NUM_DRAWS)
    # The largest of up to 36 standard normal variables exceeds 5 with probability 2e-5.
    assert np.all(np.abs(scores.mean(axis=0)) < 5.0 * standard_errors)


def test_the_error_is_that_of_the_worst_second_moment():
    reference = np.random.default_rng(0).standard_normal((1, 100_000, 2))
    # E[x²] = 1 and sd[x²] = sqrt(2): draws of sd 1.1 have an error of 0.21 / 1.414.
    draws = reference * np.array([1.0, 1.1])
    assert second_moment_error(draws, *squares_of(reference)) == pytest.approx(
        0.21 / np.sqrt(2), rel=0.02
    )


@pytest.mark.long
def test_a_measurement_counts_the_evaluations_of_a_fit(monkeypatch, tmp_path):
    gaussian = SamplerModel(
        "Gaussian", 2, lambda x: -0.5 * (x**2).sum(), lambda rng, n: rng.standard_normal((n, 2))
    )
    monkeypatch.setitem(MODELS, "gaussian", lambda: gaussian)
    row = measure("gaussian", tmp_path, 0)
    assert row["verdict"] == "good"
    # Every evaluation has one point or more, and the values without gradients are not counted.
    assert 0 < row["sequential"] < row["gradients"]
