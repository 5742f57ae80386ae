"""A floor under the variances, relative to the other components of the chain."""

from dataclasses import dataclass
from typing import Any

from isogmm.errors import OptionError
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import AbstractWrapper, MixtureArrays


@dataclass(frozen=True)
class VarianceFloor(AbstractWrapper):
    """Any rule, with v_k ≥ ratio · (geometric mean of the variances of the chain).

    A component that slides into a spike of the density (a scale parameter near zero, where
    rounding makes the log density of distinct points equal) shrinks without bound while the ELBO
    rises.  In whitened coordinates the components of a sound fit have variances within a few
    powers of ten of each other.

    Parameters
    ----------
    rule
        The rule that takes the step.
    ratio
        Smallest variance relative to the geometric mean.

    Raises
    ------
    OptionError
        If the ratio is not in (0, 1).
    """

    ratio: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise OptionError(f"ratio must be in (0, 1), not {self.ratio}")

    def step(
        self, mixture: MixtureArrays, gradients: ComponentGradients, state: Any, step_size: Any
    ) -> tuple[MixtureArrays, Any]:
        """One step; see :class:`AbstractUpdateRule`."""
        xp = mixture.means.__array_namespace__()
        moved, state = self.rule.step(mixture, gradients, state, step_size)
        # The components before the step: one that collapses does not lower its own floor at once.
        level = xp.exp(xp.mean(xp.log(mixture.variances), axis=-1, keepdims=True))
        return moved._replace(variances=xp.maximum(moved.variances, self.ratio * level)), state
