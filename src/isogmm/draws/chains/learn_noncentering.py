"""Learn a partially non-centered form from draws."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.find_scales import find_scales
from isogmm.draws.chains.noncentering import NonCentering

#: Largest number of coordinates in which correlations of children are estimated from the draws of
#: a few hundred chains.  Beyond it the location of a child depends on roots and on the most
#: connected children only, because spurious regressors move it by as much as its scale in the neck
#: of a funnel.  The log ratios are then compared to a Gaussian without correlations.
MAX_CORRELATED_DIM, MAX_EARLIER_CHILDREN = 300, 2
#: Smallest number of draws for each coordinate.
MIN_DRAWS_PER_COORDINATE = 4
#: Largest number of regressors of the location of a child.
MAX_REGRESSORS = 32
#: Relative ridge penalty on the mean of z.  A scale that hardly varies does not separate this
#: mean from the location.
MEAN_RIDGE = 0.01
#: Rounds of location and scale, and Newton steps for the scale in each round.
NUM_ROUNDS, NUM_NEWTON_STEPS = 4, 4
#: Largest change of an exponent in one Newton step.
MAX_EXPONENT_CHANGE = 0.5


class Children(NamedTuple):
    """Children in order, with their locations and scales in terms of all coordinates.

    ``location`` (c,), ``slopes`` (c, d) and ``exponents`` (c, d).
    """

    indices: Int[np.ndarray, " c"]
    location: Float[np.ndarray, " c"]
    slopes: Float[np.ndarray, "c d"]
    exponents: Float[np.ndarray, "c d"]


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn_noncentering(
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    num_independent: int,
) -> tuple[NonCentering, float] | None:
    """The partially non-centered form that suits draws; None where no scale is found.

    Scales are found from residuals (see :func:`find_scales`).  Location and scale of each child
    then maximize its Gaussian likelihood.  Draws of small scale have the largest weight in it,
    because the location must be accurate there.

    Parameters
    ----------
    positions
        Draws; they may be dependent.
    log_density
        log π of each, up to a constant.
    num_independent
        Lower bound of the number of independent draws that they are worth.

    Returns
    -------
    noncentering, sd_ratio
        The map, and the factor by which it changes the standard deviation of log π - log q,
        where q is the Gaussian fitted to the draws.
    """
    count, dim = positions.shape
    center, spread = positions.mean(axis=0), positions.std(axis=0)
    if not 2 <= dim <= count // MIN_DRAWS_PER_COORDINATE or not np.all(spread > 0):
        return None
    points = (positions - center) / spread
    precision = np.linalg.pinv(points.T @ points / count, rcond=1e-10, hermitian=True)
    diagonal = np.maximum(np.diag(precision), 1.0)
    scales_of = find_scales(points, points @ precision / diagonal, num_independent)
    if not any(scales_of):
        return None
    partial_correlation = np.abs(precision) / np.sqrt(np.outer(diagonal, diagonal))
    np.fill_diagonal(partial_correlation, 0.0)
    children = _fit_children(points, partial_correlation, scales_of)
    noncentering = _in_units_of(children, center, spread)
    return noncentering, _sd_ratio(noncentering, positions, log_density)


def _fit_children(
    points: Float[np.ndarray, "n d"],
    partial_correlation: Float[np.ndarray, "d d"],
    scales_of: list[list[int]],
) -> Children:
    """Location and scale of every coordinate that has scales, from standardized draws."""
    is_child = np.array([bool(scales) for scales in scales_of])
    roots, indices = np.flatnonzero(~is_child), np.flatnonzero(is_child)
    # A location can depend on earlier children only: the most connected children come first.
    connection = (partial_correlation[indices] ** 2).sum(axis=1)
    indices = indices[np.argsort(-connection, kind="stable")]
    location = np.zeros(len(indices))
    slopes, exponents = np.zeros((2, len(indices), points.shape[1]))
    for row, child in enumerate(indices):
        is_large = len(is_child) > MAX_CORRELATED_DIM
        num_earlier = min(row, MAX_EARLIER_CHILDREN) if is_large else row
        earlier = np.concatenate([roots, indices[:num_earlier]])
        order = np.argsort(-partial_correlation[child, earlier])
        regressors = earlier[order[:MAX_REGRESSORS]]
        design = np.column_stack([np.ones(len(points)), points[:, regressors]])
        scales = scales_of[child]
        exponents[row, scales], coefficients = _location_and_scale(
            points[:, child], design, points[:, scales]
        )
        location[row], slopes[row, regressors] = coefficients[0], coefficients[1:]
    return Children(indices, location, slopes, exponents)


def _in_units_of(
    children: Children, center: Float[np.ndarray, " d"], spread: Float[np.ndarray, " d"]
) -> NonCentering:
    """The map of positions x, from children fitted to (x - center) / spread."""
    indices = children.indices
    roots = np.setdiff1d(np.arange(len(center)), indices)
    slopes = spread[indices, None] * children.slopes / spread
    return NonCentering(
        roots=roots,
        children=indices,
        location=center[indices] + spread[indices] * children.location - slopes @ center,
        from_roots=slopes[:, roots],
        from_children=slopes[:, indices],
        exponents=(children.exponents / spread)[:, roots],
        center=center[roots],
    )


def _sd_ratio(
    noncentering: NonCentering,
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
) -> float:
    """sd of log π - log q in the coordinates of a map, relative to the original coordinates."""
    old = np.std(log_density - _log_gaussian(positions))
    points = noncentering.inverse(positions)
    new = np.std(log_density + noncentering.log_det(positions) - _log_gaussian(points))
    return float(new / old)


def _location_and_scale(
    values: Float[np.ndarray, " n"],
    design: Float[np.ndarray, "n p"],
    scales: Float[np.ndarray, "n s"],
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " p"]]:
    """Exponents a and coefficients b of values ~ N(design b, s² exp(2 scales a)), in turns."""
    exponents = np.zeros(scales.shape[1])
    centered = scales - scales.mean(axis=0)
    for _ in range(NUM_ROUNDS):
        weights = np.exp(-scales @ exponents)
        # The mean of z may differ from zero: data on one group move it away from the other
        # groups, in proportion to the scale, and not in the neck.
        columns = np.column_stack([design * weights[:, None], np.ones(len(values))])
        *coefficients, mean_z = _least_squares(columns, values * weights)
        squares = (values - design @ coefficients - mean_z / weights) ** 2 + 1e-300
        for _ in range(NUM_NEWTON_STEPS):
            # Newton on log(mean(e² exp(-2 u a))) / 2 + mean(u) a, which is convex in a.
            logs = np.log(squares) - 2.0 * scales @ exponents
            shares = np.exp(logs - logs.max())
            shares /= shares.sum()
            mean = shares @ centered
            deviation = centered - mean
            hessian = 2.0 * (deviation.T * shares) @ deviation + 1e-3 * np.eye(len(exponents))
            change = np.linalg.solve(hessian, mean)
            exponents = exponents + np.clip(change, -MAX_EXPONENT_CHANGE, MAX_EXPONENT_CHANGE)
    return exponents, np.array(coefficients)


def _least_squares(
    design: Float[np.ndarray, "n p"], values: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " p"]:
    """Coefficients of a regression with a ridge penalty on the last column."""
    products = design.T @ design
    products[np.diag_indices(len(products))] *= 1.0 + 1e-9
    products[-1, -1] *= 1.0 + MEAN_RIDGE
    return np.linalg.solve(products, design.T @ values)


def _log_gaussian(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """log N(z; mean, covariance of the points) up to a constant.

    Only the variances are used beyond ``MAX_CORRELATED_DIM`` coordinates.
    """
    centered = (points - points.mean(axis=0)) / points.std(axis=0)
    if points.shape[1] > MAX_CORRELATED_DIM:
        return -0.5 * (centered**2).sum(axis=1)
    inverse = np.linalg.pinv(centered.T @ centered / len(points), rcond=1e-10, hermitian=True)
    return -0.5 * ((centered @ inverse) * centered).sum(axis=1)
