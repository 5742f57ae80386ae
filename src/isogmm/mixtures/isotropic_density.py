"""Mixtures of isotropic Gaussians as pure functions of arrays.

Every function takes leading batch axes (one mixture per chain) and works on NumPy and JAX
arrays alike, through the array API standard.  No array of shape (n, k, d) is ever made.
"""

from typing import Any

from isogmm.arrays import LOG_2PI, logsumexp


def component_log_prob(points: Any, means: Any, variances: Any) -> Any:
    """log N(x; m_k, v_k I) for all points and components, shape (..., n, k).

    The squared distances are |x|² + |m|² - 2 x·m after moving the origin to the middle of the
    means, which keeps the cancellation small where they are close together and far from zero.
    """
    return _component_log_prob(*_centered(points, means), variances)


def _centered(points: Any, means: Any) -> tuple[Any, Any]:
    origin = means.__array_namespace__().mean(means, axis=-2, keepdims=True)
    return points - origin, means - origin


def _component_log_prob(points: Any, means: Any, variances: Any) -> Any:
    xp = means.__array_namespace__()
    dim = means.shape[-1]
    squared = (
        xp.sum(points * points, axis=-1)[..., :, None]
        + xp.sum(means * means, axis=-1)[..., None, :]
        - 2.0 * (points @ xp.matrix_transpose(means))
    )
    squared = xp.where(squared > 0, squared, xp.zeros_like(squared))
    return -0.5 * (
        squared / variances[..., None, :] + dim * (LOG_2PI + xp.log(variances)[..., None, :])
    )


def log_prob(points: Any, means: Any, variances: Any, log_weights: Any) -> Any:
    """log q(x) = log Σ_k w_k N(x; m_k, v_k I), shape (..., n)."""
    return logsumexp(component_log_prob(points, means, variances) + log_weights[..., None, :])


def log_prob_and_score(
    points: Any, means: Any, variances: Any, log_weights: Any
) -> tuple[Any, Any, Any]:
    """log q(x), its gradient -Σ_k r_k(x) (x - m_k)/v_k, and the responsibilities r_k(x).

    Shapes (..., n), (..., n, d), (..., n, k).
    """
    xp = means.__array_namespace__()
    points, means = _centered(points, means)
    joint = _component_log_prob(points, means, variances) + log_weights[..., None, :]
    log_q = logsumexp(joint)
    responsibilities = xp.exp(joint - log_q[..., None])
    pull = responsibilities / variances[..., None, :]
    score = pull @ means - xp.sum(pull, axis=-1)[..., None] * points
    return log_q, score, responsibilities
