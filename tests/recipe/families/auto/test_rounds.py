"""Decisions between isotropic components and full covariances, without a fit."""

from types import SimpleNamespace

import numpy as np
import pytest

from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.families.auto import rounds as module
from isogmm.recipe.families.auto.rounds import RoundsThenFull
from isogmm.recipe.families.mixture_family import MixtureRounds
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")


def rounds_of(**parts):
    rounds = object.__new__(RoundsThenFull)
    rounds.optimized = OptimizeResult("isotropic", {}, StopReason.CONVERGED, 30, None)
    for name, part in parts.items():
        setattr(rounds, name, part)
    return rounds


def test_a_limit_on_full_covariances_is_no_early_end(monkeypatch):
    added = []
    monkeypatch.setattr(MixtureRounds, "add", lambda self, optimized: added.append(optimized))
    full = GaussianMixture(np.zeros((1, 1, 2)), np.ones((1, 1, 2)), np.zeros((1, 1)))
    for mixture in (full, full.means):
        rounds_of().add(OptimizeResult(mixture, {}, StopReason.MAX_ITERATIONS, 9, None))
    rounds_of().add(OptimizeResult(full, {}, StopReason.MAX_SECONDS, 9, None))
    reasons = [optimized.stop_reason.value for optimized in added]
    assert reasons == ["converged", "max_iterations", "max_seconds"]


@pytest.mark.parametrize(("is_better", "saved"), [(True, [("full", "centers", 30)]), (False, [])])
def test_the_checkpoint_has_the_gaussians_of_the_modes(is_better, saved, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "is_better", lambda before, after: is_better)
    pool = SimpleNamespace(pooled_elbo=lambda: (0.0, 0.1), joined=lambda other: other)
    rounds = rounds_of(
        pool=pool,
        num_draws=100,
        context=SimpleNamespace(save=lambda *arguments: calls.append(arguments)),
        start=SimpleNamespace(centers="centers", located=SimpleNamespace(means=np.zeros((2, 3)))),
    )
    monkeypatch.setattr(RoundsThenFull, "_over_modes", lambda self, count: "full")
    monkeypatch.setattr(RoundsThenFull, "_draw_of", lambda self, mixture, num_draws: pool)
    rounds._try_one_for_each_mode()
    assert calls == saved
    assert rounds.optimized.mixture == ("full" if is_better else "isotropic")
