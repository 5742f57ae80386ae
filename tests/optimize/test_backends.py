"""The loop in NumPy and in JAX: equal numbers, few programs, and the precision of the start."""

import jax
import numpy as np
import pytest

from helpers import rules
from helpers.loops import fit, start
from helpers.targets import correlated_gaussian
from isogmm.mixtures.affine_map import dense_map, identity_map
from isogmm.model.programs.precision import in_precision
from isogmm.optimize.backends import JaxBackend, _compiled
from isogmm.optimize.iteration import Rules
from isogmm.optimize.schedules import ConstantThenLinearDecay
from isogmm.optimize.stopping import MaxIterations
from isogmm.optimize.updates import BuresWasserstein, LearnedWeights, RelativeStep, TrustRegion
from isogmm.optimize.whitening import AdaptDense

#: Rules whose programs are compiled before every merge.  The steps of all rules in NumPy and in JAX
#: are compared in ``updates/test_rules.py``.
STANDARD = ("ibw", "relative_trust_ibw")


# The optimization loop broadcasts ranks as the array API does.
@pytest.fixture(autouse=True)
def _ranks_broadcast():
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, marks=() if name in STANDARD else pytest.mark.long)
        for kind in ("dense", "identity")
        for name in rules.ALL
    ],
)
def test_numpy_and_jax_agree(kind, name):
    truth = correlated_gaussian(4, 10.0)
    affine_map = identity_map(4)
    if kind == "dense":
        affine_map = dense_map(np.full(4, 0.3), truth.covariances[0])
    both = [
        fit(
            truth.target(),
            start(4, affine_map=affine_map),
            rule=rules.ALL[name],
            schedule=ConstantThenLinearDecay(0.02),
            stopping=MaxIterations(12, window=5),
            weights=LearnedWeights() if kind == "dense" else None,
            array_backend=backend,
        )
        for backend in ("numpy", "jax")
    ]
    for part in ("means", "variances", "log_weights"):
        ours, theirs = (getattr(result.mixture, part) for result in both)
        assert isinstance(theirs, np.ndarray)
        np.testing.assert_allclose(theirs, ours, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        both[1].history["elbo"], both[0].history["elbo"], rtol=1e-10, atol=1e-10
    )


def test_adaptation_agrees_too():
    truth = correlated_gaussian(3, 50.0)
    both = [
        fit(
            truth.target(),
            start(3),
            whitening=AdaptDense(),
            stopping=MaxIterations(40, window=10),
            array_backend=backend,
        )
        for backend in ("numpy", "jax")
    ]
    np.testing.assert_allclose(both[0].mixture.mean(), both[1].mixture.mean(), rtol=1e-9)
    np.testing.assert_allclose(
        both[0].mixture.covariance(), both[1].mixture.covariance(), rtol=1e-9
    )


def test_a_second_fit_of_equal_shape_compiles_nothing():
    truth, mixture = correlated_gaussian(5), start(5)
    rule = RelativeStep(TrustRegion(BuresWasserstein(), mean_radius=0.4))
    for seed in range(3):
        fit(truth.target(), mixture, seed, rule=rule, array_backend="jax")
        assert _compiled(Rules(rule))._cache_size() == 1
    again = RelativeStep(TrustRegion(BuresWasserstein(), mean_radius=0.4))
    fit(truth.target(), start(5, k=4), rule=again, array_backend="jax")
    assert _compiled(Rules(rule))._cache_size() == 2


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_float32_stays_float32(backend):
    truth = correlated_gaussian(3, 10.0)
    mixture = start(3, dtype=np.float32)
    result = fit(truth.target(), mixture, whitening=AdaptDense(), array_backend=backend)
    double = fit(truth.target(), start(3), whitening=AdaptDense(), array_backend=backend)
    assert result.mixture.means.dtype == np.float32
    assert result.mixture.variances.dtype == np.float32
    np.testing.assert_allclose(result.mixture.mean(), double.mixture.mean(), atol=1e-3)


def test_a_mixture_in_double_precision_keeps_it_in_a_session_of_single_precision():
    with in_precision(False):
        backend = JaxBackend(Rules(BuresWasserstein()), np.dtype(np.float64))
        assert backend.put(np.ones(1)).dtype == np.float64
        single = JaxBackend(Rules(BuresWasserstein()), np.dtype(np.float32))
        with single.context():
            assert jax.numpy.ones(1).dtype == np.float32
