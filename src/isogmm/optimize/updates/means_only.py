"""Gradient descent on the means; the variances stay constant."""

from dataclasses import dataclass
from typing import ClassVar

from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    IsotropicRule,
    MixtureArrays,
    RuleState,
    StepSize,
    per_component,
    validate_step_size,
)


@dataclass(frozen=True)
class MeansOnly(IsotropicRule):
    """m ← m − γ g.

    Parameters
    ----------
    step_size
        A fixed γ, or None to use the schedule.

    References
    ----------
    Huix, Korba, Durmus, Moulines (2024). Theoretical guarantees for variational inference with
    fixed-variance mixture of Gaussians. arXiv:2406.04012.
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
        step = per_component(step_size, mixture.variances)
        means = mixture.means - step[..., None] * gradients.means
        return MixtureArrays(means, mixture.variances, mixture.log_weights), state
