"""The largest curvature that the means of a factorized mixture meet when they move together."""

import math

import numpy as np
from jaxtyping import Float

#: Probes before steps are taken in full: a power iteration has found its direction then.
FIRST_PROBES = 5
#: Bound on the steps until then.
FIRST_STEP = 1e-6
#: Iterations between two probes after that.
INTERVAL = 4
#: Share of the newest probe in the average.
SHARE = 0.3
#: Length of a probe, in sds of every coordinate.
LENGTH = 0.01


class CollectiveCurvature:
    """λ, the largest eigenvalue of S E_q[-∇² log π] S with S = diag(s), s_j² = (1/K) Σ_k v_kj.

    A step m ← m - γ v g treats the coordinates one by one, and one by one each is stable up to
    γ of about 1.  A hundred thousand of them that all push the same output of a network are not:
    along the directions they share the step is γ λ, which must stay below 2.  Nothing in the
    variances shows this, since each coordinate alone is hardly curved.  The variances take the
    same step: the noise of their gradients comes from the same directions.

    λ comes from a power iteration that costs one more gradient where it is due: u ← z / |z|, z
    the running average of -S (∇log π(x + h S u) - ∇log π(x)) / h over draws x of q, λ = |z|.

    Parameters
    ----------
    generator
        Source of the first direction.
    dim
        Dimension d.
    """

    def __init__(self, generator: np.random.Generator, dim: int) -> None:
        direction = generator.standard_normal(dim)
        self.direction: Float[np.ndarray, " d"] = direction / np.linalg.norm(direction)
        self.product: Float[np.ndarray, " d"] = np.zeros(dim)
        self.num_probes = 0

    def is_due(self, iteration: int) -> bool:
        """Whether this iteration is to probe."""
        return self.num_probes < FIRST_PROBES or iteration % INTERVAL == 0

    def probe(
        self, position: Float[np.ndarray, " d"], scales: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, " d"]:
        """The point beside a draw of q at which the next gradient is wanted."""
        return position + self._length * scales * self.direction

    def learn(
        self,
        gradient: Float[np.ndarray, " d"],
        gradient_beside: Float[np.ndarray, " d"],
        scales: Float[np.ndarray, " d"],
    ) -> None:
        """Take in the gradients of log π at a draw and beside it."""
        product = -scales * (gradient_beside - gradient) / self._length
        # The first products are far from the direction they lead to: nothing of them is kept.
        share = 1.0 if self.num_probes < FIRST_PROBES else SHARE
        blended = (1.0 - share) * self.product + share * product
        length = np.linalg.norm(blended)
        if np.isfinite(length) and length > 0:
            self.product, self.direction = blended, blended / length
        self.num_probes += 1

    def largest_step(self) -> float:
        """1 / λ, half of where steps become unstable; all but none before the probes are in."""
        if self.num_probes < FIRST_PROBES:
            return FIRST_STEP
        curvature = float(np.linalg.norm(self.product))
        return 1.0 / curvature if curvature > 0 else math.inf

    @property
    def _length(self) -> float:
        return LENGTH * math.sqrt(len(self.direction))
