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
        Smallest number of optimization paths.  Every second starting point is dispersed up to 15
        times wider.
    num_evaluations
        Further paths are followed until this number of gradients has been evaluated.
    num_candidate_paths
        If the candidates of all paths are compared, the number of paths with candidates of batch
        and match at their start and in their first quarter.  Each of the other first
        ``num_starts`` paths has one candidate near its beginning.
    max_starts, max_evaluations
        If there are several modes, rounds of further paths follow until some of them find no new
        mode: two below five dimensions, three or four from there on, up to six if a known mode is
        hard to reach.
        They also end when the number of paths or that of the gradients reaches its limit.
    num_iterations
        Iterations of batch and match; more are made while the ELBO improves.
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
