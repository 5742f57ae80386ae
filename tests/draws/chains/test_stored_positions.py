"""The recorded positions of all chains, in one array that is not copied."""

import numpy as np
import pytest

from isogmm.draws.chains.stored_positions import StoredPositions

CHAINS, DIM = 3, 2


def positions_of(transition):
    """Positions that differ between transitions, chains and coordinates."""
    return 100.0 * transition + np.arange(CHAINS * DIM).reshape(CHAINS, DIM)


def stored(count, capacity, dtype=np.float64):
    result = StoredPositions(capacity, np.dtype(dtype))
    for transition in range(count):
        result.append(positions_of(transition))
    return result


def expected(transitions):
    return np.stack([positions_of(transition) for transition in transitions], axis=1)


@pytest.mark.parametrize("capacity", [1, 4, 7, 20])
def test_positions_are_stored_in_the_order_of_time(capacity):
    record = stored(7, capacity)
    assert len(record) == 7
    np.testing.assert_array_equal(record.values, expected(range(7)))


@pytest.mark.parametrize("kept", [range(3, 7), range(0, 7, 2), range(0, 7), range(6, 7)])
def test_kept_positions_are_followed_by_new_ones(kept):
    record = stored(7, 7)
    record.keep(kept)
    record.append(positions_of(9))
    np.testing.assert_array_equal(record.values, expected([*kept, 9]))


@pytest.mark.parametrize(("count", "capacity"), [(5, 5), (5, 20), (1, 8)])
def test_the_finished_array_is_contiguous_in_the_same_memory(count, capacity):
    record = stored(count, capacity)
    before = record.values
    found = record.contiguous()
    assert found.flags.c_contiguous
    assert np.shares_memory(before, found)
    np.testing.assert_array_equal(found, expected(range(count)))


def test_positions_may_be_stored_in_single_precision():
    record = stored(2, 2, np.float32)
    assert record.values.dtype == record.contiguous().dtype == np.float32
