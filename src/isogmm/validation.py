"""Checks of numbers that a user gives: whole, positive, finite; and seeds of random numbers."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from isogmm.errors import OptionError


def whole_number(name: str, value: Any, *, least: int = 1) -> int:
    """The value as an int.

    Raises
    ------
    OptionError
        If it is no whole number, or below ``least``; True and False are none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def check_counts(options: Any, *, least: Mapping[str, int]) -> None:
    """Check that every field of a dataclass is a whole number, of at least 1 unless ``least`` says.

    Raises
    ------
    OptionError
        Naming the class and the field.
    """
    for field in fields(options):
        name = f"{type(options).__name__}({field.name}=...)"
        whole_number(name, getattr(options, field.name), least=least.get(field.name, 1))


def real_number(name: str, value: Any, *, above: float | None = None) -> float:
    """The value as a finite float, not negative, or above a bound.

    Raises
    ------
    OptionError
        If it is none.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating)
    is_number = is_number and not isinstance(value, bool) and bool(np.isfinite(value))
    if above is not None and not (is_number and value > above):
        raise OptionError(f"{name} must be a number above {above:g}, not {value!r}")
    if not (is_number and value >= 0):
        raise OptionError(f"{name} must be a number, zero or positive, not {value!r}")
    return float(value)


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
