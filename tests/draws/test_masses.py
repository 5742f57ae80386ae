"""The masses of the modes: at the start of the chains, in the bridge, and in the selected draws."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import brentq

from isogmm.draws.chains.recording import States
from isogmm.draws.evidence import Evidence, bridge, evidence_by_mode
from isogmm.draws.importance import systematic
from isogmm.draws.pool import Pool
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.recipe.delivery.run_chains import _starting_weights
from isogmm.recipe.delivery.select_draws import from_chains


def test_the_bridge_solves_its_equation_with_effective_draws():
    generator = np.random.default_rng(0)
    from_q, from_chains = generator.normal(-0.3, 0.8, 500), generator.normal(0.3, 0.8, (50, 4))
    from_chains += 0.5 * generator.standard_normal((50, 1))  # draws of a chain are correlated
    inefficiency = 4.0
    zeros = (np.zeros(500, int), np.zeros((50, 4), int))
    found = bridge(from_q, zeros[0], from_chains, zeros[1], 1, inefficiency)
    effective = 200 / inefficiency
    s1, s2 = effective / (effective + 500), 500 / (effective + 500)

    def terms(r):
        l_q, l_chains = np.exp(from_q), np.exp(from_chains)
        return l_q / (s1 * l_q + s2 * r), 1.0 / (s1 * l_chains + s2 * r)

    def excess(log_r):
        upper, lower = terms(np.exp(log_r))
        return np.log(upper.mean() / lower.mean()) - log_r

    log_r = brentq(excess, -5, 5, xtol=1e-12)
    upper, lower = terms(np.exp(log_r))
    of_chains = lower.mean(axis=1).var(ddof=1) / lower.mean() ** 2 / 50
    variance = upper.var() / upper.mean() ** 2 / 500 + of_chains
    np.testing.assert_allclose(found.log_evidence, log_r, atol=1e-7)
    np.testing.assert_allclose(found.log_evidence_se, np.sqrt(variance), rtol=1e-5)


def test_tempered_starting_weights_keep_the_masses_of_the_modes():
    generator = np.random.default_rng(1)
    ratios = 3.0 * generator.standard_normal(2000)
    modes = (np.arange(2000) < 600).astype(int)
    ratios[modes == 1] += 2.0
    nothing = np.zeros((4, 500))
    pool = Pool(np.zeros((4, 500, 1)), nothing.astype(int), ratios.reshape(4, 500), *[nothing] * 2)
    weights = _starting_weights(pool, modes, 384)
    full = np.exp(ratios) / np.exp(ratios).sum()
    np.testing.assert_allclose(weights[modes == 1].sum(), full[modes == 1].sum())
    np.testing.assert_allclose(weights.sum(), 1.0)
    # Within a mode the weights are a power of the full weights, below one: many draws count.
    for mode in (0, 1):
        members = modes == mode
        power = np.polyfit(ratios[members], np.log(weights[members]), 1)[0]
        assert 0.0 < power < 0.9
    assert 1.0 / (weights**2).sum() > 3.0 / (full**2).sum()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("mass", [0.2, 0.5, 0.9])
def test_draws_of_chains_follow_the_estimated_masses(mass):
    mixture = IsotropicMixture(
        np.array([[[-5.0], [5.0]]] * 2), np.ones((2, 2)), np.full((2, 2), np.log(0.5))
    )
    generator = np.random.default_rng(2)
    centers = np.where(np.arange(40) % 2 == 0, -5.0, 5.0)  # half of the chains in each mode
    draws = (centers[:, None] + generator.standard_normal((40, 25)))[..., None]
    refined = SimpleNamespace(
        states=States(draws, np.zeros((40, 25)), draws, centers[:, None, None] - draws)
    )
    logs = np.log([1 - mass, mass])
    evidence = Evidence(logs, 1e-4 * np.eye(2))
    found = from_chains(refined, mixture, np.array([[0, 1]] * 2), evidence, 500, generator)
    shares = (found.positions[..., 0] > 0).mean(axis=1)
    np.testing.assert_allclose(shares, mass, atol=1.5 / 500)
    # Masses that are not known leave the draws of all chains.
    unknown = evidence._replace(covariance=100.0 * np.eye(2))
    found = from_chains(refined, mixture, np.array([[0, 1]] * 2), unknown, 500, generator)
    np.testing.assert_allclose((found.positions > 0).mean(), 0.5, atol=1.5 / 500)


def test_resampled_draws_come_in_random_order():
    index = systematic(np.full(200, 1.0), 200, np.random.default_rng(0))
    assert sorted(index) == list(range(200))
    ranks = np.corrcoef(index, np.arange(200))[0, 1]
    assert abs(ranks) < 5 / np.sqrt(200)


@pytest.mark.usefixtures("unchecked")
def test_draws_outside_the_support_have_no_evidence():
    """π is the standard normal density where x > 0: the evidence is the share of such draws."""
    mixture = IsotropicMixture(np.zeros((1, 1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    positions = np.random.default_rng(0).standard_normal((1, 1000, 1))
    log_q = mixture.pooled().log_prob(positions[0])[None]
    log_density = np.where(positions[..., 0] > 0, log_q, -np.inf)
    pool = Pool(positions, np.zeros((1, 1000), int), log_density, log_q, log_q)
    found = evidence_by_mode(pool, None, mixture, np.zeros((1, 1), int))
    share = np.log((positions > 0).mean())
    np.testing.assert_allclose([found.log_evidence, found.log_masses[0]], share, atol=1e-12)
