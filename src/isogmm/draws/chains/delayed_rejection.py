"""Delayed rejection: acceptance ratios of further proposals after rejected ones.

Modi, Barnett and Carpenter (2023, arXiv:2110.00610).  The proposal z_j of try j from z₀ is
accepted with probability

α_j(z₀) = min(1, π(z_j) Π_{i<j} (1 - α_i(z_j)) / (π(z₀) Π_{i<j} (1 - α_i(z₀)))),

where the tries from z_j start with its reversed momentum.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.leapfrog import leapfrog
from isogmm.draws.chains.state import Chains, Density


class Try(NamedTuple):
    """Size and number of the leapfrog steps of one try."""

    step_size: float
    num_steps: int


class Proposal(NamedTuple):
    """Ends of the trajectories of one try, and the logs of two quantities of each chain.

    ``energy_decrease`` (m,) is the log of the ratio without the earlier rejections,
    ``log_ratio`` (m,) the log of the acceptance ratio with them.
    """

    end: Chains
    energy_decrease: Float[np.ndarray, " m"]
    log_ratio: Float[np.ndarray, " m"]


def propose(
    target: Density,
    chains: Chains,
    momenta: Float[np.ndarray, "m d"],
    tries: Sequence[Try],
    log_rejected: Float[np.ndarray, " m"],
) -> Proposal:
    """The proposal of the last try, after all earlier ones were rejected.

    Parameters
    ----------
    target, chains, momenta
        The density, and the states z₀ of the chains.
    tries
        The earlier tries and, at the end, the present one.
    log_rejected
        Σ_{i<j} log(1 - α_i(z₀)): log probability that the earlier tries are rejected.
    """
    step_sizes = np.full(len(momenta), tries[-1].step_size)
    end, end_momenta, decrease, *_ = leapfrog(
        target, chains, momenta, step_sizes, tries[-1].num_steps
    )
    log_ratio = np.full(len(momenta), -np.inf)
    inside = np.flatnonzero(np.isfinite(decrease))
    if len(inside):
        reverse = _log_all_rejected(target, end.take(inside), -end_momenta[inside], tries[:-1])
        with np.errstate(invalid="ignore"):
            log_ratio[inside] = decrease[inside] + reverse - log_rejected[inside]
    return Proposal(end, decrease, log_ratio)


def log_rejection_probability(log_ratio: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """log(1 - min(1, exp(log_ratio)))."""
    with np.errstate(divide="ignore"):
        return np.log1p(-np.exp(np.minimum(log_ratio, -1e-300)))


def _log_all_rejected(
    target: Density,
    chains: Chains,
    momenta: Float[np.ndarray, "m d"],
    tries: Sequence[Try],
) -> Float[np.ndarray, " m"]:
    """Σ_j log(1 - α_j): log probability that all tries from these states are rejected."""
    total = np.zeros(len(momenta))
    for index in range(len(tries)):
        log_ratio = propose(target, chains, momenta, tries[: index + 1], total).log_ratio
        # The sum stays -inf where an earlier try is accepted with probability one.
        total = np.where(np.isneginf(total), total, total + log_rejection_probability(log_ratio))
    return total
