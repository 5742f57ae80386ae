"""Learn a partially non-centered form in more than 500 dimensions; children share their estimates.

No (d, d) matrix is formed.  Exponents and slopes of single children have errors that add up: an
error of 0.2 in each of 500 exponents made the scale four times narrower given all children than it
is in the posterior.  Estimates of the children of one scale are therefore moved to their mean.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.draws.chains.noncentering import NonCentering
from isogmm.draws.chains.pooled_scales import find_pooled_scales, log_squares

#: Numbers at most that positions take; earlier transitions are left out.
MAX_NUMBERS, MIN_TRANSITIONS = 10_000_000, 3
#: Coordinates whose correlations show the parents: a random subset.
NUM_COMPARED = 512
#: Coordinates at most that the locations of all children may depend on, and the excess of the sum
#: of their squared correlations over the median, in median absolute deviations.
MAX_PARENTS, MIN_PARENT_EXCESS = 4, 12.0
#: Standard errors by which the slope of a child on a parent must differ from the common one.
MIN_SLOPE_Z = 4.0
#: Rounds of location and scale, and Newton steps for the scale in each round.
NUM_ROUNDS, NUM_NEWTON_STEPS = 2, 3
#: Largest change of an exponent in one Newton step.
MAX_EXPONENT_CHANGE = 0.5
#: Relative ridge penalty on the mean of z, as in :mod:`isogmm.draws.chains.learn_noncentering`.
MEAN_RIDGE = 0.01


def num_transitions(num_chains: int, dim: int) -> int:
    """Transitions at most whose positions a form is learned from."""
    return max(MAX_NUMBERS // (num_chains * dim), MIN_TRANSITIONS)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn_pooled(
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    num_chains: int,
) -> tuple[NonCentering, float] | None:
    """The partially non-centered form that suits draws; None where no scale is found.

    Parameters
    ----------
    positions, log_density
        Positions of all chains in successive transitions, and log π up to a constant.
    num_chains
        Number of chains.

    Returns
    -------
    noncentering, sd_ratio
        As for :func:`isogmm.draws.chains.learn_noncentering.learn_noncentering`; the Gaussian has
        no correlations.
    """
    center, spread = positions.mean(axis=0), positions.std(axis=0)
    if not np.all(spread > 0):
        return None
    points = (positions - center) / spread
    parents = find_parents(points)
    residuals = points.copy()
    is_parent = np.zeros(points.shape[1], dtype=bool)
    is_parent[parents] = True
    if len(parents):
        slopes = np.linalg.lstsq(points[:, parents], points[:, ~is_parent], rcond=None)[0]
        residuals[:, ~is_parent] -= points[:, parents] @ slopes
    num_independent = effective_number(log_squares(residuals), num_chains)
    scales_of = find_pooled_scales(points, residuals, is_parent, num_independent)
    if not any(scales_of):
        return None
    noncentering = _fitted(points, center, spread, parents, scales_of, num_independent)
    return noncentering, sd_ratio(noncentering, positions, log_density)


def find_parents(points: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " p"]:
    """Coordinates that are correlated with many others, such as the location of all groups."""
    dim = points.shape[1]
    compared = np.random.default_rng(0).permutation(dim)[:NUM_COMPARED]
    single = points.astype(np.float32)
    squares = (single[:, compared].T @ single / np.float32(len(points))) ** 2
    squares[np.arange(len(compared)), compared] = 0.0
    total = squares.sum(axis=0).astype(np.float64)
    excess = total - np.median(total)
    largest = np.argsort(-excess)[:MAX_PARENTS]
    return np.sort(largest[excess[largest] > MIN_PARENT_EXCESS * np.median(np.abs(excess))])


def effective_number(values: Float[np.ndarray, "n d"], num_chains: int) -> float:
    """Number of independent draws that have the error of the mean of these; at least the chains.

    With the correlation r of successive transitions, averaged over the coordinates, it is
    n (1 - r) / (1 + r).
    """
    series = (values - values.mean(axis=0)).reshape(-1, num_chains, values.shape[1])
    if len(series) == 1:
        return float(num_chains)
    variance = (series**2).mean(axis=(0, 1))
    products = (series[1:] * series[:-1]).mean(axis=(0, 1))
    correlation = np.clip(np.nanmean(products / variance), 0.0, 1.0)
    return float(max(len(values) * (1.0 - correlation) / (1.0 + correlation), num_chains))


def _fitted(
    points: Float[np.ndarray, "n d"],
    center: Float[np.ndarray, " d"],
    spread: Float[np.ndarray, " d"],
    parents: Int[np.ndarray, " p"],
    scales_of: list[list[int]],
    num_independent: float,
) -> NonCentering:
    """Location and scale of every child, in the units of the positions."""
    children = np.flatnonzero([bool(scales) for scales in scales_of])
    scales = sorted({scale for each in scales_of for scale in each})
    has_scale = np.array([[scale in scales_of[child] for scale in scales] for child in children])
    design = np.column_stack([np.ones(len(points)), points[:, parents]])
    # The location of a child must not depend on its own scale: the mean of z does, and a linear
    # dependence would be wrong in the neck.
    allowed = np.ones((len(children), design.shape[1]), dtype=bool)
    for column, parent in enumerate(parents, start=1):
        if parent in scales:
            allowed[:, column] = ~has_scale[:, scales.index(parent)]
    values, own = points[:, children], points[:, scales]
    exponents = np.zeros(has_scale.shape)
    for _ in range(NUM_ROUNDS):
        weights = np.exp(-own @ exponents.T)
        coefficients, mean_z = _locations(values, weights, design, allowed)
        for column in range(1, design.shape[1]):
            rows = allowed[:, column]
            if rows.any():
                coefficients[rows, column] = _common(coefficients[rows, column], num_independent)
        residuals = values - design @ coefficients.T - mean_z / weights
        exponents = _exponents(residuals, own, has_scale, exponents)
    for column in range(len(scales)):
        rows = has_scale[:, column]
        exponents[rows, column] = _shrunk(exponents[rows, column], num_independent)
    roots = np.union1d(parents, scales).astype(int)
    slopes = np.zeros((len(children), len(roots)))
    slopes[:, np.searchsorted(roots, parents)] = coefficients[:, 1:]
    slopes *= spread[children, None] / spread[roots]
    all_exponents = np.zeros(slopes.shape)
    all_exponents[:, np.searchsorted(roots, scales)] = exponents / spread[scales]
    return NonCentering(
        roots=roots,
        children=children,
        location=center[children] + spread[children] * coefficients[:, 0] - slopes @ center[roots],
        from_roots=slopes,
        from_children=np.zeros((len(children), 0)),
        exponents=all_exponents,
        center=center[roots],
    )


def _locations(
    values: Float[np.ndarray, "n c"],
    weights: Float[np.ndarray, "n c"],
    design: Float[np.ndarray, "n q"],
    allowed: Bool[np.ndarray, "c q"],
) -> tuple[Float[np.ndarray, "c q"], Float[np.ndarray, " c"]]:
    """Weighted regressions of all children on the design, with a mean of z; see ``allowed``."""
    count, width = design.shape
    squares = weights**2
    normal = np.empty((values.shape[1], width + 1, width + 1))
    right = np.empty((values.shape[1], width + 1))
    pairs = (design[:, :, None] * design[:, None, :]).reshape(count, -1)
    normal[:, :width, :width] = (squares.T @ pairs).reshape(-1, width, width)
    normal[:, :width, width] = normal[:, width, :width] = weights.T @ design
    normal[:, width, width] = count * (1.0 + MEAN_RIDGE)
    right[:, :width] = (squares * values).T @ design
    right[:, width] = (weights * values).sum(axis=0)
    # A large number on the diagonal makes a coefficient zero.
    index = np.arange(width)
    normal[:, index, index] += np.where(allowed, 0.0, 1e12 * count)
    solution = np.linalg.solve(normal, right[..., None])[..., 0]
    return np.where(allowed, solution[:, :width], 0.0), solution[:, width]


def _exponents(
    residuals: Float[np.ndarray, "n c"],
    own: Float[np.ndarray, "n s"],
    has_scale: Bool[np.ndarray, "c s"],
    exponents: Float[np.ndarray, "c s"],
) -> Float[np.ndarray, "c s"]:
    """Newton steps for the exponents a: log(mean(e² exp(-2 u a))) / 2 + mean(u) a is convex."""
    exponents = exponents.copy()
    log_squared = np.log(residuals**2 + 1e-300)
    for _ in range(NUM_NEWTON_STEPS):
        for column in range(own.shape[1]):
            rows, scale = np.flatnonzero(has_scale[:, column]), own[:, column]
            logs = log_squared[:, rows] - 2.0 * own @ exponents[rows].T
            shares = np.exp(logs - logs.max(axis=0))
            shares /= shares.sum(axis=0)
            mean = scale @ shares
            variance = np.maximum(scale**2 @ shares - mean**2, 0.0)
            change = (mean - scale.mean()) / (2.0 * variance + 1e-3)
            exponents[rows, column] += np.clip(change, -MAX_EXPONENT_CHANGE, MAX_EXPONENT_CHANGE)
    return exponents


def _shrunk(values: Float[np.ndarray, " c"], num_independent: float) -> Float[np.ndarray, " c"]:
    """Exponents moved to their mean by the share of their variance that is error, 1 / (2 n)."""
    error = 0.5 / num_independent
    between = max(float(values.var()) - error, 0.0)
    return values.mean() + between / (between + error) * (values - values.mean())


def _common(values: Float[np.ndarray, " c"], num_independent: float) -> Float[np.ndarray, " c"]:
    """The common slope of the children where theirs do not differ from it beyond chance."""
    common = np.median(values)
    differs = np.abs(values - common) > MIN_SLOPE_Z / np.sqrt(num_independent)
    return np.where(differs, values, values[~differs].mean() if not differs.all() else common)


def sd_ratio(
    noncentering: NonCentering,
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
) -> float:
    """sd of log π - log q, with q a Gaussian without correlations, relative to the original."""
    old = np.std(log_density - _log_diagonal_gaussian(positions))
    points = noncentering.inverse(positions)
    new = log_density + noncentering.log_det(positions) - _log_diagonal_gaussian(points)
    return float(np.std(new) / old)


def _log_diagonal_gaussian(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """log N(z; mean, variances of the points) up to a constant."""
    return -0.5 * (((points - points.mean(axis=0)) / points.std(axis=0)) ** 2).sum(axis=1)
