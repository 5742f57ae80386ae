"""Validation of numbers, names of options and random seeds that a user passes."""

import difflib
import math
from collections.abc import Iterable, Mapping

import jax
import numpy as np

from isogmm.errors import OptionError


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """The value as an int.

    Parameters
    ----------
    name
        Name of the option, for the message.
    value
        What the user passed.
    least
        Smallest valid value.

    Raises
    ------
    OptionError
        If the value is not an integer or is below ``least``.  True and False are not integers.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def check_counts(options: object, *, least: Mapping[str, int]) -> None:
    """Check that every attribute of an options object is a whole number.

    Parameters
    ----------
    options
        A dataclass instance whose fields are all counts.
    least
        Smallest valid value by field; 1 for a field without an entry.

    Raises
    ------
    OptionError
        If a field is invalid; the message names the class and the field.
    """
    for field, value in vars(options).items():
        whole_number(f"{type(options).__name__}({field}=...)", value, least=least.get(field, 1))


def real_number(name: str, value: object, *, above: float | None = None) -> float:
    """The value as a finite float.

    Parameters
    ----------
    name
        Name of the option, for the message.
    value
        What the user passed.
    above
        The value must be larger than this; None for a value of at least 0.

    Raises
    ------
    OptionError
        If the value is not a finite number or is too small.  True and False are not numbers.
    """
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and (number >= 0 if above is None else number > above):
            return number
    bound = "that is at least 0" if above is None else f"above {above:g}"
    raise OptionError(f"{name} must be a number {bound}, not {value!r}")


def unknown_value(name: str, value: object, names: Iterable[str], objects: str) -> str:
    """The message for an option whose value is none of its names, with the nearest name.

    Parameters
    ----------
    name, value
        The option and what the user passed.
    names
        The names that the option accepts.
    objects
        What else it accepts, for the message.
    """
    names = list(names)
    close = difflib.get_close_matches(str(value).lower(), names, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(repr(item) for item in names)
    return f"unknown {name}={value!r}: choose one of {listed}, or pass {objects}.{guess}"


def seed_of(random_seed: object) -> int:
    """An integer seed from None, an int, a NumPy Generator or a JAX key.

    None gives a random seed.  A Generator is advanced by one draw.

    Raises
    ------
    OptionError
        If ``random_seed`` is none of these.
    """
    if random_seed is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_seed, int | np.integer) and not isinstance(random_seed, bool):
        if random_seed < 0:
            raise OptionError(f"random_seed must not be negative, got {random_seed}")
        return int(random_seed) if random_seed < 2**63 else _seed_from(int(random_seed))
    if isinstance(random_seed, np.random.Generator):
        return int(random_seed.integers(2**31))
    if isinstance(random_seed, np.ndarray | jax.Array):
        is_typed_key = jax.dtypes.issubdtype(random_seed.dtype, jax.dtypes.prng_key)
        words = np.asarray(jax.random.key_data(random_seed) if is_typed_key else random_seed)
        if words.dtype == np.uint32:
            return _seed_from(words.ravel().tolist())
    raise OptionError(
        "random_seed must be an int, a numpy.random.Generator or a JAX key, not "
        f"{type(random_seed).__name__}"
    )


def _seed_from(entropy: int | list[int]) -> int:
    """A seed of 31 bits from an integer of any size or from the words of a key."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
