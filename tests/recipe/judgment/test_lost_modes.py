"""A mode that the search has found and the mixture has lost makes the draws unreliable."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.targets import correlated_gaussian, isotropic_mixture
from isogmm.api import fit_isogmm
from isogmm.errors import FitWarning
from isogmm.recipe.judgment import summarize
from isogmm.recipe.judgment.lost_modes import _most_likely, lost_mass

pytestmark = pytest.mark.usefixtures("unchecked")

MEANS = np.array([[0.0, 0.0], [20.0, 0.0]])
ONLY_FIRST = np.zeros((1, 4), dtype=int)


def located(masses):
    log_masses = np.log(np.asarray(masses))
    return SimpleNamespace(
        means=MEANS,
        factors=np.broadcast_to(np.eye(2), (2, 2, 2)),
        log_masses=log_masses,
        masses=np.asarray(masses),
    )


def mixture(weights):
    """An isotropic mixture q with these weights, one component in each mode."""
    q = isotropic_mixture(MEANS, np.ones(2), np.asarray(weights))
    return SimpleNamespace(
        dim=2, pooled=lambda: SimpleNamespace(log_prob=lambda x: q.log_density_and_gradient(x)[0])
    )


def chains(share):
    """Draws of 200 chains, of which this share is in the second mode; π has masses 0.7 and 0.3."""
    draws = np.random.default_rng(0).standard_normal((200, 10, 2))
    draws[: round(200 * share)] += MEANS[1]
    truth = isotropic_mixture(MEANS, np.ones(2), np.array([0.7, 0.3]))
    log_density, _ = truth.log_density_and_gradient(draws.reshape(-1, 2))
    return SimpleNamespace(draws=draws, log_density=log_density.reshape(200, 10))


@pytest.mark.parametrize(
    ("masses", "weights", "share", "modes", "expected"),
    [
        ((0.7, 0.3), (1 - 1e-6, 1e-6), 0.05, ONLY_FIRST, 0.3),
        ((0.95, 0.05), (1 - 1e-6, 1e-6), 0.1, ONLY_FIRST, 0.1),
        # The mode has a component, its mass is negligible, or no chain is in it.
        ((0.7, 0.3), (1 - 1e-6, 1e-6), 0.05, np.array([[0, 1]]), 0.0),
        ((0.999, 0.001), (1 - 1e-6, 1e-6), 0.05, ONLY_FIRST, 0.0),
        ((0.7, 0.3), (1 - 1e-6, 1e-6), 0.0, ONLY_FIRST, 0.0),
        # The components of another mode cover it.
        ((0.7, 0.3), (0.7, 0.3), 0.3, ONLY_FIRST, 0.0),
    ],
)
def test_the_mass_of_lost_modes(masses, weights, share, modes, expected):
    found = lost_mass(located(masses), chains(share), mixture(weights), modes)
    assert found == pytest.approx(expected)


def test_a_draw_belongs_to_the_narrow_mode_near_its_center():
    """At the center of the narrow mode the wide one has a higher exponential, a lower density."""
    narrow = SimpleNamespace(
        means=np.array([[0.0, 0.0], [0.1, 0.0]]),
        factors=np.stack([10.0 * np.eye(2), 0.1 * np.eye(2)]),
        log_masses=np.log([0.5, 0.5]),
    )
    draws = np.array([[0.0, 0.0], [0.1, 0.0], [1.0, 0.0]])
    assert _most_likely(narrow, draws).tolist() == [1, 1, 0]


def test_without_a_search_or_chains_nothing_is_lost():
    assert lost_mass(None, chains(0.05), mixture((0.9, 0.1)), ONLY_FIRST) == 0.0
    assert lost_mass(located((0.7, 0.3)), None, mixture((0.9, 0.1)), ONLY_FIRST) == 0.0


def test_a_lost_mode_is_unreliable(monkeypatch):
    monkeypatch.setattr(summarize, "lost_mass", lambda *arguments: 0.3)
    with pytest.warns(FitWarning, match="about 30% of the mass"):
        idata = fit_isogmm(
            correlated_gaussian(2).target(), random_seed=0, draws=250, progressbar=False
        )
    assert idata.attrs["verdict"] == "unreliable"
    assert np.isnan(idata.attrs["log_evidence"])
