"""Gradients of KL(q‖π) for factorized mixtures from K points that serve every component."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.mixtures.factorized import log_prob_and_score


class Points(NamedTuple):
    """Samples in groups of K; in a group every coordinate visits each of its components once.

    Parameters
    ----------
    components
        (s, k, d): which component coordinate j of point i of group s came from.
    offsets
        (s, k, d): x - m of that component.
    positions
        (s, k, d): the points.
    """

    components: Int[np.ndarray, "s k d"]
    offsets: Float[np.ndarray, "s k d"]
    positions: Float[np.ndarray, "s k d"]


class FactorizedGradients(NamedTuple):
    """Gradients of KL(q‖π) times K, and the ELBO of the points.

    Parameters
    ----------
    means
        g_kj = E[δ_j(x)], δ = ∇log q - ∇log π, with x_j ~ N(m_kj, v_kj) and the other coordinates
        from q; shape (k, d); ∂KL/∂m_kj = g_kj / K.
    variances
        s_kj = E[(x_j - m_kj) δ_j(x)] / v_kj; ∂KL/∂v_kj = s_kj / (2 K).
    elbo
        Mean of log π - log q over the points with a finite log density.
    num_finite
        How many those are.
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

    Coordinate j of point i comes from component (i + u_j) mod K, u_j uniform and independent
    over the coordinates.  So a point is an exact draw of q, and of the K points each component
    of each coordinate has exactly one, the other coordinates of which are draws of q again: K
    gradients of the target serve all K d components.  An even number of groups comes in
    antithetic pairs, (ε, -ε) with the same components.
    """
    k, d = means.shape
    pairs = num_groups % 2 == 0
    drawn = num_groups // 2 if pairs else num_groups
    noise = generator.standard_normal((drawn, k, d), dtype=means.dtype)
    shifts = generator.integers(k, size=(drawn, 1, d), dtype=np.int32)
    components = (np.arange(k, dtype=np.int32)[None, :, None] + shifts) % k
    if pairs:
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
    """Combine groups of points into the gradients of every component of every coordinate.

    Parameters
    ----------
    points
        As drawn by :func:`propose`.
    log_density, gradient
        log π and ∇log π there.  Points whose log density is not finite are left out.
    means, variances
        The mixture.
    """
    k = means.shape[0]
    finite: Bool[np.ndarray, "s k"] = np.isfinite(log_density)
    total_g, total_s = np.zeros_like(means), np.zeros_like(means)
    counts = np.zeros(means.shape, dtype=np.int32)
    elbos = []
    for group, chosen in enumerate(points.components):
        log_q, difference = log_prob_and_score(points.positions[group], means, variances)
        difference -= gradient[group].astype(means.dtype, copy=False)
        difference[~finite[group]] = 0.0
        # Back from points to components: component c of coordinate j is point (c - u_j) mod K.
        place = (np.arange(k, dtype=np.int32)[:, None] - chosen[0]) % k
        total_g += np.take_along_axis(difference, place, axis=0)
        difference *= points.offsets[group]
        total_s += np.take_along_axis(difference, place, axis=0)
        counts += finite[group][place]
        elbos.append((log_density[group] - log_q)[finite[group]])
    samples = np.concatenate(elbos)
    share = np.maximum(counts, 1).astype(means.dtype)
    return FactorizedGradients(
        means=total_g / share,
        variances=total_s / share / variances,
        elbo=float(samples.mean()) if len(samples) else float("nan"),
        num_finite=len(samples),
    )
