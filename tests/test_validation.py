"""The validation of user input."""

import jax
import numpy as np
import pytest

from isogmm.errors import OptionError
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.validation import generator_of, real_number, seed_of, whole_number


def test_seeds_of_every_kind():
    assert seed_of(7) == seed_of(np.int64(7)) == 7
    assert seed_of(np.random.default_rng(3)) == seed_of(np.random.default_rng(3))
    assert seed_of(jax.random.key(3)) == seed_of(jax.random.key(3))
    assert seed_of(jax.random.PRNGKey(3)) == seed_of(jax.random.key(3))
    assert seed_of(jax.random.key(3)) != seed_of(jax.random.key(4))
    assert seed_of(None) != seed_of(None)
    assert 0 <= seed_of(2**70) < 2**32
    assert seed_of(2**70) != seed_of(2**70 + 1)


def test_lists_and_other_sources_of_randomness_are_seeds():
    assert seed_of([1, 2, 3]) == seed_of((1, 2, 3)) == seed_of(np.array([1, 2, 3]))
    assert len({seed_of([1]), seed_of([1, 2]), seed_of([2, 1]), seed_of(range(3))}) == 4
    sources = (
        lambda: np.random.SeedSequence(3),
        lambda: np.random.RandomState(3),
        lambda: np.random.PCG64(3),
    )
    for source in sources:
        assert seed_of(source()) == seed_of(source())


@pytest.mark.parametrize("seed", [[], [1, -2], [1.5], [True], "a", 1.0, np.array([-1]), {1}])
def test_what_is_no_seed_is_named(seed):
    with pytest.raises(OptionError, match=r"random_seed must be an int, a list of ints.* not \w+"):
        seed_of(seed)


def test_a_generator_is_used_itself():
    generator = np.random.default_rng(3)
    assert generator_of(generator) is generator
    assert generator_of(3).random() == np.random.default_rng(3).random()


@pytest.mark.parametrize(
    "mixture",
    [
        IsotropicMixture(np.zeros((2, 3)), np.ones(2), np.log(np.ones(2) / 2)),
        FactorizedMixture(np.zeros((2, 3)), np.ones((2, 3))),
    ],
    ids=["isotropic", "factorized"],
)
def test_mixtures_are_sampled_with_every_kind_of_seed(mixture):
    for seed in (7, [7, 8], jax.random.key(7), jax.random.PRNGKey(7)):
        first, second = (np.asarray(_draws(mixture.sample(seed, 4))) for _ in range(2))
        assert first.shape == (4, 3)
        np.testing.assert_array_equal(first, second)
    assert _draws(mixture.sample(None, 4)).shape == (4, 3)
    by_generator = _draws(mixture.sample(np.random.default_rng(7), 4))
    np.testing.assert_array_equal(by_generator, _draws(mixture.sample(7, 4)))
    with pytest.raises(OptionError, match="random_seed must be"):
        mixture.sample("a", 4)


def _draws(sample):
    return sample[0] if isinstance(sample, tuple) else sample


def test_a_generator_gives_another_seed_in_every_call():
    for source in (np.random.default_rng(3), np.random.RandomState(3), np.random.PCG64(3)):
        assert seed_of(source) != seed_of(source)


@pytest.mark.parametrize("value", [2, np.int32(3), np.uint8(200)])
def test_whole_numbers_from_the_smallest_one_are_accepted(value):
    found = whole_number("draws", value, least=2)
    assert found == value
    assert type(found) is int


@pytest.mark.parametrize("value", [1, -3, 2.0, "2", True, None, np.float64(3.0)])
def test_other_values_are_no_whole_numbers(value):
    with pytest.raises(OptionError, match="draws must be a whole number of at least 2, not"):
        whole_number("draws", value, least=2)


def test_real_numbers_within_their_bound_are_accepted():
    assert real_number("tolerance", 0) == 0.0
    assert real_number("tolerance", np.float32(0.5), above=0.25) == 0.5
    assert type(real_number("tolerance", np.int64(1), above=0.0)) is float


@pytest.mark.parametrize("value", [-1e-300, np.inf, -np.inf, np.nan, True, "1", None])
def test_other_values_are_no_real_numbers(value):
    with pytest.raises(OptionError, match="tolerance must be a number that is at least 0, not"):
        real_number("tolerance", value)


def test_a_real_number_is_larger_than_its_bound():
    with pytest.raises(OptionError, match=r"tolerance must be a number above 0, not 0\.0"):
        real_number("tolerance", 0.0, above=0.0)
