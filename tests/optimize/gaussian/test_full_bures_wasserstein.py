"""Bures-Wasserstein steps with full covariances: gradients, steps and optima known otherwise."""

import numpy as np
import pytest

from helpers.divergence import divergence, two_in_the_plane
from helpers.targets import GaussianMixtureTruth, correlated_gaussian, half_space, nowhere
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import dense_map
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.optimize import optimize
from isogmm.optimize.gaussian import FullBuresWasserstein, GaussianArrays
from isogmm.optimize.gradients import GaussHermite, MonteCarlo
from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay
from isogmm.optimize.stopping import MaxIterations
from isogmm.optimize.whitening import AdaptDense, AdaptDiagonal
from isogmm.results.stop_reason import StopReason

KINDS = ["full", "diagonal"]


def start(dim, k=2, chains=2, kind="full", seed=0, dtype=np.float64):
    generator = np.random.default_rng(seed)
    means = generator.normal(size=(chains, k, dim))
    roots = 0.3 * generator.normal(size=(chains, k, dim, dim)) + np.eye(dim)
    covariances = roots @ np.swapaxes(roots, -1, -2)
    if kind == "diagonal":
        covariances = np.diagonal(covariances, axis1=-2, axis2=-1).copy()
    log_weights = np.log(generator.dirichlet(np.ones(k), size=chains))
    arrays = (means, covariances, log_weights)
    return GaussianMixture(*(array.astype(dtype) for array in arrays))


def fit(target, mixture, rule, *, seed=0, **options):
    settings = {
        "estimator": MonteCarlo(8),
        "schedule": Constant(rule.step_size or 0.25),
        "stopping": MaxIterations(60, window=20),
        **options,
    }
    generator = np.random.default_rng(seed)
    return optimize(target, mixture, rule=rule, generator=generator, **settings)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_divergence(kind):
    """∂KL/∂m_k = w_k g_k and ∂KL/∂Σ_k = w_k G_k / 2, by finite differences of a quadrature."""
    truth, mixture = two_in_the_plane(), start(2, chains=1, kind=kind)
    arrays = GaussianArrays.of(mixture)
    estimator = GaussHermite(64)
    noise = estimator.noise(np.random.default_rng(0), 1, 2, 2)
    offsets = arrays.offsets(noise)
    points = arrays.means[..., None, :] + offsets
    values, slopes = truth.target(8192).evaluate(points)
    found = arrays.gradients(offsets, values, slopes, estimator.sample_weights(2))
    means, weights = mixture.means[0], np.exp(mixture.log_weights[0])
    full = mixture.covariances[0]
    full = full[..., None] * np.eye(2) if kind == "diagonal" else full
    step = 1e-5
    for k in range(2):
        for i in range(2):
            up, down = means.copy(), means.copy()
            up[k, i] += step
            down[k, i] -= step
            slope = divergence(truth, up, full, weights) - divergence(truth, down, full, weights)
            assert found.means[0, k, i] * weights[k] == pytest.approx(slope / 2 / step, abs=1e-5)
            for j in range(i + 1):
                if kind == "diagonal" and i != j:
                    continue
                up, down = full.copy(), full.copy()
                for s, sign in ((up, step), (down, -step)):
                    s[k, i, j] += sign
                    s[k, j, i] += sign
                slope = divergence(truth, means, up, weights)
                slope = (slope - divergence(truth, means, down, weights)) / 2 / step
                # A symmetric change of both entries; the diagonal moves by twice the step.
                own = found.hessians[0, k, i] if kind == "diagonal" else found.hessians[0, k, i, j]
                assert own * weights[k] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_published_steps_equal_a_transcription(kind):
    truth, gamma, steps, samples = two_in_the_plane(), 0.05, 8, 5
    mixture = start(2, kind=kind)
    result = fit(
        truth.target(),
        mixture,
        FullBuresWasserstein(gamma),
        seed=3,
        estimator=MonteCarlo(samples, antithetic=False),
        stopping=MaxIterations(steps, window=4),
    )
    generator = np.random.default_rng(3)
    means, spreads = mixture.means.copy(), mixture.covariances.copy()
    spreads = spreads[..., None] * np.eye(2) if kind == "diagonal" else spreads
    weights = np.exp(mixture.log_weights)
    for _ in range(steps):
        noise = generator.standard_normal((2, 2, samples, 2))
        for c in range(2):
            new_means, new_spreads = means[c].copy(), spreads[c].copy()
            q = GaussianMixtureTruth(means[c], spreads[c], weights[c])
            for k in range(2):
                root = np.linalg.cholesky(spreads[c, k])
                g, h = np.zeros(2), np.zeros((2, 2))
                for epsilon in noise[c, k]:
                    x = means[c, k] + root @ epsilon
                    delta = q.gradient(x) - truth.gradient(x)
                    g += delta / samples
                    h += np.outer(np.linalg.solve(spreads[c, k], x - means[c, k]), delta) / samples
                h = np.diag(np.diag(h)) if kind == "diagonal" else (h + h.T) / 2
                turn = np.eye(2) - gamma * h
                new_means[k] = means[c, k] - gamma * g
                new_spreads[k] = turn @ spreads[c, k] @ turn
            means[c], spreads[c] = new_means, new_spreads
    found = result.mixture.covariances
    found = found[..., None] * np.eye(2) if kind == "diagonal" else found
    np.testing.assert_allclose(result.mixture.means, means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found, spreads, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("full", FullBuresWasserstein(0.05)),
        ("diagonal", FullBuresWasserstein(None, 0.25)),
        pytest.param("full", FullBuresWasserstein(None, 0.25), marks=pytest.mark.long),
        pytest.param("diagonal", FullBuresWasserstein(0.05), marks=pytest.mark.long),
    ],
)
def test_one_component_finds_the_optimum_of_a_gaussian(kind, rule):
    """Σ itself; for diagonal covariances the reciprocals of the diagonal of the precision."""
    truth = correlated_gaussian(3, 10.0)
    result = fit(
        truth.target(),
        start(3, k=1, kind=kind),
        rule,
        estimator=GaussHermite(3),
        stopping=MaxIterations(800),
    )
    best = 1.0 / np.diag(truth.precisions[0]) if kind == "diagonal" else truth.covariances[0]
    np.testing.assert_allclose(result.mixture.means[:, 0], [truth.means[0]] * 2, atol=1e-8)
    np.testing.assert_allclose(result.mixture.covariances[:, 0], [best] * 2, atol=1e-8)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_and_jax_agree(kind):
    import jax

    truth = two_in_the_plane()
    with jax.numpy_rank_promotion("allow"):
        both = [
            fit(
                truth.target(),
                start(2, kind=kind),
                FullBuresWasserstein(None, 0.25),
                stopping=MaxIterations(9, window=4),
                schedule=ConstantThenLinearDecay(0.25),
                array_backend=backend,
            )
            for backend in ("numpy", "jax")
        ]
    for part in ("means", "covariances", "log_weights"):
        ours, theirs = (getattr(result.mixture, part) for result in both)
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_huge_step_stays_a_mixture(kind):
    truth = correlated_gaussian(3, 1e4)
    result = fit(truth.target(), start(3, kind=kind), FullBuresWasserstein(None, 0.25),
                 schedule=Constant(50.0))  # fmt: skip
    assert result.stop_reason is StopReason.MAX_ITERATIONS
    assert np.isfinite(result.mixture.log_prob(np.zeros((2, 1, 3)))).all()


