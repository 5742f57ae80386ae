"""Bridge sampling against a two-mode mixture with known masses."""

import numpy as np
import pytest

from helpers.targets import isotropic_mixture
from isogmm.draws.evidence import MIN_BRIDGE_CHAINS, Evidence, bridge
from isogmm.draws.sampling_errors import Strata, of_stratified
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
    from_q, components = Q.sample(generator, 4000)
    strata = Strata(components, np.exp(Q.log_weights)[None])
    # Chains that never left their modes: exact within each mode, in wrong proportions.
    modes = np.repeat([0, 1], [2000, 500])
    from_chains = TRUTH.means[modes] + generator.standard_normal((2500, 2))
    from_chains = from_chains if with_chains else from_chains[:0]
    ratios, regions = ratios_and_regions(from_chains)
    of_chains = (ratios[:, None], regions[:, None])
    return bridge(
        *ratios_and_regions(from_q), *of_chains, 2, 1.0, lambda v: of_stratified(v, strata)
    )


@pytest.mark.parametrize("with_chains", [True, False])
def log_masses_se(found):
    return np.sqrt(np.diag(found.covariance))


@pytest.mark.parametrize("with_chains", [True, False])
def test_masses_and_evidence_are_the_known_ones(with_chains):
    found = estimate(0, with_chains=with_chains)
    errors = log_masses_se(found)
    assert np.all(errors > 0)
    assert np.all(np.abs(found.log_masses - (LOG_EVIDENCE + np.log(WEIGHTS))) < 5 * errors)
    assert errors.max() < 0.1
    assert abs(found.log_evidence - LOG_EVIDENCE) < 5 * found.log_evidence_se
    assert found.log_evidence_se < 0.05
    np.testing.assert_allclose(found.shares.sum(), 1.0)
    assert np.all(np.abs(found.shares - WEIGHTS) < 5 * found.shares_se)


@pytest.mark.long
@pytest.mark.parametrize("with_chains", [True, False])
def test_standard_errors_are_neither_small_nor_large(with_chains):
    """Mean squares of 100 standard normals are 1, with standard error sqrt(2 / 100)."""
    runs = [estimate(seed, with_chains=with_chains) for seed in range(100)]
    for score in (
        [(r.log_masses[0] - LOG_EVIDENCE - np.log(WEIGHTS[0])) / log_masses_se(r)[0] for r in runs],
        [(r.shares[0] - WEIGHTS[0]) / r.shares_se[0] for r in runs],
        [(r.log_evidence - LOG_EVIDENCE) / r.log_evidence_se for r in runs],
    ):
        assert abs(np.square(score).mean() - 1.0) < 4 * np.sqrt(2 / 100)


def test_errors_of_shares_are_those_of_the_delta_method():
    """Correlated errors; the largest share has a small error although that of its log is large."""
    log_masses, errors = 7.0 + np.log([0.9, 0.08, 0.02]), np.array([0.05, 0.1, 0.2])
    covariance = np.outer(errors, errors) * (0.5 + 0.5 * np.eye(3))
    found = Evidence(log_masses, covariance)
    np.testing.assert_allclose(found.shares, [0.9, 0.08, 0.02])
    assert found.log_evidence == pytest.approx(7.0)
    noise = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 20_000)
    sampled = np.exp(log_masses + noise)
    evidence = np.log(sampled.sum(axis=1))
    shares = sampled / sampled.sum(axis=1, keepdims=True)
    # An sd of 20,000 draws has a relative error of 0.5 %; the delta method, of about the error².
    np.testing.assert_allclose(found.shares_se, shares.std(axis=0), rtol=0.06)
    assert found.log_evidence_se == pytest.approx(evidence.std(), rel=0.06)
    assert found.shares_se[0] < 0.3 * 0.9 * errors[0]


def test_chains_reduce_the_standard_errors():
    assert np.all(log_masses_se(estimate(1)) < log_masses_se(estimate(1, with_chains=False)))


def test_few_chains_in_a_region_do_not_enter_the_bridge():
    """One chain has no error of its own."""
    generator = np.random.default_rng(3)
    ratios, regions = 0.1 * generator.standard_normal(200), np.zeros(200, dtype=int)
    none = np.zeros((0, 1))
    expected = bridge(ratios, regions, none, none.astype(int), 1, 1.0)
    for count, is_same in ((MIN_BRIDGE_CHAINS - 1, True), (MIN_BRIDGE_CHAINS, False)):
        chains = 0.1 * generator.standard_normal((count, 10))
        found = bridge(ratios, regions, chains, np.zeros(chains.shape, dtype=int), 1, 1.0)
        assert (found.log_evidence == expected.log_evidence) is is_same


def test_a_region_that_q_never_visits_has_no_mass():
    ratios, regions = np.zeros(100), np.zeros(100, dtype=int)
    found = bridge(ratios, regions, np.zeros((50, 1)), np.zeros((50, 1), dtype=int), 2, 1.0)
    assert found.log_masses[0] == pytest.approx(0.0, abs=1e-9)
    assert found.log_masses[1] == -np.inf
    assert found.log_evidence == pytest.approx(0.0, abs=1e-9)


def test_ratios_of_hundreds_of_nats_do_not_overflow():
    ratios, regions = ratios_and_regions(Q.sample(np.random.default_rng(2), 4000)[0])
    none = np.zeros((0, 1))
    found = bridge(ratios - 5000.0, regions, none, none.astype(int), 2, 1.0)
    assert abs(found.log_evidence + 5000.0 - LOG_EVIDENCE) < 5 * found.log_evidence_se


def unit_normals(generator, distance):
    """Bridge between unit normals in 62 dimensions, at this distance in each; evidence 1."""
    draws = [
        distance + generator.standard_normal((4000, 62)),
        generator.standard_normal((9000, 62)),
    ]
    ratios = [0.5 * ((x - distance) ** 2 - x**2).sum(axis=1) for x in draws]
    regions = [np.zeros(len(part), dtype=int) for part in ratios]
    return bridge(ratios[0], regions[0], ratios[1][:, None], regions[1][:, None], 1, 1.0)


def test_the_error_is_large_where_mixture_and_chains_do_not_overlap():
    generator = np.random.default_rng(0)
    far = unit_normals(generator, 2.0)
    # The error exceeds its estimate, but the estimate is too large for a result.
    assert far.log_evidence > 10.0
    assert far.log_evidence_se > MAX_EVIDENCE_SE
    near = unit_normals(generator, 0.5)
    assert abs(near.log_evidence) < 5 * near.log_evidence_se
    assert near.log_evidence_se < 0.5 * MAX_EVIDENCE_SE
