"""How often diagnostics detect ten sets of chains that are wrong on purpose.

    python tests/benchmarks/nested_rhat.py [repetitions]

The chains are 384 random walks that start from a wrong distribution and stop too early.  Prints the
rates in about one minute.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from isogmm.draws.chains.convergence import drift, independence_threshold, start_correlation
from isogmm.draws.refine import MAX_DRIFT_SD
from isogmm.recipe.thresholds import MAX_RHAT, RHAT_NOISE
from isogmm.results.rhat import rhat

#: As in a fit with default options: HMC chains, fits, recorded transitions.
NUM_CHAINS, NUM_FITS, LENGTH = 384, 4, 12
#: Groups of chains that begin at one point, where nested R-hat is given its own design.
NUM_SUPERCHAINS = 16
FITS = np.repeat(np.arange(NUM_FITS), NUM_CHAINS // NUM_FITS)
SUPERCHAINS = np.repeat(np.arange(NUM_SUPERCHAINS), NUM_CHAINS // NUM_SUPERCHAINS)


class Case(NamedTuple):
    """A target, a wrong distribution of the starting points, and chains that are too short.

    ``log_density`` is that of a scalar with mean ``mean`` and standard deviation ``sd``.
    ``start(generator, fits)`` gives the starting point of a chain of each fit.  ``step`` is the
    standard deviation of a proposal, ``warmup`` the number of transitions before the recording.
    """

    log_density: Callable[[np.ndarray], np.ndarray]
    start: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    mean: float = 0.0
    sd: float = 1.0
    step: float = 0.3
    warmup: int = 40


def normal(x):
    return -0.5 * x**2


def student(x):
    return -2.5 * np.log1p(x**2 / 4)  # 4 degrees of freedom, sd sqrt(2)


def gumbel(x):
    return -x - np.exp(-x)


def two_modes(x):
    return np.logaddexp(-0.5 * (x - 4) ** 2, -0.5 * (x + 4) ** 2)


def scaled(mean, sd, fits=range(NUM_FITS)):
    """Normal starting points in some of the fits, correct ones in the others."""

    def start(generator, fit):
        points, wrong = generator.normal(size=fit.shape), np.isin(fit, list(fits))
        return np.where(wrong, mean + sd * points, points)

    return start


CASES = {
    "all starts shifted by 1 sd": Case(normal, scaled(1.0, 1.0)),
    "all starts shifted by 0.3 sd": Case(normal, scaled(0.3, 1.0)),
    "starts too narrow by half": Case(normal, scaled(0.0, 0.5)),
    "starts too wide by two": Case(normal, scaled(0.0, 2.0), step=0.5),
    "one fit of four shifted": Case(normal, scaled(1.0, 1.0, [0])),
    "one fit of four too narrow": Case(normal, scaled(0.0, 0.3, [0])),
    "starts on one side": Case(normal, lambda g, fit: np.abs(g.normal(size=fit.shape))),
    "heavy tails missing": Case(student, scaled(0.0, 0.8), sd=np.sqrt(2.0)),
    "long tail missing": Case(gumbel, scaled(0.0, 0.8), mean=np.euler_gamma, sd=np.pi / np.sqrt(6)),
    "one mode of two": Case(two_modes, scaled(4.0, 1.0), sd=np.sqrt(17.0), step=1.0),
}
#: Chains as slow as these that start from the target and are independent of their starting points.
CONTROL = Case(normal, scaled(0.0, 1.0), warmup=500)


def chains(case: Case, generator: np.random.Generator, starts: np.ndarray) -> np.ndarray:
    """Recorded positions (m, t) of Metropolis chains."""
    points, recorded = starts.copy(), []
    for transition in range(case.warmup + LENGTH):
        proposals = points + case.step * generator.normal(size=points.shape)
        gain = case.log_density(proposals) - case.log_density(points)
        points = np.where(np.log(generator.random(points.shape)) < gain, proposals, points)
        if transition >= case.warmup:
            recorded.append(points)
    return np.stack(recorded, axis=1)


def nested_rhat(draws: np.ndarray, groups: np.ndarray) -> float:
    """Rank-normalized split nested R-hat, bulk or tail, of chains (m, t) in superchains (m,).

    sqrt(1 + B / W): B the variance of the means of the superchains, W the mean over superchains of
    the variance of the means of its half chains plus their mean variance (Margossian et al. 2024).
    """
    half = draws.shape[1] // 2
    halves = np.concatenate([draws[:, :half], draws[:, -half:]])
    labels = np.concatenate([groups, groups])
    found = []
    for values in (halves, np.abs(halves - np.median(halves))):
        ranks = rankdata(values).reshape(values.shape)
        scores = ndtri((ranks - 0.375) / (values.size + 0.25))
        members = [scores[labels == group] for group in np.unique(labels)]
        between = np.var([part.mean() for part in members], ddof=1)
        within = np.mean(
            [part.mean(1).var(ddof=1) + part.var(axis=1, ddof=1).mean() for part in members]
        )
        found.append(np.sqrt(1 + between / within))
    return float(max(found))


def diagnostics(case: Case, generator: np.random.Generator) -> dict[str, float]:
    """Values of all diagnostics for one set of chains, and the errors of their draws."""
    starts = case.start(generator, FITS)
    draws = chains(case, generator, starts)
    # Nested R-hat as it was proposed: all chains of a superchain begin at one of the points.
    shared = generator.permutation(starts)[:NUM_SUPERCHAINS][SUPERCHAINS]
    of_shared = chains(case, generator, shared)
    groups = np.zeros(NUM_CHAINS, int)
    ends = [start_correlation(starts[:, None], now[:, None], groups) for now in draws.T[-3:]]
    change = drift(draws[:, :, None])
    ratios = np.concatenate(
        [change.location / change.location_se, change.spread / change.spread_se]
    )
    return {
        "R-hat": float(rhat(draws.reshape(NUM_FITS, -1))),
        "nested, fits": nested_rhat(draws, FITS),
        "nested, shared starts": nested_rhat(of_shared, SUPERCHAINS),
        "correlation": float(np.min(ends)),
        "drift": float(np.abs(ratios).max()),
        "is drifting": float(change.is_significant(MAX_DRIFT_SD)),
        "mean error": (draws.mean() - case.mean) / case.sd,
        "log sd error": np.log(draws.std() / case.sd),
    }


def repeated(case: Case, repetitions: int, seed: int) -> dict[str, np.ndarray]:
    """The diagnostics of independent repetitions."""
    found = [diagnostics(case, np.random.default_rng([seed, i])) for i in range(repetitions)]
    return {name: np.array([each[name] for each in found]) for name in found[0]}


#: Diagnostics that are compared at equal rates of false alarms.
COMPARED = ("R-hat", "nested, fits", "nested, shared starts", "correlation", "drift")
#: Rate of false alarms at which they are compared.
FALSE_ALARMS = 0.01


def limits_of(right: dict[str, np.ndarray]) -> dict[str, float]:
    """Limits that 1 % of the correct sets of chains exceed."""
    return {name: float(np.quantile(right[name], 1 - FALSE_ALARMS)) for name in COMPARED}


def used(found: dict[str, np.ndarray]) -> np.ndarray:
    """Whether each repetition exceeds a limit of a fit: R-hat, correlation, drift.

    The correlation has the limit at which a warm-up ends; the verdict adds a small margin to it.
    """
    rejects = found["R-hat"] > MAX_RHAT + RHAT_NOISE / (NUM_CHAINS * LENGTH)
    rejects |= found["correlation"] > independence_threshold(NUM_CHAINS, 1)
    return rejects | (found["is drifting"] > 0)


def main(repetitions: int = 200) -> None:
    """Print the table; the limits are those of ten times as many correct sets of chains."""
    limits = limits_of(repeated(CONTROL, 10 * repetitions, seed=0))
    print("limits", {name: round(value, 3) for name, value in limits.items()})
    print("| chains | error of mean, log sd | " + " | ".join(COMPARED) + " | limits of a fit |")
    for seed, (name, case) in enumerate({"correct": CONTROL, **CASES}.items(), start=1):
        found = repeated(case, repetitions, seed)
        rates = [np.mean(found[each] > limits[each]) for each in COMPARED]
        errors = f"{found['mean error'].mean():.2f}, {found['log sd error'].mean():.2f}"
        cells = [f"{100 * rate:.0f} %" for rate in (*rates, used(found).mean())]
        print(f"| {name} | {errors} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
