"""Draws on the scale of the model under a time limit: of as many draws as time allows."""

import contextlib
from dataclasses import replace

import numpy as np

from isogmm.errors import DeadlineReachedError, warn_user
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Groups
from isogmm.results.building.constrained import (
    NUM_SEEDS,
    by_chain,
    constrained,
    draws_per_call,
    narrowed,
)
from isogmm.results.building.fit_result import FitResult

#: Factor by which a part is larger than the one before it.  Small parts come first, so that some
#: draws of a costly model are transformed in time.
GROWTH = 8


def constrained_in_time(
    result: FitResult, seed: int, unwanted: set[str]
) -> tuple[FitResult, Groups]:
    """The groups of the draws on the scale of the model, and the result with these draws only.

    All draws are transformed if the rest of the time limit of the fit and a grace period are
    sufficient.  Otherwise a second grace period begins, in which the first draws of each part of
    a chain are transformed.  At least one draw of each chain always is.

    Parameters
    ----------
    result
        The fit.
    seed
        Seed of the random numbers that the model draws itself.
    unwanted
        Groups that are left out.

    Warns
    -----
    FitWarning
        If some draws are missing in the returned result.
    """
    target, limit = result.target, FitTarget.of(result.target).limit
    whole = result.positions, seed, unwanted
    if limit.grace is None or result.constrained is not None:
        return result, constrained(target, *whole, known=result.constrained)
    if limit.deadline is not None:
        try:
            with limit.extended():
                return result, constrained(target, *whole)
        except DeadlineReachedError:
            limit.deadline = None
    index, groups = _first_parts(result, seed, unwanted)
    draws = result.positions.shape[1]
    if len(index) < draws:
        warn_user(
            f"isogmm: the result has {len(index):,} instead of {draws:,} draws of each chain, "
            "because the time limit passed while the variables of the model were computed. Raise "
            f"max_seconds={limit.max_seconds:g}."
        )
    # From the order of the transformation back to that of the chains.
    order = np.argsort(index)
    in_order = {
        group: {name: array[:, order] for name, array in arrays.items()}
        for group, arrays in groups.items()
    }
    return _with_draws(result, index[order]), in_order


def _first_parts(result: FitResult, seed: int, unwanted: set[str]) -> tuple[np.ndarray, Groups]:
    """Indices of the transformed draws of every chain, and their arrays (c, n, ...)."""
    target = FitTarget.of(result.target)
    chains, draws, dim = result.positions.shape
    # Neighbors in an HMC chain are similar, so that the first draws of it would be a poor sample.
    order = np.random.default_rng(0).permutation(draws)
    begin, size, parts = 0, 1, list[Groups]()
    largest = max(1, draws_per_call(target) // chains) if unwanted else draws
    with contextlib.suppress(DeadlineReachedError), target.limit.extended():
        deadline = target.limit.deadline
        while begin < draws:
            # The first part has no limit: without it there would be no result.
            target.limit.deadline = deadline if begin else None
            target.check_time()
            rows = result.positions[:, order[begin : begin + size]].reshape(-1, dim)
            part = target.constrain(rows, (seed + begin) % NUM_SEEDS)
            kept = {group: arrays for group, arrays in part.items() if group not in unwanted}
            parts.append(by_chain(narrowed(kept, rows.dtype), chains))
            begin, size = min(begin + size, draws), min(GROWTH * size, largest)
    groups = {
        group: {
            name: np.concatenate([part[group][name] for part in parts], axis=1) for name in arrays
        }
        for group, arrays in parts[0].items()
    }
    return order[:begin], groups


def _with_draws(result: FitResult, index: np.ndarray) -> FitResult:
    """The result with these draws of every chain only."""
    per_draw = ("positions", "log_density", "log_q", "log_weights", "components", "modes")
    arrays = {name: getattr(result, name) for name in per_draw}
    kept = {name: array[:, index] for name, array in arrays.items() if array is not None}
    if "log_weights" in kept:
        kept["log_weights"] = kept["log_weights"] - np.logaddexp.reduce(kept["log_weights"], None)
    return replace(result, **kept)
