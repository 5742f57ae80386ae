"""The result of the search."""

import enum
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from isogmm.locate.paths.candidates import Candidate
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.mixtures.affine_map import AffineMap
from isogmm.results.stop_reason import StopReason

#: -log(0.05): after m failures, the 95 % interval of a probability ends at about this over m.
RULE_OF_THREE = 3.0


class SearchEnd(enum.Enum):
    """Why the search for modes ended; the value is what the result stores."""

    ONE_MODE = "all paths led to one mode"
    NO_NEW_MODE = "further paths led to no new mode"
    MAX_STARTS = "the limit max_starts of Locate was reached"
    MAX_EVALUATIONS = "the limit max_evaluations of Locate was reached"
    TOO_MANY_MODES = "there are too many modes to find all of them"
    NO_MAXIMUM = "no path reached a local maximum, as in a funnel"
    INTERRUPTED = "the search was interrupted"


#: Ends of a search that may have found a part of the modes only.
INCOMPLETE = (SearchEnd.MAX_STARTS, SearchEnd.MAX_EVALUATIONS, SearchEnd.TOO_MANY_MODES)


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
        Where the best Gaussian comes from, a value of
        :class:`isogmm.locate.paths.candidates.Place`.
    num_diverged
        Number of candidates that diverged.
    num_starts
        Number of starting points by their source.
    num_starts_without_path
        Number of starting points without a finite log density, or whose path ends where rounding
        errors dominate the log density.
    num_screened
        Number of points around modes that were evaluated once.
    num_since_new
        Number of paths after the last new mode.
    mode_counts
        (m,): number of starting points whose paths ended in each mode.
    unseen
        Good-Turing estimate of the probability that one more path ends in a new mode.
    end
        Why the search for modes ended.
    maxima
        Local maxima whose estimated mass is not negligible.
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
    num_diverged: int
    num_starts: dict[str, int]
    num_starts_without_path: int
    num_screened: int
    num_since_new: int
    mode_counts: Int[np.ndarray, " m"]
    unseen: float
    end: SearchEnd
    maxima: list[LocalMaximum] = field(default_factory=list)
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
            num_diverged=0,
            num_starts={"model": 1},
            num_starts_without_path=0,
            num_screened=0,
            num_since_new=0,
            mode_counts=np.ones(1, dtype=int),
            unseen=0.0,
            end=SearchEnd.INTERRUPTED,
            stop_reason=reason,
        )

    @property
    def unseen_bound(self) -> float:
        """Upper end of a 95 % interval of the chance that one more path ends in a new mode.

        After m paths without a new mode it is 3 / m (Hanley and Lippman-Hand 1983).
        """
        return min(1.0, RULE_OF_THREE / max(self.num_since_new, 1))

    @property
    def masses(self) -> Float[np.ndarray, " m"]:
        """(m,): estimated share of each mode in the posterior mass."""
        masses = np.exp(self.log_masses - self.log_masses.max())
        return masses / masses.sum()
