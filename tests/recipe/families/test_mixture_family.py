"""Rounds of optimizations, and the mixture in a checkpoint."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.families import auto, isotropic
from isogmm.mixtures.affine_map import AffineMap, dense_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.families.histories import joined
from isogmm.recipe.families.mixture_family import MixtureRounds
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")

VECTORS = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 2)))[0]


@pytest.mark.parametrize(
    "affine_map",
    [
        AffineMap(np.arange(3.0), np.array([1.0, 2.0, 3.0])),
        dense_map(np.arange(3.0), np.diag([1.0, 2.0, 3.0]) + 0.5),
        AffineMap(np.arange(3.0), np.array([1.0, 2.0, 3.0]), None, VECTORS, np.array([2.0, 5.0])),
    ],
    ids=["diagonal", "dense", "low rank"],
)
def test_the_arrays_of_a_checkpoint_have_the_whole_mixture(affine_map):
    means = np.random.default_rng(1).standard_normal((2, 4, 3))
    log_weights = np.log(np.tile([0.1, 0.2, 0.3, 0.4], (2, 1)))
    mixture = IsotropicMixture(means, np.full((2, 4), 0.5), log_weights, affine_map)
    family = isotropic()
    found = family.of_arrays(family.arrays(mixture))
    points = np.random.default_rng(2).standard_normal((5, 3))
    for chain in range(2):
        np.testing.assert_array_equal(
            found[chain].log_prob(points), mixture[chain].log_prob(points)
        )


def test_running_totals_continue():
    one = {"iteration": np.array([10, 20]), "gradient_evaluations": np.array([5, 9])}
    one |= {"seconds": np.array([0.5, 1.0]), "elbo": np.array([[1.0], [2.0]])}
    found = joined(one, one)
    assert found["iteration"].tolist() == [10, 20, 30, 40]
    assert found["gradient_evaluations"].tolist() == [5, 9, 14, 18]
    assert found["seconds"].tolist() == [0.5, 1.0, 1.5, 2.0]
    assert found["elbo"].ravel().tolist() == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (StopReason.CONVERGED, StopReason.CONVERGED),
        (StopReason.MAX_SECONDS, StopReason.MAX_SECONDS),
        (StopReason.INTERRUPTED, StopReason.INTERRUPTED),
    ],
)
def test_a_dropped_mixture_leaves_the_one_before(reason, expected):
    """It also leaves that one in the checkpoint; no stage follows a limit."""
    saved = []
    rounds = object.__new__(MixtureRounds)
    rounds.context = SimpleNamespace(save=lambda *arguments: saved.append(arguments))
    rounds.start = SimpleNamespace(centers="centers")
    rounds.optimized = OptimizeResult("small", {}, StopReason.CONVERGED, 30, None)
    rounds._drop(OptimizeResult("large", {}, reason, 50, None))
    assert (rounds.optimized.mixture, rounds.optimized.stop_reason) == ("small", expected)
    assert saved == [("small", "centers", 30)]
    assert not rounds._grows


@pytest.mark.parametrize("family", [isotropic, auto])
def test_a_continued_mixture_keeps_its_number_of_chains(family):
    mixture = IsotropicMixture(np.zeros((3, 16, 2)), np.ones((3, 16)), np.zeros((3, 16)))
    found = family().continuing(mixture)
    assert found.options.chains == 3
    if family is auto:
        assert found.full.options.chains == 3
