"""BW: gradient descent in the Bures-Wasserstein geometry of Gaussians."""

from dataclasses import dataclass
from typing import Any, ClassVar

from isogmm.errors import OptionError
from isogmm.optimize.gaussian.arrays import GaussianArrays
from isogmm.optimize.updates.base import AbstractUpdateRule, check_step_size


@dataclass(frozen=True)
class FullBuresWasserstein(AbstractUpdateRule):
    """m ← m − γ g, Σ ← (I − γ G) Σ (I − γ G), with G = E[∇² log(q/π)] by Stein's identity.

    For diagonal covariances G is its diagonal.  ``GaussianGradients`` has the estimate of G.

    Parameters
    ----------
    step_size
        A fixed γ, as published; None leaves it to the schedule and makes it relative: γ times
        the smallest eigenvalue of Σ_k, so that one number serves every scale.
    largest_change
        Bound on the eigenvalues of γ G, and on |γ g| in units of the distance √tr Σ_k of a draw
        from its mean; None, as published, for no bound.  Beyond 1 an eigenvalue would turn the
        component inside out.

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
    arrays_type: ClassVar[type] = GaussianArrays

    def __post_init__(self) -> None:
        check_step_size(self.step_size)
        if self.largest_change is not None and not 0 < self.largest_change < 1:
            raise OptionError(f"largest_change must be in (0, 1), not {self.largest_change}")

    def init(self, mixture: Any) -> tuple[()]:
        """No state."""
        return ()

    def step(
        self, mixture: Any, gradients: Any, state: Any, step_size: Any
    ) -> tuple[GaussianArrays, Any]:
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
            bound = self.largest_change
            change = _bounded(change, bound, diagonal)
            spread = mixture.covariances
            spread = spread if diagonal else xp.linalg.diagonal(spread)
            radius = bound * xp.sqrt(xp.sum(spread, axis=-1))
            length = xp.sqrt(xp.sum(move * move, axis=-1))
            move = move * (radius / xp.maximum(length, radius))[..., None]
        if diagonal:
            covariances = (1.0 - change) ** 2 * mixture.covariances
        else:
            turn = xp.eye(mixture.means.shape[-1], dtype=mixture.means.dtype) - change
            covariances = turn @ mixture.covariances @ turn
            covariances = 0.5 * (covariances + xp.matrix_transpose(covariances))
        return GaussianArrays(mixture.means - move, covariances, mixture.log_weights), state


def _bounded(change: Any, bound: float, diagonal: bool) -> Any:
    """Eigenvalues cut to [−bound, bound]; numbers that are not finite count as no change."""
    xp = change.__array_namespace__()
    change = xp.where(xp.isfinite(change), change, xp.zeros_like(change))
    if diagonal:
        return xp.clip(change, -bound, bound)
    values, vectors = xp.linalg.eigh(change)
    values = xp.clip(values, -bound, bound)
    return (vectors * values[..., None, :]) @ xp.matrix_transpose(vectors)
