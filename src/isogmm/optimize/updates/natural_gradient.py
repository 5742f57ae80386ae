"""NGD: natural gradient descent, with a guard on the precision."""

from dataclasses import dataclass
from typing import Any, ClassVar

from isogmm.errors import OptionError
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    LARGEST_FACTOR,
    AbstractUpdateRule,
    MixtureArrays,
    check_step_size,
    per_component,
)


@dataclass(frozen=True)
class NaturalGradient(AbstractUpdateRule):
    """1/v⁺ ← 1/v + γ s, m ← m − γ v⁺ g.

    The precision 1/v + γ s can turn negative: it is then held at ``smallest_ratio`` of the old
    one, and the state counts how often that happened to each component.

    Parameters
    ----------
    step_size
        A fixed γ, or None to leave it to the schedule.
    smallest_ratio
        The new precision is at least this share of the old one.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613, equation 14.
    """

    step_size: float | None = None
    smallest_ratio: float = 1e-3
    is_dimensionless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_step_size(self.step_size)
        if not 0 < self.smallest_ratio < 1:
            raise OptionError(f"smallest_ratio must be in (0, 1), not {self.smallest_ratio}")

    def init(self, mixture: MixtureArrays) -> Any:
        """Number of guarded steps of each component, shape (..., k)."""
        xp = mixture.means.__array_namespace__()
        return xp.zeros_like(mixture.variances)

    def step(
        self, mixture: MixtureArrays, gradients: ComponentGradients, state: Any, step_size: Any
    ) -> tuple[MixtureArrays, Any]:
        """One step; see :class:`AbstractUpdateRule`."""
        xp = mixture.means.__array_namespace__()
        step = per_component(step_size, mixture.variances)
        ratio = 1.0 + step * mixture.variances * gradients.variances
        guards = state + xp.astype(ratio < self.smallest_ratio, state.dtype)
        variances = mixture.variances / xp.clip(ratio, self.smallest_ratio, LARGEST_FACTOR)
        means = mixture.means - (step * variances)[..., None] * gradients.means
        return MixtureArrays(means, variances, mixture.log_weights), guards
