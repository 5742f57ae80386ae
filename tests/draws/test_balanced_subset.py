"""Subsets of weighted draws: probabilities of the draws, and errors of the marginals."""

import numpy as np

from isogmm.draws.balanced_subset import balanced_subset


def test_draws_are_chosen_in_proportion_to_their_weights():
    generator = np.random.default_rng(0)
    positions = generator.standard_normal((120, 2))
    weights = generator.choice([0.0, 1.0, 3.0], 120)
    parts = np.split(np.arange(120), 2)
    counts, repetitions = np.zeros(120), 1000
    for _ in range(repetitions):
        for part, index in zip(
            parts, balanced_subset(positions, weights, parts, 20, generator), strict=True
        ):
            assert len(index) == 20
            assert np.all(np.isin(index, part))
            counts += np.bincount(index, minlength=120)
    assert not np.any(counts[weights == 0.0])
    expected = np.concatenate([20 * weights[part] / weights[part].sum() for part in parts])
    by_weight = [counts[weights == w].sum() / expected[weights == w].sum() for w in (1.0, 3.0)]
    np.testing.assert_allclose(np.array(by_weight) / repetitions, 1.0, atol=0.05)


def test_marginals_have_smaller_errors_than_those_of_independent_draws():
    generator = np.random.default_rng(1)
    # Exponential: the largest draws matter for the sd.
    positions = generator.exponential(size=(4000, 3))
    weights = np.exp(0.3 * generator.standard_normal(4000))
    weights /= weights.sum()
    parts, errors = np.split(np.arange(4000), 4), []
    for _ in range(20):
        index = np.concatenate(balanced_subset(positions, weights, parts, 250, generator))
        chosen = positions[index]
        shares = [(chosen > level).mean(axis=0) - weights @ (positions > level) for level in (1, 3)]
        errors.append([chosen.mean(axis=0) - weights @ positions, *shares])
    rms = np.sqrt(np.mean(np.square(errors), axis=(0, 2)))
    # Independent draws: sd / √n of the mean and of both shares.
    tails = np.exp(-np.array([1.0, 3.0]))
    independent = np.sqrt([1.0, *(tails * (1.0 - tails))]) / np.sqrt(1000)
    assert np.all(rms < np.array([0.3, 0.3, 0.6]) * independent)


def test_many_coordinates_and_more_draws_than_there_are():
    generator = np.random.default_rng(2)
    positions = generator.standard_normal((40, 600))
    (index,) = balanced_subset(positions, np.ones(40), [np.arange(40)], 100, generator)
    # Each is chosen about 2.5 times.
    assert np.bincount(index, minlength=40).max() <= 6
    assert len(np.unique(index)) > 30


def test_parts_keep_their_differences():
    """Two parts whose means are one sd apart: R-hat must see this."""
    generator = np.random.default_rng(3)
    positions = generator.standard_normal((4000, 1)) + np.repeat([[0.0], [1.0]], 2000, axis=0)
    parts = np.split(np.arange(4000), 2)
    chosen = balanced_subset(positions, np.ones(4000), parts, 500, generator)
    for part, index in zip(parts, chosen, strict=True):
        # A tenth of an sd is 2.2 standard errors of 500 independent draws.
        assert abs(positions[index].mean() - positions[part].mean()) < 0.1


def test_a_part_without_weight_gets_equal_weights():
    generator = np.random.default_rng(4)
    positions, weights = generator.standard_normal((80, 1)), np.repeat([1.0, 0.0], 40)
    _, index = balanced_subset(positions, weights, np.split(np.arange(80), 2), 200, generator)
    assert len(np.unique(index)) == 40
