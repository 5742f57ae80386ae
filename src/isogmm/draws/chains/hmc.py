"""Hamiltonian Monte Carlo with hundreds of parallel chains over a batched target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from isogmm.draws.chains.delayed_rejection import Try, log_rejection_probability, propose
from isogmm.draws.chains.leapfrog import leapfrog
from isogmm.draws.chains.state import Chains, Density

#: Acceptance probability below which a step size counts as too large for the state of a chain.
MIN_ACCEPTANCE = 0.1


@dataclass(frozen=True)
class TrajectorySettings:
    """Settings of the trajectories of one transition, in whitened coordinates.

    Parameters
    ----------
    step_size
        Step of the leapfrog integrator.
    length
        Integration time.
    max_steps
        Upper bound of the number of steps in the first try.
    retry_factor
        Factor between the step sizes of successive tries; 0 leaves one try.
    num_tries
        Number of tries, the first one included.
    step_factors
        (m,): factors of the step sizes of the chains, drawn independently of their positions.
        The number of steps is that of ``step_size``, and there is one try.
    """

    step_size: float
    length: float
    max_steps: int = 64
    retry_factor: float = 4.0
    num_tries: int = 2
    step_factors: Float[np.ndarray, " m"] | None = None

    def tries(self) -> list[Try]:
        """Steps of each try: smaller ones from try to try, over the same integration time."""
        num_steps = int(np.clip(round(self.length / self.step_size), 1, self.max_steps))
        has_retries = self.retry_factor and self.step_factors is None
        shrinkage = [self.retry_factor**index for index in range(self.num_tries)]
        return [
            Try(self.step_size / factor, round(num_steps * factor))
            for factor in (shrinkage if has_retries else [1.0])
        ]

    def step_sizes(self, num_chains: int) -> Float[np.ndarray, " m"]:
        """Step size of each chain in the first try."""
        if self.step_factors is None:
            return np.full(num_chains, self.step_size)
        return self.step_size * self.step_factors


class Transition(NamedTuple):
    """State of the chains after one transition, and four quantities (m,) of each chain.

    ``acceptance`` is the acceptance probability of the first try, ``energy_decrease`` the decrease
    of the Hamiltonian in it, and ``moved`` whether any try was accepted.  ``step_too_large`` holds
    for a chain that did not move and whose tries all had an acceptance ratio below
    ``MIN_ACCEPTANCE``.  ``recycled`` are states from the middles of the first trajectories.
    """

    chains: Chains
    acceptance: Float[np.ndarray, " m"]
    moved: Bool[np.ndarray, " m"]
    step_too_large: Bool[np.ndarray, " m"]
    recycled: Chains
    energy_decrease: Float[np.ndarray, " m"]


def hmc_transition(
    target: Density,
    chains: Chains,
    generator: np.random.Generator,
    settings: TrajectorySettings,
) -> Transition:
    """One transition of all chains.

    A chain whose proposal is rejected tries again from the same state and momentum, with a step
    ``retry_factor`` times smaller (see :mod:`isogmm.draws.chains.delayed_rejection`).  Small
    steps are needed in the necks of funnels; the other chains need no additional gradients.

    The middle state of the first trajectory is a draw of the target too, at no cost: it is
    accepted with the probability of a proposal of its own, and replaced by the state before the
    transition otherwise (Nishimura and Dunson 2020, Bayesian Analysis 15).  This holds if the
    chain is stationary before the transition, whatever happens to it afterwards: the map to the
    middle state, followed by a change of the sign of the momentum, is its own inverse and keeps
    volumes.
    """
    count, dim = chains.points.shape
    tries = settings.tries()
    momenta = generator.standard_normal((count, dim))
    # A single try draws two rows as well, so that retries do not shift the random numbers.
    uniforms = generator.uniform(size=(max(len(tries), 2), count))
    proposal, _, decrease, middle, middle_decrease = leapfrog(
        target, chains, momenta, settings.step_sizes(count), tries[0].num_steps
    )
    with np.errstate(over="ignore"):
        acceptance = np.minimum(1.0, np.exp(np.minimum(decrease, 0.0)))
    moved = uniforms[0] < acceptance
    too_large = decrease < np.log(MIN_ACCEPTANCE)
    recycled = chains.accept(middle, np.log(uniforms[0]) < middle_decrease)
    transition = Transition(
        chains.accept(proposal, moved), acceptance, moved, too_large, recycled, decrease
    )
    if len(tries) > 1:
        log_rejected = log_rejection_probability(decrease)
        _retry(target, chains, transition, momenta, uniforms, tries, log_rejected)
    return transition._replace(step_too_large=too_large & ~moved)


def _retry(
    target: Density,
    chains: Chains,
    transition: Transition,
    momenta: Float[np.ndarray, "m d"],
    uniforms: Float[np.ndarray, "t m"],
    tries: Sequence[Try],
    log_rejected: Float[np.ndarray, " m"],
) -> None:
    """Further tries of the chains that were rejected; changes the arrays of the transition.

    Parameters
    ----------
    target, chains
        The density, and the chains before the transition.
    transition
        Result of the first try.
    momenta, uniforms
        Momenta at the start; one uniform number for each try and chain.
    tries
        Steps of all tries, the first one included.
    log_rejected
        Log probability that the first try is rejected.
    """
    result, moved, too_large = transition.chains, transition.moved, transition.step_too_large
    rejected = np.flatnonzero(~moved)
    log_rejected = log_rejected[rejected]
    for index in range(1, len(tries)):
        if not len(rejected):
            break
        proposal = propose(
            target, chains.take(rejected), momenta[rejected], tries[: index + 1], log_rejected
        )
        accepted = np.log(uniforms[index][rejected]) < proposal.log_ratio
        rows = rejected[accepted]
        result.points[rows] = proposal.end.points[accepted]
        result.log_density[rows] = proposal.end.log_density[accepted]
        result.gradients[rows] = proposal.end.gradients[accepted]
        moved[rows] = True
        too_large[rejected] &= proposal.energy_decrease < np.log(MIN_ACCEPTANCE)
        log_rejected = log_rejected + log_rejection_probability(proposal.log_ratio)
        log_rejected, rejected = log_rejected[~accepted], rejected[~accepted]
