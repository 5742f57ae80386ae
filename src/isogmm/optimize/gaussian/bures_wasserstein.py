"""BW: gradient descent in the Bures-Wasserstein geometry of Gaussians."""

from dataclasses import dataclass
from typing import ClassVar

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.mixtures.gaussian_density import Matrices
from isogmm.optimize.gaussian.arrays import GaussianArrays, GaussianGradients
from isogmm.optimize.updates.base import (
    AbstractUpdateRule,
    RuleState,
    StepSize,
    validate_step_size,
)


@dataclass(frozen=True)
class FullBuresWasserstein(AbstractUpdateRule[GaussianArrays, GaussianGradients]):
    """m ← m − γ g, Σ ← (I − γ G) Σ (I − γ G), with G = E[∇² log(q/π)] by Stein's identity.

    For diagonal covariances only the diagonal of G is used.  ``GaussianGradients`` holds the
    estimate of G.

    Parameters
    ----------
    step_size
        A fixed γ, as published.  None uses the schedule and makes the step size relative: γ times
        the smallest eigenvalue of Σ_k, so that the same γ is suitable for every scale.
    largest_change
        Bound on the eigenvalues of γ G, and on |γ g| in units of the distance √tr Σ_k of a draw
        from its mean; None, as published, for no bound.  An eigenvalue above 1 would reverse the
        sign of a direction of the component.

    Raises
    ------
    OptionError
        If a setting is out of range.

    References
    ----------
    Lambert, Chewi, Bach, Bonnabel, Rigollet (2022). Variational inference via Wasserstein
    gradient flows. arXiv:2205.15902, section 5 for the mixtures.
    """

    step_size: float | None = None
    largest_change: float | None = None
    is_dimensionless: ClassVar[bool] = False
    arrays_type: ClassVar[type[GaussianArrays]] = GaussianArrays

    def __post_init__(self) -> None:
        validate_step_size(self.step_size)
        if self.largest_change is not None and not 0 < self.largest_change < 1:
            raise OptionError(f"largest_change must be in (0, 1), not {self.largest_change}")

    def init(self, mixture: GaussianArrays) -> tuple[()]:
        """No state."""
        return ()

    def step(
        self,
        mixture: GaussianArrays,
        gradients: GaussianGradients,
        state: RuleState,
        step_size: StepSize,
    ) -> tuple[GaussianArrays, RuleState]:
        """One step; see :class:`isogmm.updates.AbstractUpdateRule`."""
        xp = mixture.means.__array_namespace__()
        step = xp.asarray(step_size, dtype=mixture.means.dtype)
        step = step * xp.ones(mixture.means.shape[:-1], dtype=mixture.means.dtype)
        if self.step_size is None:
            step = step * mixture.variances
        move = step[..., None] * gradients.means
        diagonal = mixture.is_diagonal
        change = (
            step[..., None] * gradients.hessians
            if diagonal
            else (step[..., None, None] * gradients.hessians)
        )
        if self.largest_change is not None:
            change = _bounded(change, self.largest_change, diagonal)
            move = _bounded_move(move, mixture, self.largest_change)
        if diagonal:
            covariances = (1.0 - change) ** 2 * mixture.covariances
        else:
            factor = xp.eye(mixture.means.shape[-1], dtype=mixture.means.dtype) - change
            covariances = factor @ mixture.covariances @ factor
            covariances = 0.5 * (covariances + xp.matrix_transpose(covariances))
        return GaussianArrays(mixture.means - move, covariances, mixture.log_weights), state


def _bounded_move(move: Array, mixture: GaussianArrays, bound: float) -> Array:
    """Steps of the means, shortened to at most bound · √tr Σ_k."""
    xp = move.__array_namespace__()
    variances = mixture.covariances
    variances = variances if mixture.is_diagonal else xp.linalg.diagonal(variances)
    radius = bound * xp.sqrt(xp.sum(variances, axis=-1))
    length = xp.sqrt(xp.sum(move * move, axis=-1))
    return move * (radius / xp.maximum(length, radius))[..., None]


def _bounded(change: Matrices, bound: float, diagonal: bool) -> Matrices:
    """γ G with eigenvalues clipped to [−bound, bound]; entries that are not finite become 0."""
    xp = change.__array_namespace__()
    change = xp.where(xp.isfinite(change), change, xp.zeros_like(change))
    if diagonal:
        return xp.clip(change, -bound, bound)
    values, vectors = xp.linalg.eigh(change)
    values = xp.clip(values, -bound, bound)
    return (vectors * values[..., None, :]) @ xp.matrix_transpose(vectors)
