"""What is measured of a fit: divergence by fresh draws, masses of modes, predictions."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.problems import Problem

#: Fresh draws of an estimate of the divergence.
NUM_DRAWS = 10_000
#: Draws that predictions average over.
NUM_PREDICTIONS = 200


def elbo(
    target: Any, log_prob: Any, draws: np.ndarray, chunk: int = 2_000
) -> tuple[float, float, int]:
    """E_q[log π - log q] over draws of q, its standard error, and how many were not finite."""
    ratios = []
    for begin in range(0, len(draws), chunk):
        part = draws[begin : begin + chunk]
        ratios.append(target.evaluate(part)[0] - np.asarray(log_prob(part)))
    ratio = np.concatenate(ratios)
    finite = ratio[np.isfinite(ratio)]
    if not len(finite):
        return -np.inf, np.inf, len(ratio)
    return (
        float(finite.mean()),
        float(finite.std() / np.sqrt(len(finite))),
        len(ratio) - len(finite),
    )


def of_density(
    problem: Problem, target: Any, log_prob: Any, draws: np.ndarray
) -> dict[str, float | None]:
    """ELBO of a density from its own draws and, where the evidence is known, the divergence."""
    value, error, nonfinite = elbo(target, log_prob, draws)
    row: dict[str, float | None] = {"elbo": value, "elbo_se": error}
    if nonfinite:
        row["nonfinite"] = nonfinite
    if problem.log_evidence is not None:
        row |= {"kl": problem.log_evidence - value, "kl_se": error}
    return row | of_draws(problem, draws)


def of_draws(problem: Problem, draws: np.ndarray, seed: int = 0) -> dict[str, float | None]:
    """Masses of the modes, distance to exact draws and predictions: what needs no density."""
    row: dict[str, float | None] = {}
    if problem.mode_of is not None and problem.draw is not None:
        # Modes may overlap: exact draws go through the same assignment.
        exact = problem.mode_of(problem.draw(np.random.default_rng(seed + 1), 100_000))
        places = problem.mode_of(draws)
        size = max(exact.max(), places.max()) + 1
        shares = [np.bincount(which, minlength=size) / len(which) for which in (exact, places)]
        row["mass_error"] = float(0.5 * np.abs(shares[0] - shares[1]).sum())
    if problem.draw is not None:
        row["w2"] = _sliced_distance(draws, problem.draw(np.random.default_rng(seed), 4_000))
    if problem.predict is not None:
        chosen = np.linspace(0, len(draws) - 1, NUM_PREDICTIONS).round().astype(int)
        row |= problem.predict(draws[chosen])
    return row


def _sliced_distance(draws: np.ndarray, exact: np.ndarray) -> float:
    from isogmm.views.comparison.distances import directions, sliced_wasserstein

    lines = directions(draws.shape[1], np.random.default_rng(0))
    draws = draws[np.linspace(0, len(draws) - 1, len(exact)).round().astype(int)]
    return float(sliced_wasserstein(exact @ lines, draws @ lines))


def of_mixture(
    problem: Problem, target: Any, mixture: Any, generator: np.random.Generator
) -> dict[str, float | None]:
    """All of the above for one mixture without a chain axis."""
    draws, _ = mixture.sample(generator, NUM_DRAWS)
    row = of_density(problem, target, mixture.log_prob, draws)
    return row | {
        "variance_min": float(np.min(mixture.variances)),
        "variance_max": float(np.max(mixture.variances)),
    }


def of_gaussian(
    problem: Problem, target: Any, draws: np.ndarray, generator: np.random.Generator, full: bool
) -> dict[str, float | None]:
    """The Gaussian that draws of a Gaussian method come from: its moments, then its ELBO."""
    mean = draws.mean(0)
    covariance = np.cov(draws.T) if full else np.diag(draws.var(0))
    lower = np.linalg.cholesky(covariance)
    log_det = 2.0 * np.log(np.diag(lower)).sum()

    def log_prob(points: np.ndarray) -> np.ndarray:
        pulled = np.linalg.solve(lower, (points - mean).T)
        return -0.5 * ((pulled**2).sum(0) + log_det + len(mean) * np.log(2 * np.pi))

    fresh = mean + generator.standard_normal((NUM_DRAWS, len(mean))) @ lower.T
    return of_density(problem, target, log_prob, fresh)


def positions_of(result: Any) -> np.ndarray:
    """Draws (n, d) of the variable ``x`` of a result."""
    values = np.asarray(result["posterior"]["x"])
    return values.reshape(-1, values.shape[-1])


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and strings as JSON takes them."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
