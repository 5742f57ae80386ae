"""Functions of known mean at the states of HMC chains: control variates and weights."""

import numpy as np
from jaxtyping import Float

#: States, at least, for each function.
MIN_STATES_PER_FUNCTION = 40
#: Largest number of functions; the cost grows with its square.
MAX_FUNCTIONS = 250
#: A mean counts as different from zero beyond this excess, in standard errors, over the largest
#: error of p means by chance, √(2 log 2p).
MAX_EXCESS = 2.0
#: Largest factor by which the calibration multiplies a weight.
MAX_FACTOR = 4.0


def stein_functions(
    points: Float[np.ndarray, "m s d"],
    gradients: Float[np.ndarray, "m s d"],
    weights: Float[np.ndarray, "m s"],
) -> Float[np.ndarray, "m s p"] | None:
    r"""Functions of the states whose expectations are zero.

    For a density π on R^d that vanishes at infinity these are (Stein's identity)

    .. math:: \partial_a \log π(y), \qquad
        y_a \, \partial_b \log π(y) + y_b \, \partial_a \log π(y) + 2 \, δ_{ab} .

    In many dimensions only those with a = b, or only the first ones, are used.

    Parameters
    ----------
    points, gradients
        States of m independent chains and ∇ log π, in coordinates in which π is nearly standard
        normal.
    weights
        Weights of the states with the sum one.

    Returns
    -------
    numpy.ndarray or None
        None if there are too few states, or if the means exceed their Monte Carlo errors.  The
        identity does not hold if π has a jump, such as a bound of its support, or if the
        gradients are wrong.

    References
    ----------
    Mira, Solgi and Imparato (2013), Zero variance Markov chain Monte Carlo for Bayesian
    estimators, Statistics and Computing 23: control variates from polynomials of the degrees one
    and two.
    """
    max_functions = min(MAX_FUNCTIONS, np.count_nonzero(weights) // MIN_STATES_PER_FUNCTION)
    dim = points.shape[-1]
    if dim > max_functions:
        return None
    parts = [gradients]
    if 2 * dim <= max_functions:
        parts.append(points * gradients + 1.0)
    if dim * (dim + 3) // 2 <= max_functions:
        rows, columns = np.triu_indices(dim, 1)
        product = points[..., rows] * gradients[..., columns]
        parts.append(product + points[..., columns] * gradients[..., rows])
    functions = np.concatenate(parts, axis=-1)
    # Each chain gives one independent estimate of the means.
    by_chain = np.einsum("ms,msp->mp", weights, functions)
    limit = np.sqrt(2.0 * np.log(2.0 * functions.shape[-1])) + MAX_EXCESS
    means, errors = by_chain.sum(axis=0), by_chain.std(axis=0) * np.sqrt(len(by_chain))
    return functions if np.all(np.abs(means) <= limit * errors) else None


def regression(
    functions: Float[np.ndarray, "n p"],
    weights: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "p v"],
) -> Float[np.ndarray, "p v"]:
    """S⁻¹ values, with S the covariance of the functions; weights with the sum one."""
    means = weights @ functions
    covariance = (functions * weights[:, None]).T @ functions - np.outer(means, means)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    covariance = covariance / np.outer(scale, scale)
    found = np.linalg.lstsq(covariance, values / scale[:, None], rcond=1e-8)[0]
    return found / scale[:, None]


def stein_weights(
    points: Float[np.ndarray, "m s d"],
    gradients: Float[np.ndarray, "m s d"],
    weights: Float[np.ndarray, "m s"],
) -> Float[np.ndarray, "m s"]:
    r"""Weights near the given ones with which Stein's identities hold for the states.

    With :math:`\bar f` the means of the functions f and S their covariance these are

    .. math:: w_i' \propto w_i \, (1 - (f_i - \bar f)^T S^{-1} \bar f) .

    A weighted mean of h is then the mean of h minus its regression on f, the estimate with
    control variates.  Means and variances of a Gaussian have no error.

    Parameters
    ----------
    points, gradients, weights
        As for :func:`stein_functions`; weights of any sum.

    Returns
    -------
    numpy.ndarray
        Weights with the same sum; the given ones where there are no functions.

    References
    ----------
    Deville and Särndal (1992), Calibration estimators in survey sampling, JASA 87: the linear
    weights.
    """
    total = float(weights.sum())
    if not total > 0.0:
        return weights
    functions = stein_functions(points, gradients, weights / total)
    if functions is None:
        return weights
    flat, shares = functions.reshape(weights.size, -1), weights.ravel() / total
    means = shares @ flat
    solution = regression(flat, shares, means[:, None])[:, 0]
    calibrated = shares * np.clip(1.0 - (flat - means) @ solution, 0.0, MAX_FACTOR)
    return (calibrated * (total / calibrated.sum())).reshape(weights.shape)
