"""Away from local maxima of the ELBO: where chains leave a Gaussian, batch and match follows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.errors import OptionError
from isogmm.locate.batch_and_match import Gaussians
from isogmm.locate.candidates import Candidate
from isogmm.locate.race import EXACT_SE, Outcome, Race, better
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.improper import improper_direction
from isogmm.model.target import Target

#: Chains that start from draws of a Gaussian, and those of them that are followed.
NUM_CHAINS, NUM_FOLLOWED = 128, 4
#: Transitions of the first look and of the later ones: as many Gaussians are left at most.
LOOKS = (6, 8, 12, *9 * (16,))
#: Chains leave where the mean of a coordinate moves by so many standard deviations, or its
#: spread grows by this factor.
LEFT, SPREAD = 0.5, 2.0
#: Iterations after which half of the followed Gaussians go on, and until they are looked at.
HALVED, LOOKED_AT = 8, 26
#: Nothing is looked for from a Gaussian of this width: the density is improper, or nearly.
ENDLESS = 1e12
#: A Gaussian not met yet has a mean so many standard deviations away from all before; it is gone
#: on from where its ELBO is below the best by no more than LOST, and kept where it is above the
#: best by more than GAINED.
MOVED, LOST, GAINED = 1.0, 2.0, 0.5


def follow_chains(
    target: Target,
    outcome: Outcome,
    generator: np.random.Generator,
    num_iterations: int,
    others: Callable[[], Outcome] | None = None,
) -> Outcome:
    """The winner of a race, or what chains that start from it lead to.

    On hierarchical models the ELBO of a Gaussian has local maxima, tens of nats below the best:
    all groups pooled, their scales near zero.  Short parallel HMC runs from such a Gaussian
    drift away, and batch and match from where the most distant of them stand, as wide as these
    are spread, does in a few iterations what would take them long.  Where chains stay, or lead
    back to the same Gaussian, it is kept.

    Parameters
    ----------
    outcome
        Of a race, in the dense form.
    num_iterations
        Iterations of batch and match for a Gaussian that is gone on from.
    others
        Gives another outcome, asked for once where chains lead to another Gaussian.
    """
    if outcome.interruption is not None or outcome.best.elbo_se[0] < EXACT_SE:
        return outcome
    # Draws of its own: a look that finds nothing changes nothing.
    (generator,) = generator.spawn(1)
    met, num_diverged, interruption = [outcome.best], outcome.num_diverged, None
    try:
        for num_transitions in () if _is_endless(target, outcome.best) else LOOKS:
            found = _distant_chains(target, met[-1], generator, num_transitions)
            following = _follow(target, found, generator, met, outcome.best, num_iterations)
            if following is None or _is_endless(target, following.best):
                break
            if others is not None:
                following, others = better(following, others()), None
            met.append(following.best)
            num_diverged += following.num_diverged
            if following.best.elbo[0] > outcome.best.elbo[0] + GAINED:
                outcome = following
            if following.interruption is not None:
                raise following.interruption
    except KeyboardInterrupt as stop:
        interruption = stop
    return replace(outcome, num_diverged=num_diverged, interruption=interruption)


def _follow(
    target: Target,
    found: list[Candidate],
    generator: np.random.Generator,
    met: list[Gaussians],
    best: Gaussians,
    num_iterations: int,
) -> Outcome | None:
    """Batch and match from where chains stand; None where it leads nowhere new."""
    if not found:
        return None
    race = Race(target, generator, found)
    _advance(race, HALVED)
    race.keep(2)
    _advance(race, LOOKED_AT)
    if not _is_new(met, best, race.outcome().best):
        return None
    race.run(num_iterations)
    if race.interruption is not None:
        raise race.interruption
    return race.outcome() if race.candidates.alive.any() else None


def _advance(race: Race, iteration: int) -> None:
    race.run_until(iteration)
    if race.interruption is not None:
        raise race.interruption


def _distant_chains(
    target: Target, current: Gaussians, generator: np.random.Generator, num_transitions: int
) -> list[Candidate]:
    """Candidates where the chains stand that moved farthest; none where the chains stay."""
    mean, factor = current.means[0], current.factors[0]
    starts = mean + generator.standard_normal((NUM_CHAINS, len(mean))) @ factor.T
    try:
        affine_map = AffineMap(mean, np.ones(len(mean)), factor)
    except OptionError:  # a factor without an inverse
        return []
    chains = start_chains(target, starts, affine_map)
    groups = np.zeros(NUM_CHAINS, dtype=int)
    sampler = Sampler(target, chains, groups, generator, adapt_to_funnels=False)
    # Chains may run away from a density that falls too slowly.
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(num_transitions):
            sampler.transition(tune=True)
    positions = sampler.chains.positions
    points = np.linalg.solve(factor, (positions - mean).T).T
    if not np.abs(points).max() < ENDLESS:
        return []
    if np.abs(points.mean(axis=0)).max() < LEFT and points.std(axis=0).max() < SPREAD:
        return []
    order = np.argsort(-np.linalg.norm(points, axis=1))
    spread = factor * points[order[: NUM_CHAINS // 4]].std(axis=0)
    return [("chains", positions[index], spread) for index in order[:NUM_FOLLOWED]]


def _is_endless(target: Target, gaussian: Gaussians) -> bool:
    """Whether the density does not fall off where the Gaussian is wide."""
    mean, factor = gaussian.means[0], gaussian.factors[0]
    wide = not np.abs(factor).max() < ENDLESS
    return wide or improper_direction(target, mean, factor) is not None


def _is_new(met: list[Gaussians], best: Gaussians, new: Gaussians) -> bool:
    """Whether the new Gaussian is better than the best, or another that is not much worse."""
    if not new.alive[0]:
        return False
    gain = float(new.elbo[0] - best.elbo[0])
    return gain > GAINED or (gain > -LOST and all(_distance(old, new) > MOVED for old in met))


def _distance(old: Gaussians, new: Gaussians) -> float:
    shift = np.linalg.solve(old.factors[0], new.means[0] - old.means[0])
    return float(np.abs(shift).max())
