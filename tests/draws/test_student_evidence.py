"""The evidence of heavy tails that the chains have not reached."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_t

from helpers.targets import make_target
from isogmm.draws.evidence import Evidence
from isogmm.draws.student_evidence import StudentMixture, fit_student, with_heavy_tails
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture

pytestmark = pytest.mark.usefixtures("unchecked")

DIM, DEGREES = 5, 2.0
FACTOR = np.tril(np.ones((DIM, DIM))) + np.eye(DIM)
#: The mixture in coordinates x = 1 + L y; its component is too wide by a factor 1.5.
MIXTURE = IsotropicMixture(
    np.zeros((1, DIM)), np.array([2.25]), np.zeros(1), AffineMap(np.ones(DIM), np.ones(DIM), FACTOR)
)
TRUTH = multivariate_t(np.ones(DIM), FACTOR @ FACTOR.T, DEGREES)
BRIDGE = Evidence(np.array([-0.2]), np.array([[1e-4]]))


def target():
    return make_target(lambda x: (TRUTH.logpdf(x).reshape(np.shape(x)[:-1]), np.zeros_like(x)), DIM)


def chains(limit):
    """Draws of the target within a distance, in the coordinates of the map."""
    draws = TRUTH.rvs(4_000, random_state=0)
    inside = np.linalg.norm(MIXTURE.affine_map.inverse(draws), axis=1) < limit
    draws = draws[inside][:2_000].reshape(200, 10, DIM)
    return SimpleNamespace(draws=draws, log_density=TRUTH.logpdf(draws))


def corrected(refined, evidence=BRIDGE, seed=0):
    modes = np.zeros(1, dtype=int)
    generator = np.random.default_rng(seed)
    return with_heavy_tails(target(), evidence, refined, MIXTURE, modes, generator, 4_000)


def test_the_density_is_that_of_scipy():
    student = StudentMixture(MIXTURE, 2.0, 3.0)
    points = np.random.default_rng(0).standard_normal((7, DIM))
    expected = multivariate_t(np.ones(DIM), 4.0 * 2.25 * FACTOR @ FACTOR.T, 3.0).logpdf(points)
    np.testing.assert_allclose(student.log_prob(points), expected)


def test_scale_and_degrees_are_those_of_the_draws():
    draws = TRUTH.rvs(4_000, random_state=1)
    student = fit_student(MIXTURE, draws)
    assert student.scale * 1.5 == pytest.approx(1.0, abs=0.05)
    assert student.degrees == pytest.approx(DEGREES, rel=0.15)
    radii = [
        np.linalg.norm(MIXTURE.affine_map.inverse(points), axis=1)
        for points in (student.sample(np.random.default_rng(0), 4_000), draws)
    ]
    np.testing.assert_allclose(*[np.quantile(r, [0.25, 0.5, 0.75]) for r in radii], rtol=0.1)


def test_tails_that_the_chains_have_not_reached_count():
    """The draws within 20 sds have 97 % of the mass."""
    found = corrected(chains(20.0))
    assert abs(found.log_evidence) < 4 * found.log_evidence_se < 0.1


def test_an_estimate_that_agrees_is_kept():
    evidence = Evidence(np.array([0.01]), np.array([[1e-4]]))
    assert corrected(chains(np.inf), evidence) is evidence


def test_a_smaller_estimate_is_not_used():
    """The Student t components of this test have the whole mass 1, whose log is 0."""
    evidence = Evidence(np.array([0.3]), np.array([[1e-4]]))
    assert corrected(chains(np.inf), evidence) is evidence


def test_light_tails_cost_nothing():
    refined = chains(np.inf)
    refined.log_density = MIXTURE.log_prob(refined.draws)
    assert corrected(refined) is BRIDGE
