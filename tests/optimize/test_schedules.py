"""Step sizes, tails and how both share a budget."""

import itertools
import math

import pytest

from isogmm.errors import OptionError
from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay, Polynomial

SCHEDULES = {
    "constant": Constant(0.1),
    "decay": ConstantThenLinearDecay(0.1, tail=0.5),
    "long_tail": ConstantThenLinearDecay(0.1, tail=2.0),
    "short_tail": ConstantThenLinearDecay(0.1, tail=0.5, longest_tail=10),
    "polynomial": Polynomial(0.1),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("budget", [1, 2, 3, 10, 99, 100, 1000, 12345])
def test_main_phase_and_tail_fit_the_budget_and_nearly_fill_it(name, budget):
    schedule = SCHEDULES[name]
    main = schedule.main_length(budget)
    assert 1 <= main <= budget
    together = main + min(schedule.tail_length(main), budget - main)
    assert budget - 1 <= together <= budget
    assert 0 < schedule.main_share() <= 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_step_sizes_are_positive_and_never_grow(name):
    steps = [SCHEDULES[name].step_size(iteration) for iteration in range(1000)]
    assert steps[0] == 0.1
    assert min(steps) > 0
    assert all(after <= before for before, after in itertools.pairwise(steps))


def test_polynomial_formula():
    assert Polynomial(0.3, delay=10.0, power=0.5).step_size(30) == pytest.approx(0.3 / 2.0)


def test_tails():
    assert Constant(0.1).tail_length(100) == 0
    assert ConstantThenLinearDecay(tail=0.5).tail_length(100) == 50
    assert ConstantThenLinearDecay(tail=0.5, longest_tail=20).tail_length(100) == 20
    assert ConstantThenLinearDecay(tail=0.5).tail_length(1) == 1


@pytest.mark.parametrize("bad", [0.0, -0.1, math.inf, math.nan])
def test_impossible_step_sizes_are_refused(bad):
    for make in (Constant, ConstantThenLinearDecay, Polynomial):
        with pytest.raises(OptionError, match="step_size must be a positive number"):
            make(bad)


def test_other_impossible_settings_are_refused():
    with pytest.raises(OptionError, match="tail must be"):
        ConstantThenLinearDecay(tail=0.0)
    with pytest.raises(OptionError, match="longest_tail"):
        ConstantThenLinearDecay(longest_tail=0)
    with pytest.raises(OptionError, match="delay and power"):
        Polynomial(0.1, power=0.0)


def test_a_tail_of_one_iteration_is_possible():
    assert ConstantThenLinearDecay(0.25, longest_tail=1).tail_length(1_000) == 1
