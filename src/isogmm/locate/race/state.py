"""What an interrupted search delivers."""

from dataclasses import dataclass

from isogmm.locate.paths.lbfgs import Path
from isogmm.locate.race.race import Outcome, Race


@dataclass
class SearchState:
    """The best result of a search so far, from which an interrupted search is completed.

    Parameters
    ----------
    path
        The first optimization path.
    race
        The race that was started last.
    best
        The best outcome of a completed race.
    """

    path: Path | None = None
    race: Race | None = None
    best: Outcome | None = None

    def enter(self, race: Race) -> Race:
        """Record a race that is about to run, and return it."""
        self.race = race
        return race

    def leader(self) -> Outcome | None:
        """The best outcome, or the leader of the race; None before the first race."""
        if self.best is not None:
            return self.best
        return None if self.race is None else self.race.leader()
