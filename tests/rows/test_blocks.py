"""Blocks of rows: their sizes, their order, and the errors for invalid data."""

import numpy as np
import pytest

from isogmm import ModelError, OptionError
from isogmm.rows.blocks import MAX_BLOCK_ROWS, MIN_BLOCK_ROWS, Blocks
from isogmm.rows.sample import sampled

X = np.arange(22.0).reshape(11, 2)
Y = np.arange(11)


def rows_of(blocks):
    """The rows of one pass without padding, and the numbers of rows."""
    found = list(blocks)
    arrays = [np.concatenate([b.arrays[i][: b.num_rows] for b in found]) for i in range(2)]
    return arrays, [block.num_rows for block in found]


def pieces(*ends):
    """Blocks of the rows up to each of these ends."""
    begins = (0, *ends[:-1])
    return [{"x": X[a:b], "y": Y[a:b]} for a, b in zip(begins, ends, strict=True)]


@pytest.mark.parametrize(
    "rows",
    [
        {"x": X, "y": Y},
        pieces(1, 9, 11),
        lambda: pieces(2, 4, 11),
        lambda: (piece for piece in pieces(7, 7, 11)),
    ],
    ids=["arrays", "list", "function", "generator function with an empty block"],
)
def test_blocks_have_one_size_and_all_rows(rows):
    blocks = Blocks(rows, 4)
    for number in (1, 2):
        (x, y), counts = rows_of(blocks)
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(y, Y)
        assert counts == [4, 4, 3]
        assert (blocks.num_rows, blocks.num_passes) == (11, number)
    last = list(blocks)[-1]
    # The last block is padded with the first row of the data.
    np.testing.assert_array_equal(last.arrays[0][3], X[0])
    assert [len(array) for array in last.arrays] == [4, 4]


@pytest.mark.parametrize(("size", "evenly"), [(1_000, [11]), (8, [6, 6])])
def test_later_passes_have_few_copies_of_the_first_row(size, evenly):
    blocks = Blocks((X, Y), size)
    list(blocks)
    assert [len(block.arrays[0]) for block in blocks] == evenly
    np.testing.assert_array_equal(rows_of(blocks)[0][1], Y)


def test_later_blocks_may_have_smaller_types():
    blocks = Blocks([{"x": X[:5], "y": Y[:5]}, {"x": np.float32(X[5:]), "y": np.int8(Y[5:])}], 4)
    (x, y), _ = rows_of(blocks)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert (x.dtype, y.dtype) == (np.float64, Y.dtype)


def test_a_memory_mapped_array_is_read_in_blocks(tmp_path):
    X.astype(np.float32).tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", np.float32, "r", shape=X.shape)
    block = next(iter(Blocks((mapped, Y), 4)))
    np.testing.assert_array_equal(block.arrays[0], X[:4])
    assert block.arrays[0].dtype == np.float64
    assert not isinstance(block.arrays[0], np.memmap)


def test_the_size_of_a_block_follows_from_the_size_of_a_row():
    assert Blocks(np.zeros((2, 3))).block_rows == MAX_BLOCK_ROWS
    assert Blocks(np.zeros((2, 100_000))).block_rows == MIN_BLOCK_ROWS
    assert Blocks(np.zeros((2, 100))).block_rows == 2**24 // 800


NAN = X.copy()
NAN[8, 1] = np.nan
INVALID = [
    (iter(pieces(11)), OptionError, "rows is an iterator, which can be read only once"),
    ([], OptionError, "rows has no blocks"),
    ({}, OptionError, "rows has no arrays"),
    ("data.csv", OptionError, "rows must be data, not str"),
    (lambda: X, OptionError, "must return an iterable of blocks, not ndarray"),
    ({"x": X, "n": 3}, OptionError, "the entry 'n' of rows must be an array of numbers"),
    ({"x": X, "y": Y.astype(str)}, OptionError, "the entry 'y' of rows must be an array"),
    ({"x": X[:0], "y": Y[:0]}, ModelError, "the first block of rows is empty"),
    ({"x": X, "y": Y[:9]}, ModelError, "different numbers of rows: 'x' has 11, 'y' has 9"),
    (
        [*pieces(5), {"x": np.zeros((3, 4)), "y": Y[:3]}],
        ModelError,
        r"block 1 of rows has the shape \(3, 4\) for 'x', but a row of the first block has the "
        r"shape \(2,\)",
    ),
    ([*pieces(5), {"x": X}], ModelError, "block 1 of rows has the structure"),
    ([*pieces(5), {"x": X, "y": Y + 0.5}], ModelError, "block 1 of rows has the type float64"),
    (
        [{"y": Y[:5].astype(np.int8)}, {"y": Y + 300}],
        ModelError,
        "block 1 of rows has the type int64 for 'y', but the first block has int8",
    ),
    ({"x": NAN, "y": Y}, ModelError, r"row 8 of 'x' has a value that is NaN or infinite \(1 such"),
    ((NAN[:, 1],), ModelError, "row 8 of 0 has a value that is NaN"),
]


@pytest.mark.parametrize(("rows", "error", "message"), INVALID, ids=[m for _, _, m in INVALID])
def test_invalid_rows(rows, error, message):
    with pytest.raises(error, match=message):
        list(Blocks(rows, 4))


def test_blocks_that_are_missing_in_a_later_pass():
    exhausted = (piece for piece in pieces(3, 11))
    first = pieces(11)
    calls = []

    def read():
        calls.append(1)
        return first if len(calls) <= 2 else exhausted

    blocks = Blocks(read, 4)
    list(blocks)
    list(blocks)  # reads the generator to its end
    message = "11 rows in the first pass over the data and 0 in pass 3.* must return a new iterable"
    with pytest.raises(ModelError, match=message):
        list(blocks)


@pytest.mark.long
def test_every_row_has_the_same_chance_to_be_in_the_sample():
    generator, counts, repetitions = np.random.default_rng(0), np.zeros(11), 3000
    blocks = Blocks((X, Y), 4)
    for _ in range(repetitions):
        x, y = sampled(blocks, 3, generator)
        np.testing.assert_array_equal(x, X[y])
        assert len(set(y)) == 3
        counts[y] += 1
    # Five standard errors of a binomial share.
    share = 3 / 11
    error = 5 * np.sqrt(share * (1 - share) / repetitions)
    np.testing.assert_allclose(counts / repetitions, share, atol=error)


def test_a_sample_of_more_rows_than_there_are_has_all():
    _, y = sampled(Blocks((X, Y), 4), 20, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(y), Y)


def test_every_row_can_be_in_the_sample():
    """In sixty samples of three of eleven rows, all miss a row with probability 6e-8."""
    generator, blocks = np.random.default_rng(0), Blocks((X, Y), 4)
    samples = [sampled(blocks, 3, generator) for _ in range(60)]
    assert {int(row) for _, y in samples for row in y} == set(range(11))
    for x, y in samples:
        np.testing.assert_array_equal(x, X[y])
        assert len(set(y)) == 3
