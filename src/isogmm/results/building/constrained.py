"""Draws on the scale of the model, computed in chunks where the log likelihood is large."""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from isogmm.errors import warn_user
from isogmm.model.target import Groups, Target

#: Largest number of draws per call of ``target.constrain``, and largest number of entries of the
#: log likelihood in a call.  They apply if an optional group is left out.  Such a group is then
#: never in memory as a whole.
MAX_DRAWS_PER_CALL, MAX_ENTRIES_PER_CALL = 1024, 2**25
#: Largest number of coordinates of the draws of a call in any case.
MAX_NUMBERS_PER_CALL = 40_000_000
#: Bytes of the log likelihood above which it is left out, where the user does not ask for it.
MAX_LOG_LIKELIHOOD_BYTES = 2.0**30
#: Draws that show whether the variables of a model are its coordinates.
NUM_COMPARED = 4
#: Number of different seeds of ``target.constrain``: seeds have 31 bits.
NUM_SEEDS = 2**31


def constrained(
    target: Target,
    positions: Float[np.ndarray, "c n d"],
    seed: int,
    unwanted: Collection[str] = (),
    *,
    known: Groups | None = None,
    select: Callable[[Groups], Groups] | None = None,
) -> Groups:
    """Groups of arrays (c, n, ...) of the draws on the scale of the model.

    Floating types are at most as large as that of the positions.

    Parameters
    ----------
    target
        The target.
    positions
        The draws in the unconstrained space.
    seed
        Seed of the random numbers that the model draws itself.
    unwanted
        Groups that are left out.
    known
        The groups of ``target.constrain`` for all draws, where they were computed before.
    select
        The part of the groups of some draws that is kept, a function of arrays (n, ...); None for
        all of it.
    """
    chains, _, dim = positions.shape
    flat = positions.reshape(-1, dim)
    if known is not None:
        kept = {group: arrays for group, arrays in known.items() if group not in unwanted}
        return by_chain(narrowed(kept, flat.dtype), chains)
    is_large = flat.size > MAX_NUMBERS_PER_CALL
    rows = draws_per_call(target) if unwanted or is_large else len(flat)
    if unwanted and rows < len(flat) and select is None:
        found = known_groups(target, flat, seed, unwanted)
        if found is not None:
            return by_chain(narrowed(found, flat.dtype), chains)
    joined: Groups = {}
    for first in range(0, len(flat), rows):
        part = target.constrain(flat[first : first + rows], (seed + first) % NUM_SEEDS)
        kept = {group: arrays for group, arrays in part.items() if group not in unwanted}
        if select is not None:
            kept = select(kept)
        if rows >= len(flat):
            joined = narrowed(kept, flat.dtype)
            break
        _insert(joined, narrowed(kept, flat.dtype), first, len(flat))
    return by_chain(joined, chains)


def known_groups(
    target: Target, positions: Float[np.ndarray, "n d"], seed: int, unwanted: Collection[str]
) -> Groups | None:
    """Groups of arrays (n, ...) of a model whose variables are its coordinates; None for others.

    ``target.constrain`` also computes the log likelihood of all draws, which takes as long as a fit
    if there are a million rows of data.  A few draws show whether it changes the coordinates.

    Parameters
    ----------
    target, positions, seed
        The target, draws in the unconstrained space, and the seed of the model's own randomness.
    unwanted
        Groups that are left out; no group but the posterior may remain.
    """
    few = positions[:NUM_COMPARED]
    groups = {
        group: arrays
        for group, arrays in target.constrain(few, seed).items()
        if group not in unwanted
    }
    if any(arrays for group, arrays in groups.items() if group != "posterior"):
        return None
    own = target.unravel(few)
    types = {name: np.asarray(array).dtype for name, array in groups["posterior"].items()}
    if types.keys() != own.keys() or not all(
        np.array_equal(groups["posterior"][name], own[name].astype(types[name])) for name in own
    ):
        return None
    whole = target.unravel(positions)
    return {**groups, "posterior": {name: whole[name].astype(types[name]) for name in types}}


