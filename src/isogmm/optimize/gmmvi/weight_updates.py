"""Design choice 4 of GMMVI: the step of the weights, given the rewards R_k = E_k[log π − log q]."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.optimize.gmmvi.base import AbstractWeightUpdate
from isogmm.optimize.gmmvi.component_updates import NUM_BISECTIONS

#: Smallest log weight relative to the largest; exp(−300) is far above the smallest positive number.
MIN_LOG_WEIGHT = -300.0


@dataclass(frozen=True)
class DirectWeights(AbstractWeightUpdate):
    """w ∝ w exp(β R), the natural-gradient step; β is the step size, at most 1.

    With β = 1 the step maximizes Σ_k w_k (R_k + log w_old,k) + H(w).
    """

    def update(
        self, log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], step: float
    ) -> Float[np.ndarray, " k"]:
        """See :class:`isogmm.gmmvi.AbstractWeightUpdate`."""
        return moved(log_weights, rewards, min(step, 1.0))


@dataclass(frozen=True)
class TrustRegionWeights(AbstractWeightUpdate):
    """The same step with the largest β up to 1 for which KL(new ‖ old) ≤ the step size."""

    def update(
        self, log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], step: float
    ) -> Float[np.ndarray, " k"]:
        """See :class:`isogmm.gmmvi.AbstractWeightUpdate`."""
        full_step = moved(log_weights, rewards, 1.0)
        if divergence(full_step, log_weights) <= step:
            return full_step
        low, high = 0.0, 1.0
        for _ in range(NUM_BISECTIONS):
            middle = 0.5 * (low + high)
            fits = divergence(moved(log_weights, rewards, middle), log_weights) <= step
            low, high = (middle, high) if fits else (low, middle)
        return moved(log_weights, rewards, low)


def moved(
    log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], share: float
) -> Float[np.ndarray, " k"]:
    """log of w exp(β R), normalized; a reward that is not finite is replaced by the mean."""
    finite = np.isfinite(rewards)
    if not finite.any():
        return log_weights
    rewards = np.where(finite, rewards, rewards[finite].mean())
    raw = log_weights + share * (rewards - rewards.max())
    raw = np.maximum(raw - raw.max(), MIN_LOG_WEIGHT)
    return raw - np.logaddexp.reduce(raw)


def divergence(new: Float[np.ndarray, " k"], old: Float[np.ndarray, " k"]) -> float:
    """KL(new ‖ old) of weights given by their logarithms."""
    return float(np.exp(new) @ (new - old))
