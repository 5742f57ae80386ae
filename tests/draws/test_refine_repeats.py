"""A recording with slow coordinates is continued while the budget allows it."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.draws import refine as module
from isogmm.draws.chains import extension
from isogmm.draws.chains.convergence import MAX_DISTANCE_SD
from isogmm.draws.chains.extension import MAX_LOG_SD_ERROR
from isogmm.draws.chains.remaining_bias import RemainingBias
from isogmm.draws.refine import (
    MAX_REMAINING_BIAS,
    MAX_TRUSTED_BIAS,
    MAX_TRUSTED_LOG_SD_ERROR,
    Refine,
    refine,
)
from isogmm.mixtures.affine_map import dense_map

pytestmark = pytest.mark.usefixtures("unchecked")
#: Transitions of the warm-up and of the first recording.
WARMUP, RECORDED = 8, 20
#: Factor of the largest of three errors that are estimated from 96 chains.
LARGEST_OF_THREE = 1.0 + np.sqrt(np.log(3) / 96)


def refined(max_gradients=10**6, num_groups=1):
    """Chains on a Gaussian, in coordinates that whiten it."""
    truth, generator = correlated_gaussian(3, 10.0), np.random.default_rng(0)
    affine_map = dense_map(truth.means[0], truth.covariances[0])
    positions = affine_map.forward(generator.standard_normal((96, 3)))
    options = Refine(num_chains=96, max_gradients=max_gradients)
    groups = np.arange(96) % num_groups
    return refine(truth.target(96), positions, groups, affine_map, generator, options)


def bias_in_turn(monkeypatch, values):
    """Biases of the last coordinate, recording by recording."""
    asked = []

    def remaining_bias(start, draws, groups, age):
        asked.append((draws.shape[1], age))
        found = np.zeros(3)
        found[2] = values[min(len(asked), len(values)) - 1]
        return RemainingBias(np.zeros(3), found)

    monkeypatch.setattr(module, "remaining_bias", remaining_bias)
    return asked


def test_chains_of_a_gaussian_are_recorded_once():
    found = refined()
    assert found.num_transitions == WARMUP + RECORDED
    assert found.is_independent
    assert 0.0 < found.slowness.max() < 1.0


def test_a_bias_discards_the_first_half_and_continues(monkeypatch):
    asked = bias_in_turn(monkeypatch, [-2.0 * MAX_REMAINING_BIAS, 0.5 * MAX_REMAINING_BIAS])
    monkeypatch.setattr(extension, "log_sd_error", lambda draws, groups: np.zeros(3))
    found = refined()
    half = RECORDED // 2
    assert asked == [(RECORDED, WARMUP), (half + RECORDED, WARMUP + half)]
    assert found.draws.shape[1] == half + RECORDED
    assert found.num_transitions == WARMUP + 2 * RECORDED
    assert found.is_independent
    assert found.slowness[2] == pytest.approx(0.5 * MAX_REMAINING_BIAS / MAX_TRUSTED_BIAS)


def test_a_large_error_alone_keeps_the_whole_recording(monkeypatch):
    def error(draws, groups):
        # Below the limit from five planned lengths on; three are recorded at first.
        error = 0.999 * LARGEST_OF_THREE * MAX_LOG_SD_ERROR
        return np.array([0.0, error * np.sqrt(5 * RECORDED / draws.shape[1]), 0.0])

    asked = bias_in_turn(monkeypatch, [0.0])
    monkeypatch.setattr(extension, "log_sd_error", error)
    found = refined()
    # A quarter of 60 transitions, then quarters of 75 until there are 100 or more.
    assert asked == [(3 * RECORDED, WARMUP), (75 + 18 + 18, WARMUP)]
    assert found.num_transitions == WARMUP + 75 + 18 + 18


@pytest.mark.parametrize(("share", "is_trusted"), [(0.99, True), (1.01, False)])
def test_a_bias_that_the_budget_cannot_remove_is_trusted_up_to_a_limit(
    monkeypatch, share, is_trusted
):
    asked = bias_in_turn(monkeypatch, [share * MAX_TRUSTED_BIAS])
    found = refined(max_gradients=40_000)
    assert 1 < len(asked) < 4
    assert found.is_independent == is_trusted
    assert int(found.slowness.argmax()) == 2


@pytest.mark.parametrize(("share", "is_trusted"), [(0.99, True), (1.01, False)])
def test_an_inaccurate_sd_is_trusted_up_to_a_limit(monkeypatch, share, is_trusted):
    error = np.array([0.0, share * LARGEST_OF_THREE * MAX_TRUSTED_LOG_SD_ERROR, 0.0])
    monkeypatch.setattr(extension, "log_sd_error", lambda draws, groups: error)
    found = refined(max_gradients=40_000)
    assert found.is_independent == is_trusted
    assert found.slowness[1] == pytest.approx(share)


def test_several_modes_are_recorded_once(monkeypatch):
    asked = bias_in_turn(monkeypatch, [2.0 * MAX_REMAINING_BIAS])
    found = refined(num_groups=2)
    assert len(asked) == 1
    assert found.is_independent
    assert not found.slowness.any()


def test_an_inaccurate_sd_extends_the_recording(monkeypatch):
    def error(draws, groups):
        error = 0.999 * LARGEST_OF_THREE * MAX_LOG_SD_ERROR * np.sqrt(30 / draws.shape[1])
        return np.array([0.0, error, 0.0])

    monkeypatch.setattr(extension, "log_sd_error", error)
    found = refined()
    # Extensions of a quarter of the planned length until the error is that of 30 transitions.
    assert found.draws.shape[1] == 30
    assert found.is_independent
    relative = MAX_LOG_SD_ERROR / MAX_TRUSTED_LOG_SD_ERROR
    assert found.slowness[1] == pytest.approx(0.999 * relative)


@pytest.mark.parametrize(("place", "is_clipped"), [(None, True), (0.5, True), (-3.0, False)])
def test_squares_are_not_limited_in_a_tail_that_leads_into_a_neck(place, is_clipped):
    generator = np.random.default_rng(1)
    draws = generator.standard_normal((200, 20, 2))
    draws[0, :, 1] = -20.0  # one chain that has arrived
    neck = [] if place is None else [np.array([[0.0, place]])]
    groups = np.zeros(200, int)
    sampler = SimpleNamespace(neck=neck, groups=groups, has_several_modes=False)
    recording = SimpleNamespace(draws=draws, sampler=sampler)
    found = extension.spread_error(recording)
    sd = draws[:, :, 1].std()
    largest = MAX_DISTANCE_SD if is_clipped else (20.0 + draws[:, :, 1].mean()) / sd
    # One of m chains differs by s from the others: the sd of their means is about s / √m.
    largest_of_two = 1.0 + np.sqrt(np.log(2) / 200)
    assert found[1] * largest_of_two == pytest.approx(0.5 * largest**2 / 200, rel=0.05)
    assert found[0] < MAX_LOG_SD_ERROR