def test_trouble_is_a_status():
    """A published step that is much too long, and a density that is nowhere."""
    truth = correlated_gaussian(3, 1e4)
    broken = fit(truth.target(), start(3), FullBuresWasserstein(1e9))
    assert broken.stop_reason is StopReason.NON_FINITE
    lost = fit(nowhere(2), start(2), FullBuresWasserstein(0.1))
    assert lost.stop_reason is StopReason.NON_FINITE
    np.testing.assert_array_equal(lost.mixture.means, start(2).means)


def test_samples_outside_the_support_are_left_out():
    result = fit(half_space(2), start(2), FullBuresWasserstein(None, 0.25))
    assert result.stop_reason is StopReason.MAX_ITERATIONS
    assert result.history["nonfinite"].sum() > 0


@pytest.mark.float32
@pytest.mark.parametrize("kind", KINDS)
def test_precision_is_kept(kind):
    mixture = start(2, kind=kind, dtype=np.float32)
    result = fit(two_in_the_plane().target(), mixture, FullBuresWasserstein(None, 0.25))
    assert result.mixture.means.dtype == result.mixture.covariances.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_move_with_the_coordinates(kind):
    """In other coordinates the mixture is the same; of diagonal ones the diagonal is kept."""
    mixture = start(3, kind=kind)
    generator = np.random.default_rng(1)
    root = generator.normal(size=(3, 3))
    old, new = mixture.affine_map, dense_map(np.arange(3.0), root @ root.T + np.eye(3))
    arrays = GaussianArrays.of(mixture)
    means = new.inverse(old.forward(arrays.means))
    moved = arrays.carried(means, old, new).to_mixture(new)
    if kind == "full":
        x = generator.normal(size=(4, 3))
        np.testing.assert_allclose(moved[1].log_prob(x), mixture[1].log_prob(x), rtol=1e-10)
    inverse = np.linalg.inv(new.factor)
    expected = mixture.covariances[0, 0]
    expected = np.diag(expected) if kind == "diagonal" else expected
    expected = inverse @ expected @ inverse.T
    expected = np.diag(expected) if kind == "diagonal" else expected
    np.testing.assert_allclose(moved.covariances[0, 0], expected, rtol=1e-10)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "whitening", [AdaptDense(), pytest.param(AdaptDiagonal(), marks=pytest.mark.long)]
)
def test_coordinates_adapt(whitening):
    truth = correlated_gaussian(3, 30.0)
    result = fit(
        truth.target(),
        start(3, k=1),
        FullBuresWasserstein(None, 0.25),
        whitening=whitening,
        schedule=ConstantThenLinearDecay(0.25),
        stopping=MaxIterations(900, window=100),
    )
    np.testing.assert_allclose(
        result.mixture[0].covariance(), truth.covariances[0], atol=0.1 * truth.covariances.max()
    )


def test_settings_are_checked():
    with pytest.raises(OptionError, match="largest_change must be"):
        FullBuresWasserstein(None, 1.5)
    with pytest.raises(OptionError, match="step_size must be"):
        FullBuresWasserstein(-1.0)
