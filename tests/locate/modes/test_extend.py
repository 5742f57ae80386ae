"""Modes to which HMC chains lead although the search has missed them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.targets import isotropic_mixture
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.locate import Locate, locate
from isogmm.locate.located import Located, SearchEnd
from isogmm.locate.modes.extend import extend, new_maxima
from isogmm.locate.modes.fit_modes import are_separate
from isogmm.locate.paths.candidates import Candidate, Place
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.paths.starts import follow_starts
from isogmm.model.fit_target import FitTarget
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")


def test_chains_lead_to_a_mode_that_the_search_missed():
    means = np.array([[0.0, 0.0], [40.0, 0.0]])
    target = FitTarget.of(isotropic_mixture(means, np.ones(2)).target())
    located = locate(target, np.random.default_rng(0), Locate(max_evaluations=0, num_starts=2))
    known = [m for m in located.maxima if np.allclose(m.position, means[0], atol=0.1)]
    own = map_of(np.zeros(2), np.eye(2))
    ends = np.array([[0.5, 0.2], [39.0, 1.0]])
    count = known[0].count
    new = new_maxima(target, ends, known, own)
    assert [np.round(m.position).tolist() for m in new] == [[40.0, 0.0]]
    assert known[0].count == count
    assert new_maxima(target, ends[:1], known, own) == []
    assert new_maxima(target, ends, [], own) == []
    extended = extend(target, np.random.default_rng(1), Locate(), located, new)
    np.testing.assert_allclose(extended.masses, 0.5, atol=0.01)
    assert extended.num_starts["chains"] == 1


def test_chains_lead_to_a_mode_without_a_dip_towards_a_known_one():
    """A narrow mode (mass 0.4) at 4.5 sds of a wide one in 26 dimensions."""
    means = np.zeros((2, 26))
    means[1, 0] = 4.5
    truth = isotropic_mixture(means, np.array([1.0, 0.42]), np.array([0.6, 0.4]))
    target, own = FitTarget.of(truth.target()), map_of(means[0], np.eye(26))
    known: list[LocalMaximum] = []
    follow_starts(target, means[:1], known, own)
    ends = means[1] + 0.65 * np.random.default_rng(0).standard_normal((8, 26))
    (new,) = new_maxima(target, ends, known, own)
    assert np.linalg.norm(new.position - means[1]) < 0.5
    pair = [(maximum.position, maximum.factor) for maximum in (new, known[0])]
    assert not are_separate(target, *pair)
    # An estimate far below, or far above, the mass of the known mode is not credible.
    for shift in (-4.0, 7.0):
        changed = [replace(known[0], laplace=known[0].laplace - shift)]
        assert new_maxima(target, ends, changed, own) == []


@pytest.mark.parametrize("name", ["num_starts_without_path", "num_screened", "num_diverged"])
def test_the_counts_of_both_searches_are_added(name, monkeypatch):
    located = Located.interrupted(
        Candidate(Place.END, np.zeros(1), np.ones((1, 1))), StopReason.INTERRUPTED
    )
    located = replace(located, num_starts={"model": 5, "prior": 1}, **{name: 10})
    further = SimpleNamespace(
        maxima=[], num_starts={"model": 3, "around modes": 8}, unseen=0.1, num_since_new=11,
        num_without_path=2, num_screened=2, end=SearchEnd.MAX_STARTS,
    )  # fmt: skip
    modes = SimpleNamespace(
        means=located.means, factors=located.factors, elbo=np.ones(1), num_diverged=2,
        counts=np.ones(1, dtype=int),
    )  # fmt: skip
    monkeypatch.setattr(
        "isogmm.locate.modes.extend.ModeSearch", lambda *args: SimpleNamespace(run=lambda: further)
    )
    monkeypatch.setattr("isogmm.locate.modes.extend.fit_modes", lambda *args: modes)
    found = extend(None, np.random.default_rng(0), Locate(), located, [None, None])
    assert getattr(found, name) == 12
    assert found.num_starts == {"around modes": 8, "model": 8, "prior": 1, "chains": 2}
    assert found.num_since_new == 11
