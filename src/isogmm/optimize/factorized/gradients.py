"""Gradients of KL(q‖π) for factorized mixtures; all components share the same K points."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.mixtures.factorized import log_prob_and_score


class Points(NamedTuple):
    """Samples in groups of K points; each component of a coordinate has one point of a group.

    Parameters
    ----------
    components
        The component of coordinate j of point i of group s, (s, k, d).
    offsets
        Differences x - m from the mean of this component, (s, k, d).
    positions
        The points x, (s, k, d).
    """

    components: Int[np.ndarray, "s k d"]
    offsets: Float[np.ndarray, "s k d"]
    positions: Float[np.ndarray, "s k d"]


class FactorizedGradients(NamedTuple):
    """Gradients of KL(q‖π) times K, and the ELBO of the points.

    Parameters
    ----------
    means
        g_kj = E[δ_j(x)] with δ = ∇log q - ∇log π, (k, d).  The expectation is over
        x_j ~ N(m_kj, v_kj) and the other coordinates from q.  ∂KL/∂m_kj = g_kj / K.
    variances
        s_kj = E[(x_j - m_kj) δ_j(x)] / v_kj, (k, d).  ∂KL/∂v_kj = s_kj / (2 K).
    elbo
        Mean of log π - log q over the points with a finite log density, or NaN without any.
    num_finite
        Number of points with a finite log density.
    """

    means: Float[np.ndarray, "k d"]
    variances: Float[np.ndarray, "k d"]
    elbo: float
    num_finite: int


def propose(
    generator: np.random.Generator,
    means: Float[np.ndarray, "k d"],
    variances: Float[np.ndarray, "k d"],
    num_groups: int,
) -> Points:
    """Draw groups of K points, each point distributed as q.

    Coordinate j of point i comes from component (i + u_j) mod K, where the u_j are uniform and
    independent.  Each point is therefore an exact draw of q.  Each component of coordinate j has
    exactly one of the K points, and the other coordinates of that point are draws of q.  Hence K
    gradients of the target are enough for all K d components.  An even number of groups consists
    of antithetic pairs, (ε, -ε) with the same components.
    """
    k, d = means.shape
    is_antithetic = num_groups % 2 == 0
    num_drawn = num_groups // 2 if is_antithetic else num_groups
    noise = generator.standard_normal((num_drawn, k, d), dtype=means.dtype)
    shifts = generator.integers(k, size=(num_drawn, 1, d), dtype=np.int32)
    components = (np.arange(k, dtype=np.int32)[None, :, None] + shifts) % k
    if is_antithetic:
        noise = np.concatenate([noise, -noise])
        components = np.concatenate([components, components])
    deviations = np.sqrt(variances)
    offsets = np.stack(
        [
            np.take_along_axis(deviations, chosen, axis=0) * epsilon
            for chosen, epsilon in zip(components, noise, strict=True)
        ]
    )
    centers = np.stack([np.take_along_axis(means, chosen, axis=0) for chosen in components])
    return Points(components, offsets, centers + offsets)


def factorized_gradients(
    points: Points,
    log_density: Float[np.ndarray, "s k"],
    gradient: Float[np.ndarray, "s k d"],
    means: Float[np.ndarray, "k d"],
    variances: Float[np.ndarray, "k d"],
) -> FactorizedGradients:
    """The gradients of every component of every coordinate from groups of points.

    Parameters
    ----------
    points
        Points from :func:`propose`.
    log_density, gradient
        log π and ∇log π at the points.  Points whose log density is not finite are left out.
    means, variances
        Means and variances of the mixture.
    """
    k = means.shape[0]
    finite: Bool[np.ndarray, "s k"] = np.isfinite(log_density)
    mean_sums, variance_sums = np.zeros_like(means), np.zeros_like(means)
    counts = np.zeros(means.shape, dtype=np.int32)
    elbo_terms = []
    for group, chosen in enumerate(points.components):
        log_q, difference = log_prob_and_score(points.positions[group], means, variances)
        difference -= gradient[group].astype(means.dtype, copy=False)
        difference[~finite[group]] = 0.0
        # The inverse of the assignment: component c of coordinate j has point (c - u_j) mod K.
        point = (np.arange(k, dtype=np.int32)[:, None] - chosen[0]) % k
        mean_sums += np.take_along_axis(difference, point, axis=0)
        difference *= points.offsets[group]
        variance_sums += np.take_along_axis(difference, point, axis=0)
        counts += finite[group][point]
        elbo_terms.append((log_density[group] - log_q)[finite[group]])
    samples = np.concatenate(elbo_terms)
    divisors = np.maximum(counts, 1).astype(means.dtype)
    return FactorizedGradients(
        means=mean_sums / divisors,
        variances=variance_sums / divisors / variances,
        elbo=float(samples.mean()) if len(samples) else float("nan"),
        num_finite=len(samples),
    )
