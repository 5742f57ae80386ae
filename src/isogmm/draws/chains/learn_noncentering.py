"""Which coordinates are scales of which others, and how: learned from draws."""

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.noncentering import NonCentering

#: More coordinates than this are not compared pair by pair.
LARGEST = 300
#: Scales in all, scales of one child, and regressors of its location, at most.
NUM_ROOTS, NUM_SCALES, NUM_REGRESSORS = 20, 2, 32
#: A child speaks for a scale from this squared number of standard errors on, and follows one
#: that others speak for from the second on.
CLEAR, POSSIBLE = 6.0, 1.0
#: Nats per draw that children must promise for a scale.
PROMISE = 0.1
#: Shrinkage of the mean of z, which a scale that hardly varies does not tell from the location.
RIDGE = 0.01


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn_noncentering(
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    num_independent: int,
) -> tuple[NonCentering, float] | None:
    """The partially non-centered form that suits draws; None where no scale is seen.

    Scales are found from residuals: coordinate j is a scale of i where log e_i² depends on x_j,
    e_i being the residual of x_i given all other coordinates.  Location and scale of every child
    then maximize its Gaussian likelihood, to which the draws of small scale matter most: there
    the location must be right.

    Parameters
    ----------
    positions
        Draws; they may be dependent.
    log_density
        log π of each, up to a constant.
    num_independent
        The number of independent draws that they are worth at least.

    Returns
    -------
    noncentering, ratio
        The map, and the standard deviation of log π - log q with the Gaussian q fitted to the
        draws in its coordinates, over that in the old ones: what it is worth.
    """
    count, dim = positions.shape
    center, spread = positions.mean(axis=0), positions.std(axis=0)
    if not 2 <= dim <= min(LARGEST, count // 4) or not np.all(spread > 0):
        return None
    points = (positions - center) / spread
    products = points.T @ points / count
    precision = np.linalg.pinv(products, rcond=1e-10, hermitian=True)
    diagonal = np.maximum(np.diag(precision), 1.0)
    scales_of = _scales(points, points @ precision / diagonal, num_independent)
    is_child = np.array([bool(scales) for scales in scales_of])
    if not is_child.any():
        return None
    partial = np.abs(precision) / np.sqrt(np.outer(diagonal, diagonal))
    np.fill_diagonal(partial, 0.0)
    roots, children = np.flatnonzero(~is_child), np.flatnonzero(is_child)
    # Those that many depend on come first, so that the others' locations can depend on them.
    children = children[np.argsort(-(partial[children] ** 2).sum(axis=1), kind="stable")]
    location = np.zeros(len(children))
    slopes, exponents = np.zeros((2, len(children), dim))
    for index, child in enumerate(children):
        before = np.concatenate([roots, children[:index]])
        chosen = before[np.argsort(-partial[child, before])[:NUM_REGRESSORS]]
        design = np.column_stack([np.ones(count), points[:, chosen]])
        scales = scales_of[child]
        exponents[index, scales], coefficients = _location_and_scale(
            points[:, child], design, points[:, scales]
        )
        location[index], slopes[index, chosen] = coefficients[0], coefficients[1:]
    # Back to the units of x.
    slopes = spread[children, None] * slopes / spread
    location = center[children] + spread[children] * location - slopes @ center
    found = NonCentering(
        roots,
        children,
        location,
        slopes[:, roots],
        slopes[:, children],
        (exponents / spread)[:, roots],
        center[roots],
    )
    old = np.std(log_density - _log_gaussian(positions))
    points = found.inverse(positions)
    new = np.std(log_density + found.log_det(positions) - _log_gaussian(points))
    return found, float(new / old)


def _scales(
    points: Float[np.ndarray, "n d"], residuals: Float[np.ndarray, "n d"], num_independent: int
) -> list[list[int]]:
    """For each coordinate those that are its scales; a scale has none itself."""
    count, dim = points.shape
    scales_of: list[list[int]] = [[] for _ in range(dim)]
    roots: list[int] = []
    # log z² of a standard normal has variance π²/2.
    standard_error = np.pi / np.sqrt(2.0 * num_independent)
    while len(roots) < NUM_ROOTS:
        logs = np.log(residuals**2 + 1e-300)
        logs = np.maximum(logs, np.quantile(logs, 0.01, axis=0))
        slopes = points.T @ (logs - logs.mean(axis=0)) / count  # of the child (column) on the scale
        squares = (slopes / standard_error) ** 2
        is_open = ~np.eye(dim, dtype=bool)
        is_open[roots] = is_open[:, roots] = False
        is_open[[bool(scales) for scales in scales_of]] = False
        is_open[:, [len(scales) == NUM_SCALES for scales in scales_of]] = False
        # A log-linear scale with exponent a gains a² nats; slopes are those of the square.
        gains = np.where(is_open & (squares > CLEAR), 0.25 * slopes**2, 0.0)
        root = int(np.argmax(gains.sum(axis=1)))
        if gains[root].sum() < PROMISE:
            break
        side = np.sign((gains[root] * slopes[root]).sum())
        follows = is_open[root] & (squares[root] > POSSIBLE) & (side * slopes[root] > 0)
        roots.append(root)
        for child in np.flatnonzero(follows):
            scales_of[child].append(root)
            residuals[:, child] *= np.exp(-0.5 * slopes[root, child] * points[:, root])
    return scales_of


def _location_and_scale(
    values: Float[np.ndarray, " n"],
    design: Float[np.ndarray, "n p"],
    scales: Float[np.ndarray, "n s"],
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " p"]]:
    """Exponents a and coefficients b of values ~ N(design b, s² exp(2 scales a)), by turns."""
    exponents = np.zeros(scales.shape[1])
    centered = scales - scales.mean(axis=0)
    for _ in range(4):
        weights = np.exp(-scales @ exponents)
        # The mean of z need not be zero: what the data say of a group moves it away from the
        # others, in proportion to the scale, and not in the neck.
        columns = np.column_stack([design * weights[:, None], np.ones(len(values))])
        *coefficients, mean_z = _least_squares(columns, values * weights)
        squares = (values - design @ coefficients - mean_z / weights) ** 2 + 1e-300
        for _ in range(4):
            # Newton on log(mean(e² exp(-2 u a))) / 2 + mean(u) a, which is convex in a.
            logs = np.log(squares) - 2.0 * scales @ exponents
            shares = np.exp(logs - logs.max())
            shares /= shares.sum()
            mean = shares @ centered
            spread = centered - mean
            hessian = 2.0 * (spread.T * shares) @ spread + 1e-3 * np.eye(len(exponents))
            exponents = exponents + np.clip(np.linalg.solve(hessian, mean), -0.5, 0.5)
    return exponents, np.array(coefficients)


def _least_squares(
    design: Float[np.ndarray, "n p"], values: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " p"]:
    products = design.T @ design
    products[np.diag_indices(len(products))] *= 1.0 + 1e-9
    products[-1, -1] *= 1.0 + RIDGE
    return np.linalg.solve(products, design.T @ values)


def _log_gaussian(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """log N(z; mean, covariance of the points) up to a constant."""
    centered = (points - points.mean(axis=0)) / points.std(axis=0)
    inverse = np.linalg.pinv(centered.T @ centered / len(points), rcond=1e-10, hermitian=True)
    return -0.5 * ((centered @ inverse) * centered).sum(axis=1)
