"""GMMVI as an algorithm of the loop."""

from dataclasses import dataclass

import numpy as np

from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.model.target import Target
from isogmm.optimize.algorithm import AbstractAlgorithm
from isogmm.optimize.gmmvi.method import Gmmvi
from isogmm.optimize.gmmvi.runner import GmmviRunner
from isogmm.optimize.iteration import WeightsRule
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping


@dataclass(frozen=True)
class GmmviAlgorithm(AbstractAlgorithm):
    """GMMVI, which learns the weights itself.

    Parameters
    ----------
    method
        The seven parts of GMMVI.
    schedule
        Multiplies the step sizes that the method adapts.
    stopping
        Window lengths, budgets, and the decision after each window.
    """

    method: Gmmvi
    schedule: AbstractSchedule
    stopping: AbstractStopping

    def runner(
        self,
        target: Target,
        mixture: GaussianMixture,
        generator: np.random.Generator,
        weights: WeightsRule | None = None,
    ) -> GmmviRunner:
        """See :class:`AbstractAlgorithm`."""
        return GmmviRunner(target, mixture, self.method, generator)
