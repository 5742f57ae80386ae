"""Design choice 4 of GMMVI: how the weights follow the rewards R_k = E_k[log π − log q]."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.optimize.gmmvi.base import AbstractWeightUpdate
from isogmm.optimize.gmmvi.component_updates import HALVINGS

#: No log weight falls below this: exp of it is far from the smallest number there is.
SMALLEST = -300.0


@dataclass(frozen=True)
class DirectWeights(AbstractWeightUpdate):
    """w ∝ w exp(β R), the natural-gradient step; β is the step size.

    With β = 1 this maximizes Σ_k w_k (R_k + log w_old,k) + H(w).
    """

    def update(
        self, log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], step: float
    ) -> Float[np.ndarray, " k"]:
        """See :class:`isogmm.gmmvi.AbstractWeightUpdate`."""
        return moved(log_weights, rewards, min(step, 1.0))


@dataclass(frozen=True)
class TrustRegionWeights(AbstractWeightUpdate):
    """The same step with the largest β, at most 1, for which KL(new ‖ old) ≤ the step size."""

    def update(
        self, log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], step: float
    ) -> Float[np.ndarray, " k"]:
        """See :class:`isogmm.gmmvi.AbstractWeightUpdate`."""
        whole = moved(log_weights, rewards, 1.0)
        if divergence(whole, log_weights) <= step:
            return whole
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            fits = divergence(moved(log_weights, rewards, middle), log_weights) <= step
            low, high = (middle, high) if fits else (low, middle)
        return moved(log_weights, rewards, low)


def moved(
    log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], share: float
) -> Float[np.ndarray, " k"]:
    """log of w exp(β R), normalized; rewards that are not finite count as the mean."""
    finite = np.isfinite(rewards)
    if not finite.any():
        return log_weights
    rewards = np.where(finite, rewards, rewards[finite].mean())
    raw = log_weights + share * (rewards - rewards.max())
    raw = np.maximum(raw - raw.max(), SMALLEST)
    return raw - np.logaddexp.reduce(raw)


def divergence(new: Float[np.ndarray, " k"], old: Float[np.ndarray, " k"]) -> float:
    """KL of weights given by their logarithms."""
    return float(np.exp(new) @ (new - old))
