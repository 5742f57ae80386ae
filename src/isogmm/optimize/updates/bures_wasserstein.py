"""IBW: gradient descent in the Bures-Wasserstein geometry of isotropic Gaussians."""

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
class BuresWasserstein(IsotropicRule):
    """m ← m − γ g, v ← (1 − γ s)² v.

    Parameters
    ----------
    step_size
        A fixed γ, or None to use the schedule.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613, equation 12.
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
        root = 1.0 - step * gradients.variances
        factor = xp.clip(root * root, 1.0 / MAX_VARIANCE_FACTOR, MAX_VARIANCE_FACTOR)
        means = mixture.means - step[..., None] * gradients.means
        return MixtureArrays(means, factor * mixture.variances, mixture.log_weights), state
