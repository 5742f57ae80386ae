"""IBW: gradient descent in the Bures-Wasserstein geometry of isotropic Gaussians."""

from dataclasses import dataclass
from typing import Any, ClassVar

from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    LARGEST_FACTOR,
    AbstractUpdateRule,
    MixtureArrays,
    check_step_size,
    per_component,
)


@dataclass(frozen=True)
class BuresWasserstein(AbstractUpdateRule):
    """m ← m − γ g, v ← (1 − γ s)² v.

    Parameters
    ----------
    step_size
        A fixed γ, or None to leave it to the schedule.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613, equation 12.
    """

    step_size: float | None = None
    is_dimensionless: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_step_size(self.step_size)

    def init(self, mixture: MixtureArrays) -> tuple[()]:
        """No state."""
        return ()

    def step(
        self, mixture: MixtureArrays, gradients: ComponentGradients, state: Any, step_size: Any
    ) -> tuple[MixtureArrays, Any]:
        """One step; see :class:`AbstractUpdateRule`."""
        xp = mixture.means.__array_namespace__()
        step = per_component(step_size, mixture.variances)
        root = 1.0 - step * gradients.variances
        factor = xp.clip(root * root, 1.0 / LARGEST_FACTOR, LARGEST_FACTOR)
        means = mixture.means - step[..., None] * gradients.means
        return MixtureArrays(means, factor * mixture.variances, mixture.log_weights), state
