"""Step sizes relative to the variance of each component, which makes them dimensionless."""

from dataclasses import dataclass
from typing import ClassVar

from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    AbstractWrapper,
    MixtureArrays,
    RuleState,
    StepSize,
    per_component,
)


@dataclass(frozen=True)
class RelativeStep(AbstractWrapper):
    """A rule with γ replaced by γ v_k.

    IBW becomes m ← m − γ v g, v ← (1 − γ v s)² v, and MD v ← v exp(−γ v s).  NGD is relative
    already and stays as it is.  In whitened coordinates γ of 0.2 to 0.3 is suitable for every
    model.

    Parameters
    ----------
    rule
        The rule that takes the step.
    """

    is_dimensionless: ClassVar[bool] = True

    def step(
        self,
        mixture: MixtureArrays,
        gradients: ComponentGradients,
        state: RuleState,
        step_size: StepSize,
    ) -> tuple[MixtureArrays, RuleState]:
        """One step; see :class:`AbstractUpdateRule`."""
        if not self.rule.is_dimensionless:
            step_size = per_component(step_size, mixture.variances) * mixture.variances
        return self.rule.step(mixture, gradients, state, step_size)
