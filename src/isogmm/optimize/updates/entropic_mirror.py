"""MD: mirror descent on the variances with the entropic mirror map."""

import math
from dataclasses import dataclass
from typing import ClassVar

from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    MAX_VARIANCE_FACTOR,
    IsotropicRule,
    MixtureArrays,
    RuleState,
    StepSize,
    per_component,
    validate_step_size,
)


@dataclass(frozen=True)
class EntropicMirror(IsotropicRule):
    """m ← m − γ g, v ← v exp(−γ s).

    Parameters
    ----------
    step_size
        A fixed γ, or None to use the schedule.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613, equation 13.
    """

    step_size: float | None = None
    is_dimensionless: ClassVar[bool] = False

    def __post_init__(self) -> None:
        validate_step_size(self.step_size)

    def init(self, mixture: MixtureArrays) -> tuple[()]:
        """No state."""
        return ()

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
        largest = math.log(MAX_VARIANCE_FACTOR)
        exponent = xp.clip(-step * gradients.variances, -largest, largest)
        means = mixture.means - step[..., None] * gradients.means
        return MixtureArrays(
            means, mixture.variances * xp.exp(exponent), mixture.log_weights
        ), state
