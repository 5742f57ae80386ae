"""Quantities that decide the verdict."""

import numpy as np

from isogmm.draws.evidence import Evidence
from isogmm.recipe.findings import mode_masses


def test_errors_of_masses_are_those_of_shares():
    """The largest mass has a small error although the error of its logarithm is large."""
    log_masses, errors = np.log([0.9, 0.08, 0.02]), np.array([0.05, 0.1, 0.2])
    evidence = Evidence(log_masses, errors, 0.0, 0.0)
    masses, masses_se = mode_masses(evidence)
    np.testing.assert_allclose(masses, [0.9, 0.08, 0.02])
    noise = np.random.default_rng(0).standard_normal((20_000, 3))
    sampled = np.exp(log_masses + errors * noise)
    sampled /= sampled.sum(axis=1, keepdims=True)
    # An sd of 20,000 draws has a relative error of 0.5 %; the delta method, of about the error².
    np.testing.assert_allclose(masses_se, sampled.std(axis=0), rtol=0.06)
    assert masses_se[0] < 0.3 * masses[0] * errors[0]
