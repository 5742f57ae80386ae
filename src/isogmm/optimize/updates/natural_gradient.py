"""NGD: natural gradient descent, with a lower bound on the new precision."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from isogmm.arrays import Array
from isogmm.errors import OptionError
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
class NaturalGradient(IsotropicRule):
    """1/v⁺ ← 1/v + γ s, m ← m − γ v⁺ g.

    The new precision 1/v + γ s can be negative.  It is therefore bounded below by
    ``smallest_ratio`` times the old one.  The state counts for each component how often the bound
    was active.

    Parameters
    ----------
    step_size
        A fixed γ, or None to use the schedule.
    smallest_ratio
        Smallest ratio of the new precision to the old one.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613, equation 14.
    """

    step_size: float | None = None
    smallest_ratio: float = 1e-3
    is_dimensionless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        validate_step_size(self.step_size)
        if not 0 < self.smallest_ratio < 1:
            raise OptionError(f"smallest_ratio must be in (0, 1), not {self.smallest_ratio}")

    def init(self, mixture: MixtureArrays) -> Float[Array, "*c k"]:
        """Number of bounded steps of each component, shape (..., k)."""
        xp = mixture.means.__array_namespace__()
        return xp.zeros_like(mixture.variances)

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
        ratio = 1.0 + step * mixture.variances * gradients.variances
        assert not isinstance(state, tuple)
        num_bounded = state + xp.astype(ratio < self.smallest_ratio, state.dtype)
        variances = mixture.variances / xp.clip(ratio, self.smallest_ratio, MAX_VARIANCE_FACTOR)
        means = mixture.means - (step * variances)[..., None] * gradients.means
        return MixtureArrays(means, variances, mixture.log_weights), num_bounded
