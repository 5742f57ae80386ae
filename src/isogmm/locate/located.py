"""The result of the search."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.locate.candidates import Candidate
from isogmm.mixtures.affine_map import AffineMap
from isogmm.results.stop_reason import StopReason


@dataclass
class Located:
    """One Gaussian for each mode, with the log of its estimated mass.

    Parameters
    ----------
    means, factors
        (m, d) and (m, d, d), best first.  Factors are standard deviations (m, d) beyond
        ``MAX_DENSE_DIM`` dimensions.
    log_masses
        (m,): ELBO of each Gaussian, a lower bound of the log evidence of its mode.
    elbo, elbo_se
        ELBO of the best Gaussian, and its standard error.
    origin
        Where the best Gaussian comes from, a value of :class:`isogmm.locate.candidates.Place`.
    num_starts
        Number of starting points.
    num_diverged
        Number of candidates that diverged.
    num_starts_without_path
        Number of starting points without a finite log density, or whose path ends where rounding
        errors dominate the log density.
    unseen
        Good-Turing estimate of the probability that one more path ends in a new mode.
    low_rank
        Low-rank map of the best Gaussian, beyond ``MAX_DENSE_DIM`` dimensions and if its ELBO is
        higher than that of the diagonal form.
    stop_reason
        What interrupted the search (Ctrl-C or the time limit), or None.
    """

    means: Float[np.ndarray, "m d"]
    factors: Float[np.ndarray, "m d d"] | Float[np.ndarray, "m d"]
    log_masses: Float[np.ndarray, " m"]
    elbo: float
    elbo_se: float
    origin: str
    num_starts: int
    num_diverged: int
    num_starts_without_path: int
    unseen: float
    low_rank: AffineMap | None = None
    stop_reason: StopReason | None = None

    @classmethod
    def interrupted(cls, candidate: Candidate, reason: StopReason) -> "Located":
        """The result of an interrupted search: one Gaussian, whose ELBO is not known."""
        return cls(
            means=candidate.mean[None],
            factors=candidate.factor[None],
            log_masses=np.zeros(1),
            elbo=float("nan"),
            elbo_se=float("nan"),
            origin=candidate.place.value,
            num_starts=1,
            num_diverged=0,
            num_starts_without_path=0,
            unseen=0.0,
            stop_reason=reason,
        )

    @property
    def masses(self) -> Float[np.ndarray, " m"]:
        """(m,): estimated share of each mode in the posterior mass."""
        masses = np.exp(self.log_masses - self.log_masses.max())
        return masses / masses.sum()
