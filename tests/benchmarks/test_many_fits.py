"""The speed-up of a study by two processes, from processor seconds."""

import pytest

from benchmarks.many_fits import NUM_FITS, speed_up


def test_without_costs_of_their_own_two_workers_halve_the_time():
    assert speed_up(0.5, 0.5, 0.0, 0.5, 0.5, 0.0) == pytest.approx(2.0)


def test_the_costs_of_workers_and_of_the_parent_count():
    # A parent that spends a fit on each data set doubles the work of each core.
    assert speed_up(0.5, 0.5, 0.0, 0.5, 0.5, 0.5) == pytest.approx(1.0, abs=2 / NUM_FITS)
    # A start that costs as much as half of the fits does, too.
    assert speed_up(1.0, 1.0, 0.0, NUM_FITS / 2, 1.0, 0.0) == pytest.approx(1.0, abs=2 / NUM_FITS)
