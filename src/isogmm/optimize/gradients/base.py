"""The gradients of KL(q‖π) of every component, and the contract of what estimates them."""

import abc
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.mixtures.isotropic_density import log_prob_and_score

#: Numbers of a matrix of points by components that are held at a time.
LARGEST_PIECE = 2**20


class ComponentGradients(NamedTuple):
    """Gradients of KL(q‖π) divided by the weight of the component.

    With x ~ N(m_k, v_k I) and δ(x) = ∇log q(x) − ∇log π(x), the score of the *whole mixture*:

    Parameters
    ----------
    means
        g_k = E[δ(x)], shape (..., k, d); ∂KL/∂m_k = w_k g_k.
    variances
        s_k = E[(x − m_k)·δ(x)] / (d v_k), shape (..., k); ∂KL/∂v_k = w_k d s_k / 2.
    local_kl
        a_k = E[log q(x) − log π(x)], shape (..., k); KL = Σ_k w_k a_k up to log ∫π.
    num_finite
        How many samples of the component had a finite log density, shape (..., k).  Where it is
        0 the other three are 0.
    """

    means: Float[Any, "*c k d"]
    variances: Float[Any, "*c k"]
    local_kl: Float[Any, "*c k"]
    num_finite: Any


def _log_q_and_score(points: Any, means: Any, variances: Any, log_weights: Any) -> tuple[Any, Any]:
    """log q and its score in pieces, so that points by components is never a large array."""
    xp = means.__array_namespace__()
    n = points.shape[-2]
    rows = max(1, LARGEST_PIECE // math.prod(variances.shape))
    if n <= rows:
        return log_prob_and_score(points, means, variances, log_weights)[:2]
    pieces = [
        log_prob_and_score(points[..., begin : begin + rows, :], means, variances, log_weights)[:2]
        for begin in range(0, n, rows)
    ]
    return (
        xp.concat([log_q for log_q, _ in pieces], axis=-1),
        xp.concat([score for _, score in pieces], axis=-2),
    )


def component_gradients(
    offsets: Float[Any, "*c k s d"],
    log_density: Float[Any, "*c k s"],
    gradient: Float[Any, "*c k s d"],
    means: Float[Any, "*c k d"],
    variances: Float[Any, "*c k"],
    log_weights: Float[Any, "*c k"],
    sample_weights: Float[Any, " s"],
) -> ComponentGradients:
    """Combine samples of every component into its gradients.

    Parameters
    ----------
    offsets
        x − m_k of the samples.
    log_density, gradient
        log π and ∇log π at x = m_k + offset, in the coordinates of the mixture.  Samples whose
        log density is not finite are left out of the averages.
    means, variances, log_weights
        The mixture.
    sample_weights
        Weights of the s samples in the expectation; they are normalized over the finite ones.
    """
    xp = means.__array_namespace__()
    *batch, k, s, d = offsets.shape
    points = xp.reshape(means[..., None, :] + offsets, (*batch, k * s, d))
    log_q, score = _log_q_and_score(points, means, variances, log_weights)
    finite = xp.isfinite(log_density)
    weights = xp.astype(finite, sample_weights.dtype) * sample_weights
    total = xp.sum(weights, axis=-1, keepdims=True)
    weights = weights / xp.where(total == 0, xp.ones_like(total), total)
    # A weight of zero does not silence an infinity: replace it before multiplying.
    log_density = xp.where(finite, log_density, xp.zeros_like(log_density))
    difference = xp.reshape(score, offsets.shape) - gradient
    return ComponentGradients(
        means=xp.sum(weights[..., None] * difference, axis=-2),
        variances=xp.sum(weights * xp.sum(offsets * difference, axis=-1), axis=-1)
        / (d * variances),
        local_kl=xp.sum(weights * (xp.reshape(log_q, log_density.shape) - log_density), axis=-1),
        num_finite=xp.sum(finite, axis=-1),
    )


def evidence_lower_bound(gradients: Any, log_weights: Float[Any, "*c k"]) -> Float[Any, "*c"]:
    """ELBO = −Σ_k w_k a_k, over the components that had a finite sample.

    ``gradients`` is a :class:`ComponentGradients` or that of another family: what counts here
    are ``local_kl`` and ``num_finite``.
    """
    xp = log_weights.__array_namespace__()
    weights = xp.exp(log_weights) * xp.astype(gradients.num_finite > 0, log_weights.dtype)
    total = xp.sum(weights, axis=-1)
    # Nothing finite at all: 0 / 0 says so.
    return -xp.sum(weights * gradients.local_kl, axis=-1) / total


class AbstractEstimator(abc.ABC):
    """How the expectations under a component are estimated: which noise, which weights.

    The samples are x = m_k + √v_k ε; the estimator gives ε and its weights, the loop evaluates
    the target there, and :func:`component_gradients` combines them.
    """

    @abc.abstractmethod
    def noise(
        self, generator: np.random.Generator, chains: int, num_components: int, dim: int
    ) -> Float[np.ndarray, "c k s d"]:
        """Standard normal samples ε (or the nodes that stand for them), fresh on every call."""

    @abc.abstractmethod
    def sample_weights(self, dim: int) -> Float[np.ndarray, " s"]:
        """Weights of the s samples in the expectation; positive, sum 1, the same on every call."""
