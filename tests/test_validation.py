"""The validation of user input."""

import jax
import numpy as np

from isogmm.validation import seed_of


def test_seeds_of_every_kind():
    assert seed_of(7) == seed_of(np.int64(7)) == 7
    assert seed_of(np.random.default_rng(3)) == seed_of(np.random.default_rng(3))
    assert seed_of(jax.random.key(3)) == seed_of(jax.random.key(3))
    assert seed_of(jax.random.PRNGKey(3)) == seed_of(jax.random.key(3))
    assert seed_of(jax.random.key(3)) != seed_of(jax.random.key(4))
    assert seed_of(None) != seed_of(None)
    assert 0 <= seed_of(2**70) < 2**32
    assert seed_of(2**70) != seed_of(2**70 + 1)
