"""Which chains are tested for modes that the search has missed."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.locate.located import SearchEnd
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.delivery import chain_modes
from isogmm.recipe.delivery.chain_modes import (
    NUM_LEAST_EXPLAINED,
    NUM_OTHERS,
    chains_to_test,
    modes_of_chains,
)
from isogmm.results.stop_reason import StopReason


def test_the_chains_explained_least_and_others_at_all_ranks():
    log_ratios = np.random.default_rng(0).standard_normal(384)
    ranks = np.argsort(np.argsort(-log_ratios))[chains_to_test(log_ratios)]
    assert ranks[:NUM_LEAST_EXPLAINED].tolist() == list(range(NUM_LEAST_EXPLAINED))
    assert len(set(ranks)) == NUM_LEAST_EXPLAINED + NUM_OTHERS
    assert ranks.max() == 383
    assert np.diff(np.sort(ranks)).max() <= np.ceil(375 / (NUM_OTHERS - 1))


def test_few_chains_are_all_tested():
    assert sorted(chains_to_test(np.arange(5.0))) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("of_delivery", "of_search", "expected"),
    [
        ({}, {}, ["a mode"]),
        ({}, {"end": SearchEnd.NO_NEW_MODE}, ["a mode"]),
        ({}, {"end": SearchEnd.MAX_STARTS}, []),
        ({}, {"stop_reason": StopReason.MAX_SECONDS}, []),
        ({"stop_reason": StopReason.INTERRUPTED}, {}, []),
        ({"refined": None}, {}, []),
    ],
)
def test_paths_start_from_the_last_positions(of_delivery, of_search, expected, monkeypatch):
    starts = []

    def new_maxima(target, positions, maxima, affine_map):
        starts.append(positions)
        return ["a mode"]

    monkeypatch.setattr(chain_modes, "new_maxima", new_maxima)
    draws = np.random.default_rng(0).standard_normal((5, 3, 2))
    # The mixture explains the last chain least.
    log_density = np.outer(np.arange(5.0), [0.0, 0.0, 1.0])
    refined = SimpleNamespace(draws=draws, log_density=log_density)
    pooled = SimpleNamespace(log_prob=lambda positions: np.zeros(len(positions)))
    found = modes_of_chains(
        FitTarget.of(correlated_gaussian(2).target(), None),
        SimpleNamespace(**{"refined": refined, "stop_reason": None, **of_delivery}),
        SimpleNamespace(
            **{"end": SearchEnd.ONE_MODE, "stop_reason": None, "maxima": [], **of_search}
        ),
        SimpleNamespace(pooled=lambda: pooled, affine_map=None),
    )
    assert found == expected
    if expected:
        np.testing.assert_array_equal(starts[0], draws[::-1, -1])
