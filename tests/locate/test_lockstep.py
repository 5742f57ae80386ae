"""Walks served together: the same results as one after the other, in fewer calls."""

import threading
import warnings

import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.locate.lockstep import in_lockstep
from isogmm.locate.paths import follow_paths


def walk(start, length):
    """Follows the gradient for some steps and returns every value it saw."""

    def take(ask):
        position, seen = np.full(2, float(start)), []
        for _ in range(length):
            value, gradient = ask(position)
            seen.append(float(value))
            position = position + 0.1 * gradient
        return seen

    return take


def evaluate(positions):
    return -0.5 * (positions**2).sum(axis=1), -positions


def one_by_one(walks):
    def ask(position):
        values, gradients = evaluate(position[None])
        return values[0], gradients[0]

    return [take(ask) for take in walks]


def test_results_are_those_of_one_after_the_other_in_as_many_calls_as_the_longest_needs():
    walks = [walk(start, length) for start, length in ((1, 3), (2, 7), (3, 0), (4, 5))]
    rows = []

    def counted(positions):
        rows.append(len(positions))
        return evaluate(positions)

    assert in_lockstep(walks, counted) == one_by_one(walks)
    assert rows == [3, 3, 3, 2, 2, 1, 1]


def test_rows_are_in_the_order_of_the_walks():
    orders = []

    def watched(positions):
        orders.append(positions[:, 0].tolist())
        return np.zeros(len(positions)), np.zeros_like(positions)

    for _ in range(20):
        in_lockstep([walk(start, 2) for start in range(8)], watched)
    assert all(order == list(map(float, range(8))) for order in orders)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_of_the_evaluation_ends_all_walks(error):
    def failing(positions):
        raise error

    before = threading.active_count()
    with pytest.raises(error):
        in_lockstep([walk(1, 5), walk(2, 5)], failing)
    assert threading.active_count() == before


def test_an_error_of_a_walk_ends_the_others():
    def broken(ask):
        ask(np.zeros(2))
        raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        in_lockstep([walk(1, 50), broken, walk(2, 50)], evaluate)
    assert threading.active_count() == before


def test_paths_side_by_side_are_those_one_after_the_other():
    target = correlated_gaussian(3, 20.0).target()
    starts = np.random.default_rng(0).uniform(-2, 2, (5, 3))
    together = follow_paths(target, starts)
    target.few = lambda: len(starts)
    alone = follow_paths(target, starts)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.positions, other.positions, rtol=0, atol=1e-9)
        assert one.converged
        assert other.converged


def test_walks_leave_the_filters_of_warnings_alone(monkeypatch):
    """They belong to the process: a thread that changes them loses what another one catches."""
    changed, enter = [], warnings.catch_warnings.__enter__

    def watched(self):
        changed.append(threading.current_thread())
        return enter(self)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", watched)
    follow_paths(correlated_gaussian(2, 2.0).target(), np.ones((3, 2)))
    assert not set(changed) - {threading.main_thread()}
