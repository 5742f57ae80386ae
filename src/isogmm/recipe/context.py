"""What all stages of a fit share: the target, the noise, the costs and the observers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isogmm.model.fit_target import FitTarget
from isogmm.optimize.check import Check
from isogmm.optimize.loop import Observer
from isogmm.recipe.stage_costs import StageCosts

#: Stores a mixture, the centers (m, d) of its modes or None, and the number of iterations.
Save = Callable[[Any, np.ndarray | None, int], Any]


@dataclass
class FitContext:
    """What all stages of a fit share.

    Parameters
    ----------
    target
        The target, with the counter and the time limit of this fit.
    generator
        Source of all noise, unless the chains are fitted one after another.
    costs
        Costs by stage.
    callback
        Called with a :class:`isogmm.optimize.check.Check` after every window.
    save
        Stores the mixture after every window, and once more where later windows are dropped.
    seed
        The seed of the fit, for chains that are fitted one after another.
    """

    target: FitTarget
    generator: np.random.Generator
    costs: StageCosts
    callback: Observer | None = None
    save: Save | None = None
    seed: int = 0
    _generators: list[np.random.Generator] = field(default_factory=list, init=False)

    def generators(self, chains: int) -> list[np.random.Generator]:
        """One generator for each chain, seeded by (seed, chain); the same at every call."""
        for chain in range(len(self._generators), chains):
            self._generators.append(np.random.default_rng([self.seed, chain]))
        return self._generators[:chains]

    def observers(
        self,
        centers: np.ndarray | None,
        whole: Callable[[Any], Any] = lambda mixture: mixture,
    ) -> list[Observer]:
        """What sees the checks of the loop: the checkpoint, then the callback.

        Parameters
        ----------
        centers
            (m, d): a point of every known mode, or None.
        whole
            From the mixture of a check to the mixture of all chains, which is stored.
        """
        found: list[Observer] = [] if self.callback is None else [self.callback]
        if self.save is None:
            return found
        save = self.save

        def store(check: Check) -> None:
            save(whole(check.mixture), centers, check.iteration)

        return [store, *found]
