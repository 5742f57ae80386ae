"""The references by their own equations, and the library against them."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_ndtr
from scipy.stats import norm

import isogmm
from helpers.references import (
    clutter_ep,
    mean_field,
    probit_ep,
    variational_bound,
    variational_em,
)
from helpers.targets import correlated_gaussian
from isogmm.optimize import optimize
from isogmm.optimize.gaussian import FullBuresWasserstein
from isogmm.optimize.gradients import GaussHermite
from isogmm.optimize.schedules import Constant
from isogmm.optimize.stopping import MaxIterations

pytestmark = pytest.mark.usefixtures("unchecked")

#: Change of a parameter in a central difference; its error is of the order of the square.
STEP = 1e-4


def regression():
    generator = np.random.default_rng(12)
    first = generator.normal(size=30)
    x = np.stack([first, 0.95 * first + 0.31 * generator.normal(size=30)], axis=1)
    return x, x @ [0.5, 0.5] + generator.normal(size=30)


def test_variational_em_is_stationary():
    x, y = regression()
    prior = {"shape": 0.5, "rate": 0.01}
    mean, covariance, alpha, trace = variational_em(x, y, (1.0, 1.0), **prior)
    assert np.all(np.diff(trace) > -1e-9)
    rates = 1.0 / alpha  # (shape + 1/2) / alpha
    best = variational_bound(x, y, mean, covariance, rates, **prior)
    assert best == pytest.approx(trace[-1], abs=1e-9)
    factor = np.linalg.cholesky(covariance)
    for j in range(2):
        unit = np.eye(2)[j]
        moves = [
            lambda t, u=unit: (mean + t * u, covariance, rates),
            lambda t, u=unit: (mean, covariance, rates * np.exp(t * u)),
            lambda t, u=unit: (mean, factor @ np.diag(np.exp(t * u)) @ factor.T, rates),
        ]
        for move in moves:
            up, down = (variational_bound(x, y, *move(t), **prior) for t in (STEP, -STEP))
            # A maximum: no slope, and lower on both sides.
            assert abs(up - down) / (2 * STEP) < 1e-4
            assert up < best
            assert down < best


@pytest.mark.long
def test_variational_em_is_a_lower_bound_of_the_evidence():
    x, y = regression()
    a, b = 0.5, 0.01
    *_, trace = variational_em(x, y, (1.0, 1.0), shape=a, rate=b)
    # Student-t priors, the integrals over the precisions, with Γ(1) = 1 and Γ(1/2) = √π.
    prior = a * np.log(b) - 0.5 * np.log(2 * np.pi) - 0.5 * np.log(np.pi)
    constant = 2 * prior - 15 * np.log(2 * np.pi)

    def log_density(beta):
        values = -0.5 * jnp.sum((y - x @ beta) ** 2) - (a + 0.5) * jnp.sum(
            jnp.log(b + 0.5 * beta**2)
        )
        return values + constant

    axis = np.linspace(-1.5, 2.5, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    values = -0.5 * ((y - grid @ x.T) ** 2).sum(1) - (a + 0.5) * np.log(b + 0.5 * grid**2).sum(1)
    evidence = constant + np.logaddexp.reduce(values) + 2 * np.log(axis[1] - axis[0])
    assert evidence - 2.0 < trace[-1] < evidence
    model = isogmm.LogDensity(log_density, np.zeros(2), names="beta")
    idata = isogmm.fit_isogmm(model, random_seed=0, progressbar=False)
    assert idata.attrs["verdict"] in ("good", "reweighted", "refined")
    error = 5 * idata.attrs["log_evidence_se"] + 1e-3  # of the grid
    assert abs(idata.attrs["log_evidence"] - evidence) < error
    assert idata.attrs["elbo"] > trace[-1]


def tilted(points, log_factor, mean, covariance):
    """Mean and covariance of a factor times a Gaussian, by a sum over a grid."""
    shifts = points - mean
    log_values = log_factor - 0.5 * np.einsum(
        "ni,ij,nj->n", shifts, np.linalg.inv(covariance), shifts
    )
    weights = np.exp(log_values - np.logaddexp.reduce(log_values))
    center = weights @ points
    return center, (weights[:, None] * (points - center)).T @ (points - center)


def check_fixed_point(rows, log_factors, found, points):
    """Each factor times the rest of EP has the moments of EP."""
    mean, covariance, precisions, shifts = found
    for row, log_factor, precision, shift in zip(
        rows, log_factors, precisions, shifts, strict=True
    ):
        rest = np.linalg.inv(np.linalg.inv(covariance) - precision * np.outer(row, row))
        center = rest @ (np.linalg.solve(covariance, mean) - shift * row)
        moments = tilted(points, log_factor, center, rest)
        np.testing.assert_allclose(moments[0], mean, atol=1e-4)
        np.testing.assert_allclose(moments[1], covariance, atol=1e-4)


def test_clutter_ep_matches_moments():
    observed = np.array([-3.1, -2.4, -2.2, -1.7, 2.9, 3.3, 3.5, 0.4])
    found = clutter_ep(observed)
    points = np.linspace(-60, 60, 24_001)[:, None]
    background = 0.5 * norm.pdf(observed, 0, np.sqrt(10))
    factors = [
        np.log(0.5 * norm.pdf(points[:, 0], value) + back)
        for value, back in zip(observed, background, strict=True)
    ]
    check_fixed_point(np.ones((8, 1)), factors, found, points)


def test_probit_ep_matches_moments():
    inputs = np.array([-2.5, -1.9, -1.2, -0.8, -0.3, 0.1, 0.7, 1.3, 1.8, 2.4])
    labels = np.array([-1, -1, -1, -1, 1, -1, 1, 1, 1, 1])
    rows = labels[:, None] * np.stack([np.ones(10), inputs], axis=1)
    found = probit_ep(rows, prior_precision=0.04)
    axes = np.linspace(-7, 7, 281), np.linspace(-10, 20, 601)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    check_fixed_point(rows, log_ndtr(points @ rows.T).T, found, points)


@pytest.mark.long
def test_diagonal_covariances_are_those_of_coordinate_ascent():
    truth = correlated_gaussian(3, condition=10.0)
    precision = truth.precisions[0]
    mean, variances = mean_field(precision, precision @ truth.means[0])
    np.testing.assert_allclose(mean, truth.means[0], atol=1e-6)  # known for Gaussians
    start = isogmm.GaussianMixture(np.zeros((1, 1, 3)), np.ones((1, 1, 3)), np.zeros((1, 1)))
    found = optimize(
        truth.target(),
        start,
        estimator=GaussHermite(3),  # exact for a Gaussian target
        rule=FullBuresWasserstein(step_size=0.02),
        schedule=Constant(0.02),
        stopping=MaxIterations(1500),
        generator=0,
    ).mixture
    # The slowest direction decreases by exp(-0.02) in each step.
    np.testing.assert_allclose(found.means[0, 0], mean, atol=1e-6)
    np.testing.assert_allclose(found.covariances[0, 0], variances, rtol=1e-6)
