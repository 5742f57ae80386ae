"""Optimization paths: SciPy's L-BFGS-B from a start, and the curvature it saw on the way."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from isogmm.locate.lockstep import Ask, in_lockstep
from isogmm.model.target import Target

#: Beyond this dimension only the diagonal of an inverse Hessian is kept.
DENSE_LIMIT = 500
#: Evaluations of a path up to that dimension and beyond.  Paths that are not at a maximum by then
#: mostly run into the spike of a hierarchy at scale zero.
MAX_EVALUATIONS, MAX_EVALUATIONS_LARGE = 200, 400
#: Stands in for the objective where the density is not finite, so that line searches step back.
_WALL = 1e6
#: Whether an iterate, given its log density, is at a place that is known already.
IsKnown = Callable[[np.ndarray, float], bool]


@dataclass(frozen=True)
class Path:
    """The iterates of one maximization of the log density.

    Parameters
    ----------
    positions, log_density, gradients
        (t, d), (t,), (t, d): the start, then every accepted iterate.
    converged
        Whether the optimizer met its tolerance, or came to a known place, before its budget ran
        out.
    """

    positions: Float[np.ndarray, "t d"]
    log_density: Float[np.ndarray, " t"]
    gradients: Float[np.ndarray, "t d"]
    converged: bool

    @property
    def end(self) -> Float[np.ndarray, " d"]:
        """The last iterate."""
        return self.positions[-1]

    def guess(self) -> Float[np.ndarray, "d d"]:
        """A triangular factor of the path's own inverse Hessian at its end."""
        return factor_of(inverse_hessian(self, len(self.positions) - 1))


def budget(dim: int) -> int:
    """Evaluations of a path in so many dimensions."""
    return MAX_EVALUATIONS_LARGE if dim > DENSE_LIMIT else MAX_EVALUATIONS


def follow_paths(
    target: Target,
    starts: Float[np.ndarray, "n d"],
    max_evaluations: int | None = None,
    is_known: IsKnown | None = None,
) -> list[Path | None]:
    """Maximize the log density from every start; None where a start is hopeless.

    The quasi-Newton paths are Pathfinder's (Zhang et al. 2022, arXiv 2108.03782): they pass
    through the typical set on their way from the tail to the mode.  They go side by side, and
    one after the other where a batch costs more than its points.  A path ends where
    ``is_known(iterate, log density)`` says that others have been there.
    """
    max_evaluations = max_evaluations or budget(target.dim)
    walks = [functools.partial(_walk, start, max_evaluations, is_known) for start in starts]
    if min(len(starts), target.batch_size) <= max(target.few(), 1):
        return [walk(target.evaluate) for walk in walks]
    return [
        path
        for begin in range(0, len(walks), target.batch_size)
        for path in in_lockstep(walks[begin : begin + target.batch_size], target.evaluate)
    ]


class _Seen:
    """What a path has evaluated and accepted; where the density is not finite stands a wall."""

    def __init__(self, start: Float[np.ndarray, " d"], is_known: IsKnown | None, evaluate: Ask):
        self.evaluate, self.is_known, self.has_arrived = evaluate, is_known, False
        self.values: dict[bytes, tuple[float, np.ndarray]] = {}
        self.accepted = [np.array(start, dtype=np.float64)]
        first, gradient = evaluate(start)
        self.is_hopeless = not np.isfinite(first)
        self.first = self.accepted[0].tobytes()
        self.values[self.first] = (float(first), gradient)
        self.wall = _WALL + 1e3 * abs(float(first))

    def objective(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """What the optimizer minimizes, and its gradient."""
        value, gradient = self.evaluate(position)
        if not np.isfinite(value):
            return self.wall, np.zeros_like(position)
        self.values[position.tobytes()] = (float(value), gradient)
        return -float(value), -gradient

    def accept(self, position: np.ndarray) -> None:
        """Keep an iterate; where no curvature is estimated from the path its ends are enough."""
        if len(position) > DENSE_LIMIT and len(self.accepted) > 1:
            self.accepted.pop()
            ends = (self.first, position.tobytes())
            self.values = {key: value for key, value in self.values.items() if key in ends}
        self.accepted.append(position.copy())
        if self.is_known is not None and position.tobytes() in self.values:
            self.has_arrived = self.is_known(position, self.values[position.tobytes()][0])
            if self.has_arrived:
                raise StopIteration  # SciPy's sign to stop


def _walk(
    start: Float[np.ndarray, " d"],
    max_evaluations: int,
    is_known: IsKnown | None,
    evaluate: Ask,
) -> Path | None:
    """One path, from a function that gives value and gradient at one position."""
    seen = _Seen(start, is_known, evaluate)
    if seen.is_hopeless:
        return None
    solution = minimize(
        seen.objective,
        seen.accepted[0],
        jac=True,
        method="L-BFGS-B",
        callback=seen.accept,
        options={
            "maxcor": 20,
            "maxfun": max_evaluations,
            "maxiter": max_evaluations,
            "ftol": 1e-12,
            "gtol": 1e-6,
        },
    )
    kept = [position for position in seen.accepted if position.tobytes() in seen.values]
    values = [seen.values[position.tobytes()] for position in kept]
    return Path(
        positions=np.stack(kept),
        log_density=np.array([value for value, _ in values]),
        gradients=np.stack([gradient for _, gradient in values]),
        converged=seen.has_arrived or solution.status == 0,
    )


def inverse_hessian(path: Path, index: int) -> Float[np.ndarray, "d d"]:
    """The BFGS estimate of (-∇² log π)⁻¹ at one iterate, from all the pairs before it.

    H ← (I - ρ s zᵀ) H (I - ρ z sᵀ) + ρ s sᵀ with s a step, z the change of -gradient and
    ρ = 1/(s·z), from a diagonal start; pairs without positive curvature are left out.
    Symmetric positive definite, (d, d).
    """
    dim = path.positions.shape[-1]
    steps = np.diff(path.positions[: index + 1], axis=0)
    changes = -np.diff(path.gradients[: index + 1], axis=0)
    estimate = None
    for step, change in zip(steps, changes, strict=True):
        curvature, length = step @ change, change @ change
        if not length > 0 or curvature <= 1e-10 * max(1e-12 * length, step @ step):
            continue
        if estimate is None:
            estimate = np.eye(dim) * curvature / (change @ change)
        product = estimate @ change
        estimate = (
            estimate
            + np.outer(step, step) * (1.0 + change @ product / curvature) / curvature
            - (np.outer(product, step) + np.outer(step, product)) / curvature
        )
    return np.eye(dim) if estimate is None else 0.5 * (estimate + estimate.T)


def factor_of(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Lower triangular L with L Lᵀ the covariance, its eigenvalues made positive first.

    The identity where the covariance is not finite: a kink can blow up a curvature estimate.
    """
    if not np.all(np.isfinite(covariance)):
        return np.eye(len(covariance))
    variances = np.diag(covariance)
    scale = np.sqrt(np.maximum(variances, max(1e-30 * variances.max(), 1e-300)))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    values = np.maximum(values, 1e-10 * values.max())
    _, upper = np.linalg.qr((vectors * np.sqrt(values)).T)
    factor = (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T
    return factor * scale[:, None]
