"""Calls of a program of fixed size: rows, padding and seeds."""

import numpy as np

from isogmm.model.programs.chunks import in_chunks


def test_each_chunk_has_its_own_seed_and_padding_is_removed():
    seeds, rows = [], []

    def program(positions, seed):
        seeds.append(int(seed))
        rows.append(positions.ravel().tolist())
        return {"double": 2 * positions, "seed": np.full(4, seed)}

    positions = np.arange(10.0)[:, None]
    found = in_chunks(program, positions, 7, 4)
    np.testing.assert_array_equal(found["double"], 2 * positions)
    assert seeds == [7, 11, 15]
    np.testing.assert_array_equal(found["seed"], [7] * 4 + [11] * 4 + [15] * 2)
    assert rows[-1] == [8.0, 9.0, 8.0, 8.0]


def test_seeds_stay_within_32_bits():
    seeds = []

    def program(positions, seed):
        seeds.append(int(seed))
        return positions

    in_chunks(program, np.zeros((6, 1)), 2**32 - 4, 4)
    assert seeds == [2**32 - 4, 0]
