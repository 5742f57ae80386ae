"""The part of the posterior where the log density is finite and its gradient is not."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isogmm.draws.pool import Pool
from isogmm.model.fit_target import FitTarget

#: Draws of the mixture that are evaluated again.
MAX_EVALUATED = 16


@dataclass(frozen=True)
class MissingGradients:
    """Where the gradient is not finite although the log density is.

    Parameters
    ----------
    mass
        Estimated share of the posterior mass.
    names
        Coordinates whose derivative is not finite.
    """

    mass: float = 0.0
    names: tuple[str, ...] = ()


def missing_gradients(target: FitTarget, pool: Pool) -> MissingGradients:
    """The posterior mass without a gradient, by importance weights.

    The search and the chains take such points for points outside the support, so that the draws
    lack this part of the posterior.

    Parameters
    ----------
    target
        The target.
    pool
        Draws of the mixture.  A part of those without a finite log density is evaluated again.

    Notes
    -----
    With q the mixture, and the draws :math:`x_i` of q, the mass is estimated by

    .. math:: \\sum_{i \\in M} w_i / \\sum_i w_i, \\quad w_i = \\pi(x_i) / q(x_i),

    where M are the draws without a gradient.
    """
    missing = np.flatnonzero(np.isneginf(pool.log_density.ravel()))
    if not len(missing) or not target.has_gradient:
        return MissingGradients()
    chosen = missing[np.linspace(0, len(missing) - 1, MAX_EVALUATED).astype(int)]
    chosen = np.unique(chosen)
    values, is_missing = _evaluate_again(target, pool.positions.reshape(-1, target.dim)[chosen])
    log_weights = values - pool.log_q_pooled.ravel()[chosen]
    others = pool.log_ratios[np.isfinite(pool.log_ratios)]
    largest = np.max([*others, *log_weights[np.isfinite(log_weights)]], initial=-np.inf)
    if not np.isfinite(largest):
        return MissingGradients()
    without = len(missing) * np.mean(np.exp(log_weights - largest))
    labels = target.coordinate_labels
    return MissingGradients(
        mass=float(without / (without + np.exp(others - largest).sum())),
        names=tuple(labels[index] for index in np.flatnonzero(is_missing.any(axis=0))),
    )


def _evaluate_again(
    target: FitTarget, positions: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, "n d"]]:
    """Log density (-inf where the gradient is finite, or no value), and which derivatives are not.

    ``Target.evaluate`` does not tell the two apart.
    """
    values = np.full(len(positions), -np.inf)
    is_missing = np.zeros(positions.shape, bool)
    for row, position in enumerate(positions):
        target.check_time()
        value, gradient = target.evaluate_point(position)
        if np.isfinite(value):
            is_missing[row] = ~np.isfinite(np.asarray(gradient).reshape(-1))
            values[row] = np.asarray(value).item() if is_missing[row].any() else -np.inf
    return values, is_missing
