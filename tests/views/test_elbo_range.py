"""The range of an ELBO trace that a plot shows."""

import numpy as np
import pytest

from isogmm.views.elbo_range import lower_limit


def test_the_plot_is_at_most_four_times_as_high_as_the_trace_after_the_climb():
    climb = np.array([-500.0, -90.0, -8.0, -6.0, -4.0, -2.0, np.nan, -3.0, -2.5])[:, None]
    # The last two thirds begin at the fourth check.
    assert lower_limit(climb, -500.0, -2.0, 1.0) == -2.0 - 4 * 4.0
    assert lower_limit(climb, -500.0, -2.0, 10.0) == -2.0 - 4 * 10.0
    assert lower_limit(climb, -5.0, -2.0, 1.0) == -5.0


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_trace_without_a_finite_end_is_shown_whole(value):
    trace = np.array([-3.0, value, value])[:, None]
    assert lower_limit(trace, -3.0, 0.0, 1.0) == -3.0
