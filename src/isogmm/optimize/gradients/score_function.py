"""Gradients from values of the log density alone: the score function estimator."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from jaxtyping import Float

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.mixtures.chunks import chunks_of, concatenate
from isogmm.mixtures.isotropic_density import log_prob
from isogmm.optimize.gradients.base import ComponentGradients, normalized_weights
from isogmm.optimize.gradients.monte_carlo import MonteCarlo

#: ``(features (..., k, s, p), values (..., k, s), weights (..., k, s)) -> (..., k, p)``: estimates
#: of E[h f] for p features h with expectation zero; see :meth:`ScoreFunction.average`.
ScoreAverage: TypeAlias = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class ScoreFunction(MonteCarlo):
    """The score function estimator (REINFORCE), which needs no gradient of the log density.

    With f = log q − log π and x ~ q_k, the gradient of KL(q‖π) with respect to a parameter θ of
    component k is w_k E[h f], where h = ∂log q_k(x)/∂θ is the score.  Each component uses its own
    samples (Rao-Blackwellization over the components).  Every parameter has its own control
    variate: the estimate is the average of h (f − a), with a ≈ E[h² f] / E[h²], the scale with the
    smallest variance.  The scale of a sample is estimated from the other samples of the component
    (without its antithetic partner), so that the estimate has no bias.  If f is constant, as where
    q equals π, the estimate is exactly 0.

    Its variance is larger than that of :class:`MonteCarlo`, and increases with the dimension.

    Parameters
    ----------
    num_samples
        Samples for each component and iteration.
    antithetic
        Whether samples come in pairs (ε, −ε).  Even terms of f then cancel in the gradients of the
        means.
    control_variates
        Whether a is subtracted.  Without it the variance grows with the unknown constant of log π.

    Raises
    ------
    OptionError
        If there is no sample, an odd number in pairs, or with control variates a single pair or
        sample.

    References
    ----------
    Ranganath, Gerrish, Blei (2014). Black box variational inference. AISTATS. arXiv:1401.0118.
    """

    num_samples: int = 16
    antithetic: bool = True
    control_variates: bool = True

    uses_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = 2 * self._group_size
        if self.control_variates and self.num_samples < smallest:
            raise OptionError(
                f"num_samples={self.num_samples} is too small for control variates: give at least "
                f"{smallest}, or control_variates=False"
            )

    @property
    def _group_size(self) -> int:
        """Number of samples that depend on each other."""
        return 2 if self.antithetic else 1

    def average(
        self,
        features: Float[Array, "*c k s p"],
        values: Float[Array, "*c k s"],
        weights: Float[Array, "*c k s"],
    ) -> Float[Array, "*c k p"]:
        """Estimates of E[h f].

        Parameters
        ----------
        features
            h at the samples, with expectation zero.
        values
            f at the samples; any finite number where the weight is 0.
        weights
            Weights of the samples of each component, with sum 1, or 0 without a finite sample.
        """
        values = values[..., None]
        if self.control_variates:
            values = values - self._scales(features, values, weights)
        xp = features.__array_namespace__()
        return xp.sum(features * values * weights[..., None], axis=-2)

    def _scales(self, features: Array, values: Array, weights: Array) -> Array:
        """a = Σ h² f / Σ h² over the other samples; f itself where no other sample is finite."""
        xp = features.__array_namespace__()
        squares = features * features * weights[..., None]
        others = [_sum_of_others(part, self._group_size) for part in (squares * values, squares)]
        is_known = others[1] > 0
        scales = others[0] / xp.where(is_known, others[1], xp.ones_like(others[1]))
        return xp.where(is_known, scales, values)


def _sum_of_others(parts: Float[Array, "*c k s p"], group_size: int) -> Float[Array, "*c k s p"]:
    """For each sample the sum over the samples of the other groups.

    Sample i belongs to the group i modulo s / group_size, as :class:`MonteCarlo` orders pairs.
    """
    xp = parts.__array_namespace__()
    *lead, count, size = parts.shape
    grouped = xp.reshape(parts, (*lead, group_size, count // group_size, size))
    own = xp.sum(grouped, axis=-3, keepdims=True)
    others = xp.sum(own, axis=-2, keepdims=True) - own
    return xp.reshape(xp.broadcast_to(others, grouped.shape), parts.shape)


def score_function_gradients(
    offsets: Float[Array, "*c k s d"],
    log_density: Float[Array, "*c k s"],
    means: Float[Array, "*c k d"],
    variances: Float[Array, "*c k"],
    log_weights: Float[Array, "*c k"],
    sample_weights: Float[Array, " s"],
    average: ScoreAverage,
) -> ComponentGradients:
    """The gradients of :class:`ComponentGradients` from values of the log density alone.

    With ε = (x − m_k) / √v_k: g_k = E[ε f] / √v_k, and s_k = E[(‖ε‖² − d) f] / (d v_k).

    Parameters
    ----------
    offsets, log_density, means, variances, log_weights, sample_weights
        As in :func:`component_gradients`.
    average
        Estimates the expectations; see :meth:`ScoreFunction.average`.
    """
    xp = means.__array_namespace__()
    *batch, k, s, d = offsets.shape
    points = xp.reshape(means[..., None, :] + offsets, (*batch, k * s, d))
    parts = [
        log_prob(chunk, means, variances, log_weights)
        for chunk in chunks_of(points, math.prod(variances.shape))
    ]
    log_q = xp.reshape(concatenate(parts, axis=-1), log_density.shape)
    weights, values, num_finite = differences(log_q, log_density, sample_weights)
    noise = offsets / xp.sqrt(variances)[..., None, None]
    squares = xp.sum(noise * noise, axis=-1, keepdims=True) - d
    return ComponentGradients(
        means=average(noise, values, weights) / xp.sqrt(variances)[..., None],
        variances=average(squares, values, weights)[..., 0] / (d * variances),
        local_kl=xp.sum(weights * values, axis=-1),
        num_finite=num_finite,
    )


def differences(
    log_q: Float[Array, "*c k s"], log_density: Float[Array, "*c k s"], sample_weights: Array
) -> tuple[Array, Array, Array]:
    """Weights of the samples, f = log q − log π (0 where not finite), and the finite counts."""
    xp = log_q.__array_namespace__()
    finite = xp.isfinite(log_density)
    values = xp.where(finite, log_q - log_density, xp.zeros_like(log_q))
    return normalized_weights(finite, sample_weights), values, xp.sum(finite, axis=-1)
