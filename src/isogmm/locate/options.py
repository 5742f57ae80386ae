"""Options of the search, and of the coordinates that it chooses."""

import enum
from dataclasses import dataclass

from isogmm.validation import check_counts


@dataclass(frozen=True)
class Locate:
    """Options of the search for the modes.

    Parameters
    ----------
    num_starts
        Smallest number of starting points; one optimization path begins at each.  Raise it if you
        expect more modes than were found.
    num_evaluations
        Further paths are added until this number of gradients has been evaluated.
    num_candidate_paths
        Number of paths along which several points are tried as centers of the first Gaussian.  On
        each other path one point is tried.
    max_starts, max_evaluations
        Limits of the number of paths and of gradients.  If the first paths lead to several modes,
        rounds of further paths follow.  They end at a limit, or after two to six rounds without a
        new mode.  The number of these rounds is larger in five or more dimensions, and if a known
        mode is hard to reach.
    num_iterations
        Iterations of batch and match, which fits a Gaussian at a point; more are made while the
        ELBO improves.
    """

    num_starts: int = 16
    num_evaluations: int = 700
    num_candidate_paths: int = 4
    max_starts: int = 4096
    max_evaluations: int = 600_000
    num_iterations: int = 40

    def __post_init__(self) -> None:
        check_counts(self, least={"num_evaluations": 0, "max_starts": 0, "max_evaluations": 0})


class Whitening(enum.Enum):
    """The forms of affine map that the option ``whitening`` names."""

    AUTO = "auto"
    NONE = "none"
    DIAGONAL = "diagonal"
    DENSE = "dense"
    LOW_RANK = "low_rank"
