"""Validation of numbers, names of options and random seeds that a user passes."""

import difflib
import math
from collections.abc import Iterable, Mapping

import jax
import numpy as np

from isogmm.errors import OptionError

#: Other inference methods by name, each with the function that runs it.
OTHER_METHODS = {
    **{
        name: f"a separate function: isogmm.baselines.{name}(model)"
        for name in (
            "advi",
            "alpha_vi",
            "flow",
            "fullrank_advi",
            "laplace",
            "nuts",
            "pathfinder",
            "svgd",
        )
    },
    **dict.fromkeys(
        ("mcmc", "hmc", "no_u_turn"), "a sampler: isogmm.baselines.nuts(model) runs NUTS"
    ),
    **dict.fromkeys(
        ("meanfield", "mean_field", "vi", "svi"),
        "another family: isogmm.baselines.advi(model) fits independent Gaussians",
    ),
    "full_rank": "another family: isogmm.baselines.fullrank_advi(model)",
    "smc": "a sampler that starts from a fit: isogmm.smc_from(idata, model)",
    "factorized": "a separate function: isogmm.fit_factorized(model)",
    **dict.fromkeys(("samtron", "vips", "ibayes", "bw"), "one of isogmm.fit_gmmvi(model, ...)"),
    **dict.fromkeys(
        ("ibw", "md", "ngd", "means_only", "ibw_s", "md_s"), "one of isogmm.fit_isogmm(model, ...)"
    ),
}


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
    listed = ", ".join(repr(item) for item in names)
    message = f"unknown {name}={value!r}: choose one of {listed}, or pass {objects}."
    text = str(value).lower()
    elsewhere = OTHER_METHODS.get(text.replace("-", "_")) if name == "method" else None
    if elsewhere is not None:
        return f"{message} The method {value!r} is {elsewhere}."
    close = difflib.get_close_matches(text, names, n=1)
    return f"{message} Did you mean {close[0]!r}?" if close else message


def seed_of(random_seed: object) -> int:
    """An integer seed from anything that stands for one.

    Parameters
    ----------
    random_seed
        None gives a random seed.  An int is the seed itself.  A sequence or an array of ints and a
        ``numpy.random.SeedSequence`` are hashed to a seed, and so is a JAX key.  A NumPy Generator,
        RandomState or BitGenerator is advanced by one draw.

    Raises
    ------
    OptionError
        If ``random_seed`` is none of these.
    """
    if random_seed is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_seed, int | np.integer) and not isinstance(random_seed, bool):
        if random_seed < 0:
            raise OptionError(f"random_seed must be at least 0, not {random_seed}")
        return int(random_seed) if random_seed < 2**63 else _seed_from(int(random_seed))
    if isinstance(random_seed, np.random.BitGenerator):
        random_seed = np.random.Generator(random_seed)
    if isinstance(random_seed, np.random.Generator):
        return int(random_seed.integers(2**31))
    if isinstance(random_seed, np.random.RandomState):
        return int(random_seed.randint(2**31))
    if isinstance(random_seed, np.random.SeedSequence):
        return int(random_seed.generate_state(1)[0] >> 1)
    words = _words_of(random_seed)
    if words:
        return _seed_from(words)
    raise OptionError(
        "random_seed must be an int, a list of ints, a numpy.random.Generator or a JAX key, not "
        f"{type(random_seed).__name__}"
    )


def generator_of(random_seed: object) -> np.random.Generator:
    """A NumPy Generator from anything that :func:`seed_of` takes; a Generator is used itself."""
    if isinstance(random_seed, np.random.Generator):
        return random_seed
    return np.random.default_rng(seed_of(random_seed))


def _words_of(random_seed: object) -> list[int]:
    """The non-negative ints of a sequence, an array or a JAX key; empty for other objects."""
    if isinstance(random_seed, list | tuple | range):
        whole = [isinstance(word, int | np.integer) for word in random_seed]
        is_valid = all(whole) and not any(isinstance(word, bool) for word in random_seed)
        words = list(random_seed) if is_valid else []
    elif isinstance(random_seed, np.ndarray | jax.Array):
        is_typed_key = jax.dtypes.issubdtype(random_seed.dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(random_seed) if is_typed_key else random_seed)
        words = array.ravel().tolist() if array.dtype.kind in "iu" else []
    else:
        return []
    return [int(word) for word in words] if all(word >= 0 for word in words) else []


def _seed_from(entropy: int | list[int]) -> int:
    """A seed of 31 bits from an integer of any size or from the words of a key."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
