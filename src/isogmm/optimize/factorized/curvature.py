"""The largest curvature of the target along joint moves of the means of a factorized mixture."""

import math

import numpy as np
from jaxtyping import Float

#: Number of probes at the start of a fit, one per iteration.  A power iteration needs about this
#: many to find its direction.  Each of them replaces the average of the earlier ones.
NUM_INITIAL_PROBES = 5

#: Largest step size until the initial probes are done.
MAX_INITIAL_STEP_SIZE = 1e-6

#: Number of iterations between two probes after the initial ones.
PROBE_INTERVAL = 4

#: Weight of the newest probe in the running average of the products, after the initial ones.
NEWEST_PROBE_WEIGHT = 0.3

#: Root mean square shift of a coordinate in a probe, in sds of that coordinate.
PROBE_SHIFT_SD = 0.01


class CollectiveCurvature:
    """λ, the largest eigenvalue of S E_q[-∇² log π] S with S = diag(s), s_j² = (1/K) Σ_k v_kj.

    A step m ← m - γ v g is stable for each coordinate alone if γ is at most about 1.  It can be
    unstable for all coordinates together, for example for 100,000 weights that change the same
    output of a neural network.  Along the eigenvector of λ the effective step is γ λ, which must
    stay below 2.  The variances do not show this, because the curvature along each coordinate is
    small.  The bound holds for the steps of the variances too, because the error of their
    gradients comes from the same directions.

    A power iteration estimates λ.  Each probe costs one gradient.  The direction is u = z / |z|
    and λ = |z|, where z is the running average of -S (∇log π(x + h S u) - ∇log π(x)) / h over
    draws x of q.

    Parameters
    ----------
    generator
        Random number generator of the first direction.
    dim
        Dimension d.
    """

    def __init__(self, generator: np.random.Generator, dim: int) -> None:
        direction = generator.standard_normal(dim)
        self.direction: Float[np.ndarray, " d"] = direction / np.linalg.norm(direction)
        self.product: Float[np.ndarray, " d"] = np.zeros(dim)
        self.num_probes = 0

    def is_due(self, iteration: int) -> bool:
        """Whether this iteration needs a probe."""
        return self.num_probes < NUM_INITIAL_PROBES or iteration % PROBE_INTERVAL == 0

    def probe(
        self, position: Float[np.ndarray, " d"], scales: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, " d"]:
        """The shifted point x + h S u of a draw x of q, where the next gradient is needed."""
        return position + self._shift * scales * self.direction

    def learn(
        self,
        gradient: Float[np.ndarray, " d"],
        shifted_gradient: Float[np.ndarray, " d"],
        scales: Float[np.ndarray, " d"],
    ) -> None:
        """Update the estimate with the gradients of log π at a draw and at its shifted point."""
        product = -scales * (shifted_gradient - gradient) / self._shift
        # The average leaves out the first products, whose directions are still inaccurate.
        weight = 1.0 if self.num_probes < NUM_INITIAL_PROBES else NEWEST_PROBE_WEIGHT
        average = (1.0 - weight) * self.product + weight * product
        norm = np.linalg.norm(average)
        if np.isfinite(norm) and norm > 0:
            self.product, self.direction = average, average / norm
        self.num_probes += 1

    def largest_step(self) -> float:
        """1 / λ, half of the limit of stability, or a tiny step until λ is estimated."""
        if self.num_probes < NUM_INITIAL_PROBES:
            return MAX_INITIAL_STEP_SIZE
        curvature = float(np.linalg.norm(self.product))
        return 1.0 / curvature if curvature > 0 else math.inf

    @property
    def _shift(self) -> float:
        """h, the length of the shift in units of S; u has norm 1."""
        return PROBE_SHIFT_SD * math.sqrt(len(self.direction))
