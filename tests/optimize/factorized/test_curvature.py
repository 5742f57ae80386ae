"""The bound on step sizes that are stable for each coordinate alone but not for all together."""

import numpy as np
import pytest

from helpers.targets import gaussian
from helpers.tolerances import assert_close
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.optimize.factorized import optimize_factorized
from isogmm.optimize.factorized.curvature import (
    MAX_INITIAL_STEP_SIZE,
    NUM_INITIAL_PROBES,
    PROBE_INTERVAL,
    CollectiveCurvature,
)
from isogmm.optimize.schedules import ConstantThenLinearDecay
from isogmm.optimize.stopping import MaxIterations
from isogmm.optimize.updates import BuresWasserstein, RelativeStep, TrustRegion

DIM = 200


def shared(dim=DIM):
    """x ~ N(center, P⁻¹), P = I + 1 1ᵀ: every entry of the diagonal is 2, one eigenvalue d + 1."""
    precision = np.eye(dim) + np.ones((dim, dim))
    return gaussian(np.linspace(-1.0, 1.0, dim), np.linalg.inv(precision))


def probed(truth, mixture, probes):
    curvature = CollectiveCurvature(np.random.default_rng(0), mixture.dim)
    scales = np.sqrt(mixture.variances.mean(axis=0))
    for x in mixture.sample(np.random.default_rng(1), probes):
        shifted = curvature.probe(x, scales)
        curvature.learn(truth.gradient(x), truth.gradient(shifted), scales)
    return curvature


@pytest.mark.parametrize("num_components", [1, 3])
def test_estimate_is_the_largest_eigenvalue(num_components):
    truth, generator = shared(), np.random.default_rng(2)
    shape = (num_components, DIM)
    variances = generator.uniform(0.2, 0.8, shape)
    mixture = FactorizedMixture(generator.normal(size=shape), variances)
    scales = np.sqrt(variances.mean(axis=0))
    matrix = scales[:, None] * (np.eye(DIM) + np.ones((DIM, DIM))) * scales
    first, second = np.linalg.eigvalsh(matrix)[[-1, -2]]
    # Power iteration from a random direction, whose component along the first is about 1/√d.
    error = DIM * (second / first) ** (2 * NUM_INITIAL_PROBES)
    assert error < 1e-6
    found = probed(truth, mixture, NUM_INITIAL_PROBES).largest_step()
    np.testing.assert_allclose(found, 1 / first, rtol=1e-6)


def test_steps_are_tiny_before_the_initial_probes():
    truth = shared()
    mixture = FactorizedMixture(np.zeros((1, DIM)), np.ones((1, DIM)))
    assert probed(truth, mixture, NUM_INITIAL_PROBES - 1).largest_step() == MAX_INITIAL_STEP_SIZE
    curvature = probed(truth, mixture, NUM_INITIAL_PROBES)
    due = [iteration for iteration in range(20) if curvature.is_due(iteration)]
    assert due == list(range(0, 20, PROBE_INTERVAL))


def test_probes_without_information_are_ignored():
    flat = CollectiveCurvature(np.random.default_rng(0), 3)
    for value in (0.0, np.nan) * NUM_INITIAL_PROBES:
        flat.learn(np.zeros(3), np.full(3, value), np.ones(3))
    assert flat.largest_step() == np.inf
    assert_close(np.linalg.norm(flat.direction), 1.0)


def kl_from_best(with_curvature, num_components):
    """KL per coordinate between a fit, with or without the bound, and the best product."""
    truth, generator = shared(), np.random.default_rng(3)
    start = FactorizedMixture.start(
        generator, num_components, np.zeros(DIM), variance=0.01, dtype=np.float64
    )
    fitted = optimize_factorized(
        truth.target(),
        start,
        rule=RelativeStep(TrustRegion(BuresWasserstein())),
        schedule=ConstantThenLinearDecay(0.1),
        stopping=MaxIterations(3_000),
        generator=generator,
        curvature=CollectiveCurvature(generator, DIM) if with_curvature else None,
    ).mixture
    # The best product has the means of the target and the variances 1 / P_jj.
    error, ratio = fitted.mean() - truth.means[0], fitted.variance() / 0.5
    quadratic = error @ error + error.sum() ** 2
    return (quadratic + np.sum(ratio - 1.0 - np.log(ratio))) / (2 * DIM)


@pytest.mark.long
@pytest.mark.parametrize("num_components", [1, 3])
def test_strongly_coupled_coordinates_converge(num_components, unchecked):
    # The steps are stable for each coordinate alone (γ = 0.1), but not for all together:
    # 0.1 (d + 1) / 2 = 10.
    bounded, free = (kl_from_best(which, num_components) for which in (True, False))
    # The gradient along the shared direction has a variance of d / 2 at the optimum.  Hence v s has
    # a variance of λ = (d + 1) / 2, and steps of 1 / λ give log v a variance of 1 / 2.  The KL is a
    # quarter of that, and the average of the tail reduces it.
    assert bounded < 1 / 8
    assert free > 20 * bounded
