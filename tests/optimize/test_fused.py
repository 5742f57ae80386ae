"""The compiled loop gives the same results as the loop in Python."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.targets import gaussian
from helpers.tolerances import assert_close
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization import UniformMeans
from isogmm.optimize import optimize
from isogmm.optimize.fused import MAX_BLOCK_NUMBERS, optimize_fused
from isogmm.optimize.gradients import GaussHermite, MonteCarlo
from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay
from isogmm.optimize.stopping import ElboPlateau, MaxIterations
from isogmm.optimize.updates import (
    BuresWasserstein,
    EntropicMirror,
    LearnedWeights,
    RelativeStep,
    SharedVariance,
    TrustRegion,
)
from isogmm.results.stop_reason import StopReason

#: The optimization broadcasts as NumPy does, because it runs in NumPy and in JAX.
pytestmark = pytest.mark.weak_dtypes

PAPER = {"schedule": Constant(0.05), "stopping": MaxIterations(37, window=10)}
RECIPE = {
    "rule": RelativeStep(TrustRegion(BuresWasserstein())),
    "schedule": ConstantThenLinearDecay(0.25),
    "stopping": ElboPlateau(first_window=10, max_iterations=90),
}
CASES = {
    "ibw": {"rule": BuresWasserstein(0.05), **PAPER},
    "shared": {"rule": SharedVariance(EntropicMirror(0.05)), **PAPER},
    "recipe": RECIPE,
    "learned": {**RECIPE, "weights": LearnedWeights()},
    "quadrature": {"rule": EntropicMirror(0.05), "estimator": GaussHermite(5), **PAPER},
}


def skewed(x):
    return -jnp.sum(jnp.exp(0.5 * x) - x) - 0.1 * jnp.sum(x**2)


def bounded(x):
    return jnp.where(x[0] > 0, -0.5 * jnp.sum(x**2), -jnp.inf)


def target(fn=skewed):
    return isogmm.LogDensity(fn, np.zeros(2)).to_target()


def start(chains=2, affine_map=None):
    if affine_map is None:
        affine_map = AffineMap(np.array([0.5, -1.0]), np.array([1.0, 2.0]))
    generator = np.random.default_rng(1)
    return UniformMeans(2.0, 1.0).initialize(generator, chains, 3, affine_map)


def both(problem, **options):
    options = {"estimator": MonteCarlo(4), **options}
    return [
        run(problem, start(), generator=np.random.default_rng(2), **options)
        for run in (optimize, optimize_fused)
    ]


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_same_noise_gives_the_same_fit(name, unchecked):
    plain, fused = both(target(), **CASES[name])
    assert plain.iterations == fused.iterations
    assert plain.stop_reason is fused.stop_reason
    for part in ("means", "variances", "log_weights"):
        assert_close(getattr(fused.mixture, part), getattr(plain.mixture, part))
    for column in ("iteration", "elbo", "elbo_se", "step_size", "gradient_evaluations"):
        assert_close(fused.history[column].astype(float), plain.history[column].astype(float))


def test_results_do_not_depend_on_the_block_length(monkeypatch, unchecked):
    plain, _ = both(target(), **CASES["ibw"])
    monkeypatch.setattr("isogmm.optimize.fused.MAX_BLOCK_LENGTH", 4)
    _, fused = both(target(), **CASES["ibw"])
    assert_close(fused.mixture.means, plain.mixture.means)
    assert MAX_BLOCK_NUMBERS > 4


def test_points_outside_the_support_are_counted(unchecked):
    plain, fused = both(target(bounded), **CASES["ibw"])
    assert plain.history["nonfinite"].sum() > 0
    np.testing.assert_array_equal(plain.history["nonfinite"], fused.history["nonfinite"])
    assert_close(fused.mixture.means, plain.mixture.means)


def test_the_start_is_kept_without_finite_samples(unchecked):
    nowhere = target(lambda x: jnp.sum(x) * jnp.nan)
    result = optimize_fused(
        nowhere,
        start(),
        estimator=MonteCarlo(2),
        generator=np.random.default_rng(0),
        **CASES["ibw"],
    )
    assert result.stop_reason is StopReason.NON_FINITE
    assert_close(result.mixture.means, start().means)


def test_a_callback_ends_the_fit(unchecked):
    seen = []
    result = optimize_fused(
        target(),
        start(),
        estimator=MonteCarlo(2),
        generator=np.random.default_rng(0),
        callback=lambda check: seen.append(check.iteration) or True,
        **CASES["ibw"],
    )
    assert result.stop_reason is StopReason.CALLBACK
    assert seen == [10]


def test_other_targets_are_rejected():
    with pytest.raises(OptionError, match="not a JAX function"):
        optimize_fused(
            gaussian(np.zeros(2), np.eye(2)).target(),
            start(),
            estimator=MonteCarlo(2),
            generator=np.random.default_rng(0),
            **CASES["ibw"],
        )


@pytest.mark.float32
def test_arithmetic_has_the_precision_of_the_model(unchecked):
    result = optimize_fused(
        isogmm.LogDensity(skewed, np.zeros(2), x64=False).to_target(),
        start(),
        estimator=MonteCarlo(2),
        generator=np.random.default_rng(0),
        **CASES["ibw"],
    )
    assert result.mixture.means.dtype == np.float32
    assert np.isfinite(result.mixture.means).all()
