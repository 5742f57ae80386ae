"""The validation of user input."""

import jax
import numpy as np
import pytest

from isogmm.errors import OptionError
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.validation import generator_of, seed_of


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
