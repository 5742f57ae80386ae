"""Tasks in lockstep: the same results as one after the other, in fewer calls."""

import threading
import warnings

import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.locate.paths.lbfgs import follow_paths
from isogmm.locate.paths.lockstep import in_lockstep


def task(start, length):
    """A task that follows the gradient for some steps and returns all values."""

    def follow(evaluate_one):
        position, values = np.full(2, float(start)), []
        for _ in range(length):
            value, gradient = evaluate_one(position)
            values.append(float(value))
            position = position + 0.1 * gradient
        return values

    return follow


def evaluate(positions):
    return -0.5 * (positions**2).sum(axis=1), -positions


def one_by_one(tasks):
    def evaluate_one(position):
        values, gradients = evaluate(position[None])
        return values[0], gradients[0]

    return [follow(evaluate_one) for follow in tasks]


def test_results_are_those_of_one_after_the_other_in_as_many_calls_as_the_longest_needs():
    tasks = [task(start, length) for start, length in ((1, 3), (2, 7), (3, 0), (4, 5))]
    rows = []

    def counted(positions):
        rows.append(len(positions))
        return evaluate(positions)

    assert in_lockstep(tasks, counted) == one_by_one(tasks)
    assert rows == [3, 3, 3, 2, 2, 1, 1]


def test_rows_are_in_the_order_of_the_tasks():
    orders = []

    def watched(positions):
        orders.append(positions[:, 0].tolist())
        return np.zeros(len(positions)), np.zeros_like(positions)

    for _ in range(20):
        in_lockstep([task(start, 2) for start in range(8)], watched)
    assert all(order == list(map(float, range(8))) for order in orders)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_of_the_evaluation_ends_all_tasks(error):
    def failing(positions):
        raise error

    before = threading.active_count()
    with pytest.raises(error):
        in_lockstep([task(1, 5), task(2, 5)], failing)
    assert threading.active_count() == before


def test_an_error_of_a_task_ends_the_others():
    def broken(evaluate_one):
        evaluate_one(np.zeros(2))
        raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        in_lockstep([task(1, 50), broken, task(2, 50)], evaluate)
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


def test_tasks_do_not_change_the_warning_filters(monkeypatch):
    """The filters belong to the process: changes in one thread affect all threads."""
    changed, enter = [], warnings.catch_warnings.__enter__

    def watched(self):
        changed.append(threading.current_thread())
        return enter(self)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", watched)
    follow_paths(correlated_gaussian(2, 2.0).target(), np.ones((3, 2)))
    assert not set(changed) - {threading.main_thread()}
