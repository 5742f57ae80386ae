"""What every front door does first: a target from anything that can be fitted, and a seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isogmm.adapter import find_adapter
from isogmm.errors import OptionError
from isogmm.log_density import LogDensity
from isogmm.target import Target


def to_target(
    model: Any, model_args: tuple[Any, ...], model_kwargs: Mapping[str, Any], seed: int
) -> Target:
    """The target of anything that can be fitted."""
    if isinstance(model, Target | LogDensity):
        if model_args or model_kwargs:
            raise OptionError(
                f"a {type(model).__name__} takes no arguments; got {len(model_args)} positional "
                f"and the keywords {sorted(model_kwargs)}"
            )
        return model if isinstance(model, Target) else model.to_target(seed)
    return find_adapter(model).to_target(model, model_args, model_kwargs, seed)


def seed_of(random_seed: Any) -> int:
    """An integer seed from None, an int, a NumPy Generator or a JAX key.

    Raises
    ------
    OptionError
        If it is none of these.
    """
    if random_seed is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_seed, int | np.integer) and not isinstance(random_seed, bool):
        if random_seed < 0:
            raise OptionError(f"random_seed must not be negative, got {random_seed}")
        if random_seed < 2**63:
            return int(random_seed)
        return int(np.random.SeedSequence(int(random_seed)).generate_state(1)[0] >> 1)
    if isinstance(random_seed, np.random.Generator):
        return int(random_seed.integers(2**31))
    try:
        import jax

        data = (
            jax.random.key_data(random_seed)
            if jax.dtypes.issubdtype(random_seed.dtype, jax.dtypes.prng_key)
            else random_seed
        )
        if np.asarray(data).dtype != np.uint32:
            raise TypeError
        words = np.asarray(data).ravel()
        return int(np.random.SeedSequence(words.tolist()).generate_state(1)[0] >> 1)
    except Exception as error:
        raise OptionError(
            "random_seed must be an int, a numpy.random.Generator or a JAX key, not "
            f"{type(random_seed).__name__}"
        ) from error
