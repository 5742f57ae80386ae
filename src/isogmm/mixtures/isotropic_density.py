"""Densities and scores of mixtures of isotropic Gaussians, as pure functions of arrays.

Every function accepts leading batch axes (one mixture for each chain).  The functions use the
array API standard, so that they work on NumPy and on JAX arrays.  No function allocates an array
of shape (n, k, d).
"""

from jaxtyping import Float

from isogmm.arrays import LOG_2PI, Array, logsumexp, logsumexp_and_shares


def component_log_prob(
    points: Float[Array, "... n d"], means: Float[Array, "*c k d"], variances: Float[Array, "*c k"]
) -> Float[Array, "... n k"]:
    """log N(x; m_k, v_k I) for all points and components, shape (..., n, k).

    The squared distances are |x|² + |m|² - 2 x·m.  The origin is first moved to the average of
    the means.  This limits the cancellation if the means are close together and far from zero.
    """
    return _component_log_prob(*_centered(points, means), variances)


def _centered(points: Array, means: Array) -> tuple[Array, Array]:
    """Points and means relative to the average of the means."""
    origin = means.__array_namespace__().mean(means, axis=-2, keepdims=True)
    return points - origin, means - origin


def _component_log_prob(points: Array, means: Array, variances: Array) -> Array:
    """:func:`component_log_prob` of points and means that are centered already."""
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


def log_prob(
    points: Float[Array, "... n d"],
    means: Float[Array, "*c k d"],
    variances: Float[Array, "*c k"],
    log_weights: Float[Array, "*c k"],
) -> Float[Array, "... n"]:
    """log q(x) = log Σ_k w_k N(x; m_k, v_k I), shape (..., n)."""
    return logsumexp(component_log_prob(points, means, variances) + log_weights[..., None, :])


def log_prob_and_score(
    points: Float[Array, "... n d"],
    means: Float[Array, "*c k d"],
    variances: Float[Array, "*c k"],
    log_weights: Float[Array, "*c k"],
) -> tuple[Float[Array, "... n"], Float[Array, "... n d"], Float[Array, "... n k"]]:
    """log q(x), its gradient -Σ_k r_k(x) (x - m_k)/v_k, and the responsibilities r_k(x).

    Shapes (..., n), (..., n, d), (..., n, k).
    """
    xp = means.__array_namespace__()
    points, means = _centered(points, means)
    joint = _component_log_prob(points, means, variances) + log_weights[..., None, :]
    log_q, responsibilities = logsumexp_and_shares(joint)
    pull = responsibilities / variances[..., None, :]
    score = pull @ means - xp.sum(pull, axis=-1)[..., None] * points
    return log_q, score, responsibilities
