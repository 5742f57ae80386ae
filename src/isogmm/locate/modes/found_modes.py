"""The result of the search for modes."""

from dataclasses import dataclass

from isogmm.locate.located import SearchEnd
from isogmm.locate.paths.maxima import LocalMaximum


@dataclass(frozen=True)
class FoundModes:
    """The result of the search for modes.

    Parameters
    ----------
    maxima
        Local maxima whose estimated mass is not negligible.
    num_starts
        Number of starting points by their source.
    num_screened
        Number of points that were evaluated once.
    num_without_path
        Number of starting points without a path.
    num_since_new
        Number of paths after the last new mode.
    unseen
        Good-Turing estimate of the probability that one more path ends in a new mode.  If a limit
        ended the search, at least the share of the paths that ended in no known maximum.
    end
        Why the search ended.
    """

    maxima: list[LocalMaximum]
    num_starts: dict[str, int]
    num_screened: int
    num_without_path: int
    num_since_new: int
    unseen: float
    end: SearchEnd