def draws_per_call(target: Target) -> int:
    """Number of draws of a call of ``target.constrain`` whose result is left out in part."""
    entries = sum(np.size(array) for array in target.observed_data.values())
    if target.placeholder is not None:  # a LogDensity has no observed data
        one = target.placeholder().get("log_likelihood", {})
        entries = max(entries, sum(np.size(array) for array in one.values()))
    return max(1, min(MAX_DRAWS_PER_CALL, MAX_ENTRIES_PER_CALL // max(entries, target.dim)))


def _insert(joined: Groups, part: Groups, first: int, total: int) -> None:
    """Put the arrays of some draws into the arrays of all draws, which are made if missing."""
    for group, arrays in part.items():
        for name, array in arrays.items():
            whole = joined.setdefault(group, {})
            if name not in whole:
                whole[name] = np.empty((total, *array.shape[1:]), array.dtype)
            whole[name][first : first + len(array)] = array
        joined.setdefault(group, {})


def narrowed(groups: Mapping[str, Mapping[str, np.ndarray]], dtype: np.dtype) -> Groups:
    """The arrays; a larger floating type is converted to ``dtype``."""
    return {
        group: {
            name: array.astype(_type_of(array, dtype), copy=False)
            for name, array in ((name, np.asarray(array)) for name, array in arrays.items())
        }
        for group, arrays in groups.items()
    }


def _type_of(array: np.ndarray, largest: np.dtype) -> np.dtype:
    """The type of an array in a result with positions of this type."""
    is_larger = array.dtype.kind == "f" and array.dtype.itemsize > largest.itemsize
    return largest if is_larger else array.dtype


def seed_of_model(attributes: Mapping[str, object]) -> int:
    """Seed of the random numbers that the model draws (discrete sites), from that of the fit."""
    return zlib.crc32(str(attributes.get("random_seed", 0)).encode()) % NUM_SEEDS


def log_likelihood_bytes(
    target: Target, positions: Float[np.ndarray, "c n d"], names: str | Sequence[str] | None = None
) -> int:
    """Bytes of the pointwise log likelihood of all draws.

    Parameters
    ----------
    target
        The target.
    positions
        The draws in the unconstrained space.
    names
        Observed variables; None for all.
    """
    if target.placeholder is None:
        one = dict(target.observed_data)  # one entry for each observation, or fewer
    else:
        one = target.placeholder().get("log_likelihood", {})
    if names is not None:
        chosen = [names] if isinstance(names, str) else names
        one = {name: array for name, array in one.items() if name in chosen}
    bytes_of_draw = sum(
        np.size(array) * _type_of(np.asarray(array), positions.dtype).itemsize
        for array in one.values()
    )
    return bytes_of_draw * positions.shape[0] * positions.shape[1]


def is_left_out(
    size: int,
    limit: float | None = MAX_LOG_LIKELIHOOD_BYTES,
    option: str = "1 GiB",
    remedy: str = "isogmm.log_likelihood(idata, model, ...)",
) -> bool:
    """Whether a log likelihood of this size is left out of a result.

    Parameters
    ----------
    size, limit
        Bytes of the log likelihood, and the largest size that is stored; None for no limit.
    option
        The limit in words, for the warning.
    remedy
        The call in the warning that adds the log likelihood.

    Warns
    -----
    FitWarning
        If it is left out.
    """
    if limit is None or size <= limit:
        return False
    warn_user(
        f"isogmm: the pointwise log likelihood of {size / 1e9:.3g} GB is left out, because it is "
        f"larger than {option}. Add it with {remedy}"
    )
    return True


def by_chain(
    groups: Mapping[str, Mapping[str, np.ndarray]], chains: int
) -> dict[str, dict[str, np.ndarray]]:
    """Arrays (c n, ...) of constrained draws, reshaped to (c, n, ...)."""
    return {
        group: {
            name: np.asarray(array).reshape(chains, len(array) // chains, *np.shape(array)[1:])
            for name, array in arrays.items()
        }
        for group, arrays in groups.items()
    }
