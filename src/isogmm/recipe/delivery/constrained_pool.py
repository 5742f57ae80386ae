"""The draws of a pool on the scale of the model, and how importance weights change them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.draws.pool import Pool
from isogmm.draws.weigh import SmoothedWeights
from isogmm.draws.weight_effect import WeightEffect, weight_effect
from isogmm.model.target import Groups, Target
from isogmm.results.building.constrained import NUM_SEEDS, known_groups, seed_of_model
from isogmm.results.building.result_options import OPTIONAL_GROUPS

#: Largest number of entries of the log likelihood, usually the largest array, of all draws for
#: which all groups are kept: 256 MiB.
MAX_ENTRIES = 2**25
#: Draws that are constrained together if the log likelihood is larger.
ROWS_PER_CALL = 500


@dataclass(frozen=True)
class ConstrainedPool:
    """What a pool says on the scale of the model.

    Parameters
    ----------
    effect
        How the weights change the estimates; None if no change is significant.
    groups
        The groups of ``target.constrain`` for all draws of the pool; None if they are too large
        to be kept.
    """

    effect: WeightEffect | None = None
    groups: Groups | None = None


def constrained_pool(
    target: Target, pool: Pool, weights: SmoothedWeights, random_seed: int
) -> ConstrainedPool:
    """Compare the estimates of all variables of the model with and without weights.

    If the model's own code raises an exception, nothing is compared.  The stage that builds the
    result evaluates the same code again and reports the exception.
    """
    positions = pool.positions.reshape(-1, target.dim)
    seed = seed_of_model({"random_seed": random_seed})
    groups = None
    try:
        if _is_small(target, len(positions)):
            groups = target.constrain(positions, seed)
            variables = groups["posterior"]
        else:
            known = known_groups(target, positions, seed, OPTIONAL_GROUPS)
            variables = known["posterior"] if known else _variables(target, positions, seed)
    except Exception:  # code of the user: any exception is possible
        return ConstrainedPool()
    # Draws outside the support are not delivered.
    usable = np.isfinite(pool.log_ratios)
    if not usable.all():
        variables = {name: np.asarray(array)[usable] for name, array in variables.items()}
    effect = weight_effect(variables, weights.log_weights[usable], pool.log_ratios[usable])
    return ConstrainedPool(effect, groups)


def _is_small(target: Target, num_draws: int) -> bool:
    """Whether all groups of all draws can be kept."""
    entries = sum(np.size(array) for array in target.observed_data.values())
    if target.placeholder is not None:  # a LogDensity has no observed data
        one = target.placeholder().get("log_likelihood", {})
        entries = max(entries, sum(np.size(array) for array in one.values()))
    return num_draws * max(entries, target.dim) <= MAX_ENTRIES


def _variables(
    target: Target, positions: Float[np.ndarray, "n d"], seed: int
) -> dict[str, np.ndarray]:
    """The variables alone; the other groups are never in memory as a whole."""
    parts: list[dict[str, np.ndarray]] = []
    for first in range(0, len(positions), ROWS_PER_CALL):
        chunk = positions[first : first + ROWS_PER_CALL]
        parts.append(target.constrain(chunk, (seed + first) % NUM_SEEDS)["posterior"])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
