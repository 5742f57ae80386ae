"""Leave local maxima of the ELBO: batch and match continues where HMC chains drift to."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.errors import OptionError
from isogmm.locate.gaussian.factors import standardize
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.paths.candidates import Candidate, Place
from isogmm.locate.race.race import MAX_EXACT_ELBO_SE, MIN_KEPT, Outcome, Race, better
from isogmm.locate.race.state import SearchState
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.checks.improper import improper_direction
from isogmm.model.target import Target

#: Number of chains, of the most distant ones that give the width of the candidates, and of those
#: that give their means.
NUM_CHAINS, NUM_DISTANT, NUM_FOLLOWED = 128, 32, 4
#: HMC transitions of the chains from the first Gaussian, from the second, and so on.
NUM_TRANSITIONS = (6, 8, 12, *9 * (16,))
#: Chains leave a Gaussian if the mean of a coordinate moves by the first number of standard
#: deviations, or its standard deviation grows by the second factor.
MIN_SHIFT_SD, MIN_SPREAD_FACTOR = 0.5, 2.0
#: Iteration after which half of the candidates go on, and iteration at which the best of them is
#: compared with the known Gaussians.
HALVING_ITERATION, COMPARISON_ITERATION = 8, 26
#: Entry of a factor, and distance of a chain in standard deviations, from which on the density
#: counts as improper, or nearly so.
MAX_WIDTH, MAX_DISTANCE_SD = 1e12, 1e12
#: A Gaussian is new if its mean differs from those of all known ones by the first number of
#: standard deviations, and its ELBO is at most the second number of nats below the best.
MIN_NEW_DISTANCE_SD, MAX_ELBO_LOSS = 1.0, 2.0
#: Rise of the ELBO, in nats, that makes a Gaussian the best.
MIN_ELBO_GAIN = 0.5
#: Rounds in succession without such a rise, if the Gaussians are diagonal.  Gaussians of 502
#: coordinates with equal ELBOs differ by more than a standard deviation in some coordinate: eleven
#: rounds took 300,000 gradients and none raised the ELBO.
MAX_DIAGONAL_ROUNDS = 2


def follow_chains(
    target: Target,
    outcome: Outcome,
    generator: np.random.Generator,
    num_iterations: int,
    state: SearchState,
    alternative: Callable[[], Outcome] | None = None,
) -> Outcome:
    """The winner of a race, or a better Gaussian that chains from it lead to.

    On hierarchical models the ELBO of a Gaussian has local maxima tens of nats below the best.
    There all groups are pooled and their scales are near zero.  Short parallel HMC chains from
    draws of such a Gaussian drift away from it.  Batch and match from the most distant chains,
    with their width, converges in a few iterations, whereas the chains would need many.  The
    Gaussian is kept if the chains stay, or lead back to it.

    Parameters
    ----------
    target
        The target.
    outcome
        Result of a race.
    generator
        Random numbers.
    num_iterations
        Iterations of batch and match for a new Gaussian.
    state
        Keeps the best result so far, for an interrupt.
    alternative
        Gives another outcome.  It is called once, if the chains lead to another Gaussian.
    """
    if outcome.elbo_se < MAX_EXACT_ELBO_SE:
        return outcome
    # A separate stream: chains that stay do not change the random numbers of the caller.
    (generator,) = generator.spawn(1)
    known, num_diverged = [outcome.best], outcome.num_diverged
    rounds_left = MAX_DIAGONAL_ROUNDS if outcome.best.is_diagonal else len(NUM_TRANSITIONS)
    for num_transitions in () if _is_improper(target, outcome.best) else NUM_TRANSITIONS:
        found = _distant_chains(target, known[-1], generator, num_transitions)
        new = _new_gaussian(target, found, generator, known, outcome.best, num_iterations)
        if new is None or _is_improper(target, new.best):
            break
        if new.elbo > outcome.elbo + MIN_ELBO_GAIN:
            state.best = new  # the result if the alternative is interrupted
        if alternative is not None:
            new, alternative = better(new, alternative()), None
        known.append(new.best)
        num_diverged += new.num_diverged
        rounds_left -= 1
        if new.elbo > outcome.elbo + MIN_ELBO_GAIN:
            outcome = state.best = new
            rounds_left = MAX_DIAGONAL_ROUNDS if new.best.is_diagonal else len(NUM_TRANSITIONS)
        if not rounds_left:
            break
    return replace(outcome, num_diverged=num_diverged)


def _new_gaussian(
    target: Target,
    found: Sequence[Candidate],
    generator: np.random.Generator,
    known: Sequence[Gaussians],
    best: Gaussians,
    num_iterations: int,
) -> Outcome | None:
    """Result of batch and match from the chains; None if it is not new or has diverged."""
    if not found:
        return None
    race = Race(target, generator, found)
    race.run_until(HALVING_ITERATION)
    race.keep(MIN_KEPT)
    race.run_until(COMPARISON_ITERATION)
    if not _is_new(known, best, race.outcome()):
        return None
    race.run(num_iterations)
    return race.outcome() if race.candidates.alive.any() else None


def _distant_chains(
    target: Target, current: Gaussians, generator: np.random.Generator, num_transitions: int
) -> list[Candidate]:
    """Candidates at the chains that moved farthest; none if the chains stay."""
    mean, factor = current.means[0], current.factors[0]
    is_diagonal = factor.ndim == 1
    draws = generator.standard_normal((NUM_CHAINS, len(mean)))
    starts = mean + (draws * factor if is_diagonal else draws @ factor.T)
    try:
        ones = np.ones(len(mean))
        affine_map = AffineMap(mean, factor) if is_diagonal else AffineMap(mean, ones, factor)
    except OptionError:  # a singular factor
        return []
    chains = start_chains(target, starts, affine_map)
    groups = np.zeros(NUM_CHAINS, dtype=int)
    sampler = Sampler(target, chains, groups, generator, adapt_to_funnels=False)
    # Positions overflow if the density decays too slowly.
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(num_transitions):
            sampler.transition(tune=True)
    positions = sampler.chains.positions
    shifts = positions - mean
    points = shifts / factor if is_diagonal else np.linalg.solve(factor, shifts.T).T
    if not np.abs(points).max() < MAX_DISTANCE_SD:
        return []
    stays = np.abs(points.mean(axis=0)).max() < MIN_SHIFT_SD
    if stays and points.std(axis=0).max() < MIN_SPREAD_FACTOR:
        return []
    order = np.argsort(-np.linalg.norm(points, axis=1))
    width = factor * points[order[:NUM_DISTANT]].std(axis=0)
    return [Candidate(Place.CHAINS, positions[index], width) for index in order[:NUM_FOLLOWED]]


def _is_improper(target: Target, gaussian: Gaussians) -> bool:
    """Whether the density does not decay where the Gaussian is wide."""
    mean, factor = gaussian.means[0], gaussian.factors[0]
    is_wide = not np.abs(factor).max() < MAX_WIDTH
    return is_wide or improper_direction(target, mean, factor) is not None


def _is_new(known: Sequence[Gaussians], best: Gaussians, outcome: Outcome) -> bool:
    """Whether the winner is better than the best Gaussian, or new and not much worse."""
    if not outcome.is_alive:
        return False
    gain = outcome.elbo - float(best.elbo[0])
    if gain > MIN_ELBO_GAIN:
        return True
    if not gain > -MAX_ELBO_LOSS:
        return False
    return all(_distance(old, outcome.best) > MIN_NEW_DISTANCE_SD for old in known)


def _distance(old: Gaussians, new: Gaussians) -> float:
    """Largest difference of two means along one axis, in standard deviations of the first."""
    shift = standardize(old.factors[0], new.means[0] - old.means[0])
    return float(np.abs(shift).max())
