"""Bounds on the change of mean and variance in one step."""

import math
from dataclasses import dataclass

from isogmm.errors import OptionError
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    AbstractWrapper,
    MixtureArrays,
    RuleState,
    StepSize,
    per_component,
)


@dataclass(frozen=True)
class TrustRegion(AbstractWrapper):
    """A rule with bounded steps: |Δm_k| ≤ r √(d v_k) and |Δ log v_k| ≤ b.

    The gradient s_k is bounded before the step, to |γ s_k| ≤ b.  Otherwise the IBW rule would
    increase the variance again where γ s exceeds 1.  The step itself is bounded afterwards.

    Parameters
    ----------
    rule
        The rule that takes the step.  :class:`RelativeStep` wraps this rule, not the reverse.
    mean_radius
        r, in units of the typical distance √(d v_k) of a draw from its mean.
    log_variance_change
        b.

    Raises
    ------
    OptionError
        If a bound is not positive, or the bound of the variances exceeds 1.
    """

    mean_radius: float = 0.5
    log_variance_change: float = 0.25

    def __post_init__(self) -> None:
        if not self.mean_radius > 0:
            raise OptionError(f"mean_radius must be positive, not {self.mean_radius}")
        if not 0 < self.log_variance_change <= 1:
            raise OptionError(
                f"log_variance_change must be in (0, 1], not {self.log_variance_change}"
            )

    def step(
        self,
        mixture: MixtureArrays,
        gradients: ComponentGradients,
        state: RuleState,
        step_size: StepSize,
    ) -> tuple[MixtureArrays, RuleState]:
        """One step; see :class:`AbstractUpdateRule`."""
        xp = mixture.means.__array_namespace__()
        step = per_component(step_size, mixture.variances)
        bound = self.log_variance_change
        largest = bound / (step * mixture.variances if self.rule.is_dimensionless else step)
        cut = xp.maximum(xp.minimum(gradients.variances, largest), -largest)
        proposal, state = self.rule.step(mixture, gradients._replace(variances=cut), state, step)

        move = proposal.means - mixture.means
        length = xp.sqrt(xp.sum(move * move, axis=-1))
        radius = self.mean_radius * xp.sqrt(move.shape[-1] * mixture.variances)
        shrink = radius / xp.maximum(length, radius)
        ratio = proposal.variances / mixture.variances
        ratio = xp.clip(ratio, math.exp(-bound), math.exp(bound))
        return (
            MixtureArrays(
                mixture.means + shrink[..., None] * move,
                mixture.variances * ratio,
                proposal.log_weights,
            ),
            state,
        )
