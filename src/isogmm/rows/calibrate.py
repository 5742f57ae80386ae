r"""Weights of the sample with which it equals all rows to second order at a center.

The weighted sample is :math:`\sum_i w_i f(x, \text{row}_i)`.  Its value, gradient and Hessian at
the center are those of all rows, and the weights are as equal as possible: they minimize
:math:`\sum_i w_i \log (w_i m / n)`, so that :math:`w_i = (n / m) \exp(a_i^\top \lambda)`.  The
features a of a row are 1 and its value, gradient and Hessian (raking of survey weights; Deville and
Särndal 1992, JASA 87).

Far from the center the weighted sample keeps the form of the model, which a quadratic correction
does not.  On a hierarchy with a scale near zero that correction is wrong by many nats where the
scale is smaller than at the center.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from isogmm.rows.approximate import MIN_DISTANCE, Approximation
from isogmm.rows.density import Expansion
from isogmm.rows.surrogate import Surrogate
from isogmm.rows.terms import RowTerms

#: Rows of the sample for each feature, without which weights differ too much, and the largest
#: number of features, which is that of 60 parameters.  A Newton step costs its third power.
MIN_ROWS_PER_FEATURE, MAX_FEATURES = 1.5, 1_900
#: Newton steps, and the largest change of a log weight in one of them.
MAX_STEPS, MAX_LOG_CHANGE = 60, 1.0
#: Largest error of a sum of features, in nats.
MAX_ERROR = 1e-6
#: Number that is added to the diagonal of the matrix of Newton's method, relative to its largest
#: entry: parameters that no row of the sample depends on have zeros there.
RIDGE = 1e-11


def calibrated(
    found: Approximation, surrogate: Surrogate, terms: RowTerms, num_rows: int
) -> Approximation | None:
    """The approximation by a weighted sample at the same centers, or None if there is none.

    Parameters
    ----------
    found
        The approximation by quadratic corrections.
    surrogate
        Makes the target.
    terms
        The terms of the rows of the sample.
    num_rows
        Number of all rows.
    """
    correction, of_rows = found.correction, found.of_rows
    if correction is None or of_rows is None:
        return None
    dim, size = surrogate.dim, terms.num_rows
    num_features = 2 + dim + dim * (dim + 1) // 2
    if num_features > min(MAX_FEATURES, size / MIN_ROWS_PER_FEATURE):
        return None
    weights, kept = [], list[int]()
    distances = correction.distances(correction.centers)
    for index, center in enumerate(correction.centers):
        if kept and distances[index, kept].min() < MIN_DISTANCE:
            continue
        own = calibrated_weights(
            terms.expansion(center), of_rows.take([index]), num_rows, correction.factors()[index]
        )
        if own is None:
            return None
        weights.append(own)
        kept.append(index)
    chosen = correction.take(kept)
    weighted = replace(
        chosen,
        difference=Expansion(*map(np.zeros_like, chosen.difference)),
        radii=np.full(len(kept), np.inf),
        weights=np.stack(weights),
    )
    target = surrogate.target(weighted, terms)
    return replace(found, target=target, correction=weighted)


def calibrated_weights(
    terms: Expansion, of_all: Expansion, num_rows: int, factor: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, " s"] | None:
    """The weights, or None if no positive weights are found.

    Parameters
    ----------
    terms
        Value, gradient and Hessian of each row of the sample at the center, ``(s,)``, ``(s, d)``
        and ``(s, d, d)``.
    of_all
        Those of the sum over all rows, ``(1,)``, ``(1, d)`` and ``(1, d, d)``.
    num_rows
        Number of all rows.
    factor
        L with L Lᵀ the covariance of the posterior, which gives the features comparable units.
    """
    features, goal = _features(terms, factor), _features(of_all, factor)[0]
    goal[0] = num_rows
    # The first feature has the mean of the values, beside which their differences are small.
    middle = terms.values.mean()
    features[:, 1] -= middle
    goal[1] -= middle * num_rows
    if not (np.isfinite(features).all() and np.isfinite(goal).all()):
        return None
    log_weights = np.full(len(features), np.log(num_rows / len(features)))
    for _ in range(MAX_STEPS):
        weights = np.exp(log_weights)
        error = features.T @ weights - goal
        if np.abs(error).max() < MAX_ERROR:
            return weights
        matrix = (features.T * weights) @ features
        matrix[np.diag_indices(len(matrix))] += RIDGE * matrix.diagonal().max()
        change = -features @ np.linalg.solve(matrix, error)
        log_weights = log_weights + change * min(1.0, MAX_LOG_CHANGE / np.abs(change).max())
    return None


def _features(terms: Expansion, factor: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "s p"]:
    """1, value, gradient and Hessian of each term, for positions in standard deviations."""
    gradients = terms.gradients @ factor
    hessians = factor.T @ terms.hessians @ factor
    rows, columns = np.triu_indices(len(factor))
    ones = np.ones((len(gradients), 1))
    parts = [ones, terms.values[:, None], gradients, hessians[:, rows, columns]]
    return np.concatenate(parts, axis=1)
