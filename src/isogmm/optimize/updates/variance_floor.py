"""A lower bound on the variances, relative to the components of the chain."""

from dataclasses import dataclass

from isogmm.errors import OptionError
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    AbstractWrapper,
    MixtureArrays,
    RuleState,
    StepSize,
)


@dataclass(frozen=True)
class VarianceFloor(AbstractWrapper):
    """A rule with v_k ≥ ratio · (geometric mean of the variances of the chain).

    The density can have a spike, for example at a scale parameter near zero, where rounding makes
    the log density of distinct points equal.  A component there shrinks without bound while the
    ELBO increases.  In whitened coordinates the variances of a good fit differ by a few powers of
    ten at most.

    Parameters
    ----------
    rule
        The rule that takes the step.
    ratio
        Smallest ratio of a variance to the geometric mean.

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
        self,
        mixture: MixtureArrays,
        gradients: ComponentGradients,
        state: RuleState,
        step_size: StepSize,
    ) -> tuple[MixtureArrays, RuleState]:
        """One step; see :class:`AbstractUpdateRule`."""
        xp = mixture.means.__array_namespace__()
        moved, state = self.rule.step(mixture, gradients, state, step_size)
        # The mean is that before the step, so that a shrinking component does not lower its bound.
        level = xp.exp(xp.mean(xp.log(mixture.variances), axis=-1, keepdims=True))
        return moved._replace(variances=xp.maximum(moved.variances, self.ratio * level)), state
