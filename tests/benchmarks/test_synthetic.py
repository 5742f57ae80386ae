"""The synthetic targets are what they claim: draws, evidence, gradients and modes agree."""

import numpy as np
import pytest

from benchmarks import metrics, synthetic

N = 20_000
SMOOTH = [name for name in synthetic.names() if name not in ("half_normal_wall",)]


def thinned(names):
    """Every eighth target; the others are long tests, because they go through the same code."""
    return [
        name if place % 8 == 0 else pytest.param(name, marks=pytest.mark.long)
        for place, name in enumerate(names)
    ]


def _evaluate(case, x):
    target = case.target(batch_size=1_000)
    return target.evaluate(x)


@pytest.mark.slow
@pytest.mark.parametrize("name", thinned(SMOOTH))
def test_scores_have_mean_zero_under_the_exact_draws(name):
    """E[∇ log π] = 0 and E[x_i ∂_i log π] = -1: draws and density belong together."""
    case = synthetic.load(name)
    n = 4_000 if case.dim > 100 else N
    x = case.draw(np.random.default_rng(1), n)
    log_density, gradients = _evaluate(case, x)
    assert np.isfinite(log_density).all()
    products = (x - x.mean(0)) * gradients
    tests = 2 * case.dim * len(SMOOTH)
    # Five standard errors, and somewhat more where thousands of coordinates are looked at.
    bound = 5.0 + 0.25 * np.log10(tests)
    for values, truth in ((gradients, 0.0), (products, -1.0)):
        error = np.abs(values.mean(0) - truth)
        standard_error = values.std(0) / np.sqrt(n)
        assert np.all(error <= bound * standard_error + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", thinned(n for n in synthetic.names() if "2000" not in n))
def test_evidence_matches_importance_sampling(name):
    """Bridge sampling against a normal h inside one mode: Z = E_h[√(π̃/h)] / E_π[√(h/π̃)]."""
    case = synthetic.load(name)
    rng = np.random.default_rng(2)
    x = case.draw(rng, N)
    labels = np.zeros(N, int) if case.mode_of is None else case.mode_of(x)
    # One mode at a time, whitened by its own middle half of the draws.
    inside = x[labels == labels[0]]
    if name == "half_normal_wall":
        inside = inside[(inside > 0.3).all(1)]
    center = np.median(inside, axis=0)
    near = inside[np.argsort((np.abs(inside - center) / inside.std(0)).max(1))[: len(inside) // 4]]
    covariance = np.cov(near.T).reshape(case.dim, case.dim) / 2.0
    factor = np.linalg.cholesky(covariance)
    h_draws = near.mean(0) + rng.standard_normal((N, case.dim)) @ factor.T

    def log_h(points):
        y = np.linalg.solve(factor, (points - near.mean(0)).T)
        constant = -0.5 * case.dim * synthetic.LOG_2PI - np.log(np.diag(factor)).sum()
        return constant - 0.5 * (y**2).sum(0)

    # Meng and Wong 1996, the geometric bridge √(π̃ h).
    up = 0.5 * (_evaluate(case, h_draws)[0] - log_h(h_draws))
    down = 0.5 * (log_h(x) - _evaluate(case, x)[0])
    top, bottom = np.exp(up - up.max()), np.exp(down - down.max())
    estimate = np.log(top.mean()) + up.max() - np.log(bottom.mean()) - down.max()
    error = np.hypot(top.std() / top.mean() / np.sqrt(N), bottom.std() / bottom.mean() / np.sqrt(N))
    assert error < 0.2
    assert abs(estimate - case.log_evidence) < 5 * error


@pytest.mark.parametrize(
    "name", [n for n in synthetic.names() if synthetic.load(n).masses is not None]
)
def test_masses_of_the_modes(name):
    case = synthetic.load(name)
    assert case.masses.sum() == pytest.approx(1.0)
    counts = np.bincount(
        case.mode_of(case.draw(np.random.default_rng(3), N)), minlength=len(case.masses)
    )
    error = np.abs(counts / N - case.masses)
    slack = 0.01 if name == "student_mixture" else 0.0  # its heavy tails overlap
    assert np.all(error <= 5 * np.sqrt(case.masses * (1 - case.masses) / N) + slack)


@pytest.mark.parametrize("name", thinned(synthetic.names()))
def test_exact_draws_score_at_the_noise_floor(name):
    case = synthetic.load(name)
    draws = case.draw(np.random.default_rng(4), 4_000).reshape(4, 1_000, case.dim)
    scores = metrics.compare({"x": draws}, case.reference)
    for key, floor in (("mean_rms", 0.016), ("q_rms", 0.024)):
        assert np.isfinite(scores[key])
        if key == "q_rms" and case.masses is not None:
            continue  # a quantile in the gap between two modes is no number to hold on to
        # Few coordinates make the root mean square itself noisy: five times the floor at d = 1.
        assert scores[key] < floor * (1.5 + 4.0 / np.sqrt(case.dim))


def test_a_shifted_answer_is_seen():
    case = synthetic.load("gaussian_10_rotated")
    draws = case.draw(np.random.default_rng(5), 4_000).reshape(4, 1_000, case.dim)
    shifted = draws + 0.2 * case.reference.sd["x"]
    scores = metrics.compare({"x": shifted}, case.reference)
    assert scores["mean_rms"] == pytest.approx(0.2, abs=5 / np.sqrt(4_000))
    wide = metrics.compare({"x": 1.5 * draws}, case.reference)
    assert wide["sd_rms"] == pytest.approx(np.log(1.5), abs=5 / np.sqrt(8_000))


@pytest.mark.long
def test_the_model_is_the_target():
    case = synthetic.load("banana")
    x = case.draw(np.random.default_rng(6), 10)
    model = case.model().to_target()
    assert model.dim == case.dim
    np.testing.assert_allclose(model.evaluate(x)[0], case.target().evaluate(x)[0], rtol=1e-12)
    starts = synthetic.load("forty_modes").model().to_target()
    starts = starts.initial_positions(np.random.default_rng(7), 200)
    assert 40.0 < np.abs(starts).max() <= 50.0
