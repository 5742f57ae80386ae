"""Bridge sampling against a two-mode mixture with known masses."""

import numpy as np
import pytest

from helpers.targets import isotropic_mixture
from isogmm.draws.evidence import MIN_SHARE_VARIANCE, bridge
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.recipe.thresholds import MAX_EVIDENCE_SE

LOG_EVIDENCE = 3.0
WEIGHTS = np.array([0.3, 0.7])
#: Eight standard deviations apart: a share of 3e-5 of each mode lies in the region of the other.
TRUTH = isotropic_mixture([[-4.0, 0.0], [4.0, 0.0]], [1.0, 1.0], WEIGHTS)
Q = IsotropicMixture(
    np.array([[-3.7, 0.2], [4.2, -0.1]]), np.array([1.5, 1.3]), np.log(np.array([0.5, 0.5]))
)


def ratios_and_regions(draws):
    log_density = TRUTH.log_density_and_gradient(draws)[0] + LOG_EVIDENCE
    return log_density - Q.log_prob(draws), (draws[:, 0] > 0).astype(int)


def estimate(seed, *, with_chains=True):
    generator = np.random.default_rng(seed)
    from_q, _ = Q.sample(generator, 4000)
    # Chains that never left their modes: exact within each mode, in wrong proportions.
    modes = np.repeat([0, 1], [2000, 500])
    from_chains = TRUTH.means[modes] + generator.standard_normal((2500, 2))
    from_chains = from_chains if with_chains else from_chains[:0]
    return bridge(*ratios_and_regions(from_q), *ratios_and_regions(from_chains), 2, 1.0)


@pytest.mark.parametrize("with_chains", [True, False])
def test_masses_and_evidence_are_the_known_ones(with_chains):
    found = estimate(0, with_chains=with_chains)
    error = np.abs(found.log_masses - (LOG_EVIDENCE + np.log(WEIGHTS)))
    assert np.all(found.log_masses_se > 0)
    assert np.all(error < 5 * found.log_masses_se)
    assert found.log_masses_se.max() < 0.1
    assert abs(found.log_evidence - LOG_EVIDENCE) < 5 * found.log_evidence_se
    assert found.log_evidence_se < 0.05


def test_standard_errors_are_neither_small_nor_large():
    runs = [estimate(seed) for seed in range(60)]
    scores = np.array(
        [(r.log_masses - LOG_EVIDENCE - np.log(WEIGHTS)) / r.log_masses_se for r in runs]
    )
    # Mean squares of 60 standard normals: 1, with standard error sqrt(2 / 60).  Draws of q come
    # in strata, so that the binomial part of the error is an upper bound.
    assert np.all((scores**2).mean(axis=0) < 1 + 5 * np.sqrt(2 / 60))
    evidence = np.array([(r.log_evidence - LOG_EVIDENCE) / r.log_evidence_se for r in runs])
    assert 0.3 < (evidence**2).mean() < 1 + 5 * np.sqrt(2 / 60)


def test_shares_of_stratified_draws_have_smaller_errors():
    """Two overlapping components; all draws of the first are in region 0, half of the second."""
    regions, strata = np.repeat([0, 0, 1], [2000, 1000, 1000]), np.repeat([0, 1], 2000)
    ratios, none = np.zeros(4000), np.zeros(0)
    independent, stratified, exact = (
        bridge(ratios, regions, none, none.astype(int), 2, 1.0, s).log_masses_se
        for s in (None, strata, regions)
    )
    share = np.array([0.75, 0.25])
    binomial = np.sqrt(share * (1 - share) / 4000) / share
    np.testing.assert_allclose(independent, binomial)
    # The variance of the share is 2000 / 4000² · ½ · ½.
    np.testing.assert_allclose(stratified, np.sqrt(2000 * 0.25) / 4000 / share)
    np.testing.assert_allclose(exact, np.sqrt(MIN_SHARE_VARIANCE) * binomial)


def test_chains_reduce_the_standard_errors():
    assert np.all(estimate(1).log_masses_se < estimate(1, with_chains=False).log_masses_se)


def test_a_region_that_q_never_visits_has_no_mass():
    ratios, regions = np.zeros(100), np.zeros(100, dtype=int)
    found = bridge(ratios, regions, np.zeros(50), np.zeros(50, dtype=int), 2, 1.0)
    assert found.log_masses[0] == pytest.approx(0.0, abs=1e-9)
    assert found.log_masses[1] == -np.inf
    assert found.log_evidence == pytest.approx(0.0, abs=1e-9)


def test_ratios_of_hundreds_of_nats_do_not_overflow():
    ratios, regions = ratios_and_regions(Q.sample(np.random.default_rng(2), 4000)[0])
    found = bridge(ratios - 5000.0, regions, np.zeros(0), np.zeros(0, dtype=int), 2, 1.0)
    assert abs(found.log_evidence + 5000.0 - LOG_EVIDENCE) < 5 * found.log_evidence_se


def unit_normals(generator, distance):
    """Bridge between unit normals in 62 dimensions, at this distance in each; evidence 1."""
    draws = [
        distance + generator.standard_normal((4000, 62)),
        generator.standard_normal((9000, 62)),
    ]
    ratios = [0.5 * ((x - distance) ** 2 - x**2).sum(axis=1) for x in draws]
    regions = [np.zeros(len(part), dtype=int) for part in ratios]
    return bridge(ratios[0], regions[0], ratios[1], regions[1], 1, 1.0)


def test_the_error_is_large_where_mixture_and_chains_do_not_overlap():
    generator = np.random.default_rng(0)
    far = unit_normals(generator, 2.0)
    # The error exceeds its estimate, but the estimate is too large for a result.
    assert far.log_evidence > 10.0
    assert far.log_evidence_se > MAX_EVIDENCE_SE
    near = unit_normals(generator, 0.5)
    assert abs(near.log_evidence) < 5 * near.log_evidence_se
    assert near.log_evidence_se < 0.5 * MAX_EVIDENCE_SE
