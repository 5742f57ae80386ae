"""Options of the optimization: limits, tolerance, and the seeds of chains."""

import pytest

from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay
from isogmm.optimize.stopping import ElboPlateau, MaxIterations
from isogmm.recipe.context import FitContext
from isogmm.recipe.options import TOLERANCE, TOLERANCE_WITH_CHAINS, default_tolerance, stopping_for

GIVEN = {"max_iterations": None, "max_seconds": None, "tolerance": None}


def stopping_of(schedule, **given):
    return stopping_for({**GIVEN, **given}, schedule, 0.5)


@pytest.mark.parametrize("schedule", [Constant(0.1), ConstantThenLinearDecay(0.1)])
@pytest.mark.parametrize("max_iterations", [None, 30])
def test_limits_of_every_stopping_rule(schedule, max_iterations):
    given = {"max_iterations": max_iterations, "max_seconds": 2.5}
    found = stopping_of(schedule, **given)
    assert found.max_seconds == 2.5
    assert max_iterations in (None, found.max_iterations)
    is_plan = isinstance(schedule, Constant) and max_iterations is not None
    assert isinstance(found, MaxIterations if is_plan else ElboPlateau)
    # A tolerance of the user ends the fit before the limit.
    own = stopping_of(schedule, **given, tolerance=0.03)
    assert (own.tolerance, own.max_seconds) == (0.03, 2.5)


def test_the_tolerance_is_small_where_no_chains_correct_the_mixture():
    assert stopping_of(ConstantThenLinearDecay(0.1)).tolerance == 0.5
    assert TOLERANCE < TOLERANCE_WITH_CHAINS
    for refine, expected in (
        ("auto", TOLERANCE_WITH_CHAINS),
        (100, TOLERANCE_WITH_CHAINS),
        (0, TOLERANCE),
        (False, TOLERANCE),
    ):
        assert default_tolerance(refine) == expected


@pytest.mark.usefixtures("unchecked")
def test_chains_that_are_fitted_one_after_another_have_their_own_random_numbers():
    def draws(seed, chains):
        context = FitContext(None, None, None, seed=seed)
        found = context.generators(chains)
        assert context.generators(chains)[0] is found[0]  # they continue
        return [generator.random() for generator in found]

    assert len({*draws(0, 4), *draws(1, 4)}) == 8
    assert draws(0, 2) == draws(0, 4)[:2]
