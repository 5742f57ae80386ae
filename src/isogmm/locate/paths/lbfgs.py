"""Optimization paths: the iterates of L-BFGS-B from a starting point to a local maximum."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from isogmm.errors import DeadlineReachedError
from isogmm.locate.gaussian.factors import factor_of, inverse_hessian, inverse_hessian_scales
from isogmm.locate.paths.lockstep import Evaluate, in_lockstep
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.programs.size import BATCH_ROWS
from isogmm.model.target import Target

#: Largest number of evaluations of one path, up to ``MAX_DENSE_DIM`` dimensions and beyond.  Paths
#: that have not converged by then mostly approach scale zero of a hierarchy: the limit where a
#: scale parameter of a hierarchical model is zero and the density is unbounded.
MAX_EVALUATIONS, MAX_EVALUATIONS_LARGE = 200, 400
#: Pairs of steps and gradient changes that L-BFGS-B keeps, and its relative tolerance of the
#: log density and absolute tolerance of the gradient.
NUM_CORRECTIONS, LOG_DENSITY_TOLERANCE, GRADIENT_TOLERANCE = 20, 1e-12, 1e-6
#: Iterates that a path keeps beyond ``MAX_DENSE_DIM`` dimensions, at most: 2 x 60 d numbers.  Every
#: second one is dropped where there would be more.
MAX_KEPT_LARGE = 60
#: Objective where the log density is not finite, so that line searches step back: this constant,
#: plus a multiple of the objective at the starting point.
NONFINITE_OBJECTIVE, NONFINITE_OBJECTIVE_FACTOR = 1e6, 1e3

#: Whether an iterate with this log density lies close to a known maximum.
IsKnown = Callable[[np.ndarray, float], bool]


@dataclass(frozen=True)
class Path:
    """The iterates of one maximization of the log density.

    Parameters
    ----------
    positions, log_density, gradients
        (t, d), (t,), (t, d): the starting point, then every accepted iterate; a thinned selection
        beyond ``MAX_DENSE_DIM`` dimensions.
    converged
        Whether the optimizer met its tolerance or reached a known maximum before the limit of
        evaluations.
    """

    positions: Float[np.ndarray, "t d"]
    log_density: Float[np.ndarray, " t"]
    gradients: Float[np.ndarray, "t d"]
    converged: bool

    @property
    def end(self) -> Float[np.ndarray, " d"]:
        """The last iterate."""
        return self.positions[-1]

    def inverse_hessian(self, index: int) -> Float[np.ndarray, "d d"]:
        """BFGS estimate of (-∇² log π)⁻¹ at one iterate, from the iterates up to it."""
        return inverse_hessian(self.positions[: index + 1], self.gradients[: index + 1])

    def factor(self, index: int) -> Float[np.ndarray, "d d"]:
        """Lower triangular factor of that estimate."""
        return factor_of(self.inverse_hessian(index))

    def scales(self, index: int) -> Float[np.ndarray, " d"]:
        """Square roots of the diagonal of that estimate, without a (d, d) matrix."""
        return inverse_hessian_scales(self.positions[: index + 1], self.gradients[: index + 1])

    def end_factor(self) -> Float[np.ndarray, "d d"]:
        """Lower triangular factor of the BFGS estimate at the last iterate."""
        return self.factor(len(self.positions) - 1)


def evaluation_limit(dim: int) -> int:
    """Largest number of evaluations of one path in ``dim`` dimensions."""
    return MAX_EVALUATIONS_LARGE if dim > MAX_DENSE_DIM else MAX_EVALUATIONS


def follow_paths(
    target: Target,
    starts: Float[np.ndarray, "n d"],
    max_evaluations: int | None = None,
    is_known: IsKnown | None = None,
    affine_map: AffineMap | Sequence[AffineMap] | None = None,
) -> list[Path | None]:
    """Maximize the log density from every starting point.

    The quasi-Newton paths are those of Pathfinder (Zhang et al. 2022, arXiv 2108.03782).  They
    pass through the typical set on their way from the tail to the mode.  Several paths advance
    together, so that their evaluations form batches.  They are followed one by one if a batch
    costs more than its points.

    Parameters
    ----------
    target
        The target.
    starts
        Starting points.
    max_evaluations
        Largest number of evaluations of each path; by default that of the dimension.
    is_known
        Ends a path at the first iterate for which it returns True.
    affine_map
        The coordinates in which the optimizer works, for all paths or for each of them; by default
        those of the target.

    Returns
    -------
    list of Path or None
        One path for each starting point; None where its log density is not finite.
    """
    max_evaluations = max_evaluations or evaluation_limit(target.dim)
    maps: Sequence[AffineMap | None]
    if affine_map is None or isinstance(affine_map, AffineMap):
        maps = [affine_map] * len(starts)
    else:
        maps = affine_map
    tasks = [
        functools.partial(_follow_path, start, max_evaluations, is_known, own)
        for start, own in zip(starts, maps, strict=True)
    ]
    size, few = target.batch_size, max(target.few(), 1)
    if target.evaluate_rows is not None:
        # Workers evaluate single rows of all paths at the same time.
        size, few = BATCH_ROWS, 1
    if min(len(starts), size) <= few:
        return [task(target.evaluate) for task in tasks]
    return [
        path
        for begin in range(0, len(tasks), size)
        for path in in_lockstep(tasks[begin : begin + size], target.evaluate)
    ]


class _Objective:
    """The objective -log π of the optimizer, which records the iterates of the path.

    Attributes
    ----------
    start_point
        The starting point in the coordinates of the optimizer.
    accepted
        The starting point and the iterates that the optimizer accepted.
    values
        Log density and gradient of every evaluated position, by the bytes of the position.
    is_finite_at_start
        Whether the log density of the starting point is finite.
    reached_known
        Whether the last iterate lies close to a known maximum.
    """

    def __init__(
        self,
        start: Float[np.ndarray, " d"],
        is_known: IsKnown | None,
        affine_map: AffineMap | None,
        evaluate: Evaluate,
    ) -> None:
        self.evaluate, self.is_known, self.reached_known = evaluate, is_known, False
        self.affine_map = affine_map
        self.num_accepted, self.stride = 0, 1
        self.values: dict[bytes, tuple[float, np.ndarray]] = {}
        start = np.array(start, dtype=np.float64)
        self.start_point = start if affine_map is None else affine_map.inverse(start)
        self.accepted = [self._position(self.start_point)]
        log_density, gradient = evaluate(self.accepted[0])
        self.is_finite_at_start = bool(np.isfinite(log_density))
        self.values[self.accepted[0].tobytes()] = (float(log_density), gradient)
        self.nonfinite_objective = NONFINITE_OBJECTIVE + NONFINITE_OBJECTIVE_FACTOR * abs(
            float(log_density)
        )

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """-log π and its gradient; a large constant where log π is not finite."""
        position = self._position(point)
        # The optimizer begins with the starting point, which is already evaluated.
        known = self.values.get(position.tobytes())
        log_density, gradient = self.evaluate(position) if known is None else known
        if not np.isfinite(log_density):
            return self.nonfinite_objective, np.zeros_like(point)
        self.values[position.tobytes()] = (float(log_density), gradient)
        if self.affine_map is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # of a gradient near the overflow
                gradient = self.affine_map.pull_back(gradient)
        return -float(log_density), -gradient

    def accept(self, point: np.ndarray) -> None:
        """Record an iterate; end the optimization if it lies close to a known maximum.

        Beyond ``MAX_DENSE_DIM`` dimensions the iterates are thinned: the start, every n-th iterate
        and the last one are kept.
        """
        position = self._position(point)
        if len(position) > MAX_DENSE_DIM:
            self._thin(position)
        self.accepted.append(position.copy())
        if self.is_known is not None and position.tobytes() in self.values:
            self.reached_known = self.is_known(position, self.values[position.tobytes()][0])
            if self.reached_known:
                raise StopIteration  # ends SciPy's minimize

    def _thin(self, position: np.ndarray) -> None:
        """Make room for another iterate; values of rejected and dropped positions are freed."""
        if self.num_accepted % self.stride and len(self.accepted) > 1:
            self.accepted.pop()
        self.num_accepted += 1
        if len(self.accepted) >= MAX_KEPT_LARGE:
            self.accepted, self.stride = self.accepted[::2], 2 * self.stride
        kept = {position.tobytes(), *(known.tobytes() for known in self.accepted)}
        self.values = {key: value for key, value in self.values.items() if key in kept}

    def _position(self, point: np.ndarray) -> Float[np.ndarray, " d"]:
        """A point of the optimizer in the coordinates of the target."""
        return point if self.affine_map is None else self.affine_map.forward(point)

    def path(self, *, met_tolerance: bool) -> Path:
        """The path of the accepted iterates."""
        kept = [position for position in self.accepted if position.tobytes() in self.values]
        values = [self.values[position.tobytes()] for position in kept]
        return Path(
            positions=np.stack(kept),
            log_density=np.array([log_density for log_density, _ in values]),
            gradients=np.stack([gradient for _, gradient in values]),
            converged=self.reached_known or met_tolerance,
        )


def _follow_path(
    start: Float[np.ndarray, " d"],
    max_evaluations: int,
    is_known: IsKnown | None,
    affine_map: AffineMap | None,
    evaluate: Evaluate,
) -> Path | None:
    """One path, from a function that gives log density and gradient at one position."""
    objective = _Objective(start, is_known, affine_map, evaluate)
    if not objective.is_finite_at_start:
        return None
    try:
        solution = minimize(
            objective,
            objective.start_point,
            jac=True,
            method="L-BFGS-B",
            callback=objective.accept,
            options={
                "maxcor": NUM_CORRECTIONS,
                "maxfun": max_evaluations,
                "maxiter": max_evaluations,
                "ftol": LOG_DENSITY_TOLERANCE,
                "gtol": GRADIENT_TOLERANCE,
            },
        )
    except DeadlineReachedError:  # the next evaluation raises it again
        return objective.path(met_tolerance=False)
    return objective.path(met_tolerance=solution.status == 0)
