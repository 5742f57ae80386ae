"""What the engine knows of a model: a compiled log density on R^d, and the user's words for it."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.arrays import size_of, split
from isogmm.errors import ModelError

Groups = dict[str, dict[str, np.ndarray]]

#: Chunks of a batch that are asked for before the first of them is awaited.
AHEAD = 3


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Numbers that a model holds fixed and that may be estimated beside its posterior.

    Parameters
    ----------
    values
        Their current values by name, on their own support.
    unconstrained
        The same on the real line.
    to_support
        From the real line to the support, for JAX to trace: ``{name: array} -> {name: array}``.
    log_density
        ``(position (d,), values) -> scalar``, for JAX to trace inside ``target.precision()``:
        the log joint density with these values, on their support, in place of the current ones.
    bind
        ``values -> fields``: what ``dataclasses.replace(target, **fields)`` takes to give the
        target with these values; it shares the compiled programs.
    """

    values: Mapping[str, np.ndarray]
    unconstrained: Mapping[str, np.ndarray]
    to_support: Callable[[Mapping[str, Any]], dict[str, Any]]
    log_density: Callable[[Any, Mapping[str, Any]], Any]
    bind: Callable[[Mapping[str, np.ndarray]], dict[str, Any]]


def _unchanged(result: Any) -> Any:
    return result


@dataclass(kw_only=True, eq=False)
class Target:
    """A log density on R^d with its gradient, and how to speak of it on the user's scale.

    The model is compiled behind two functions, one for a single point and one for a batch of
    fixed size; everything else in the library is ordinary code that calls :meth:`evaluate`.
    Adapters make targets; :func:`isogmm.model.jax_target.jax_target` makes one from JAX functions.

    Parameters
    ----------
    variables
        Unconstrained variables in flat order: name (as in the posterior group) to shape (as the
        sampler sees it, which can differ from the constrained shape: a simplex of 3 has (2,)).
        Their sizes sum to the dimension d; each is laid out in C order.
    evaluate_point
        ``(d,) -> (log density, gradient (d,))``, the unnormalized log density of the
        unconstrained position, log-determinants of the transforms included.  Where it is not
        finite anything may come (NaN, infinities), but no error: :meth:`evaluate` makes it -inf
        with a zero gradient.
    evaluate_batch
        ``(batch_size, d) -> ((batch_size,), (batch_size, d))``, always called with exactly
        ``batch_size`` rows.
    constrain
        ``(positions (n, d), seed) -> groups``: ``"posterior"`` with every latent and
        deterministic variable on the user's scale, ``"log_likelihood"`` with one entry per
        observed variable, ``"log_prior"`` with one entry per free variable; each array has a
        leading axis n, and the last two groups may be missing.  The seed serves draws that the
        model itself makes (discrete sites); the same seed gives the same draws.
    initial_positions
        ``(generator, n) -> (n, d)``, starts spread wider than the posterior is likely to be
        (uniform on (-2, 2) is the custom); they need not have a finite density.
    dims, coords
        Names of the dimensions of each variable (without chain and draw; None for one without a
        name), observed variables and data included, and their labels.
    observed_data, constant_data
        What the language's own converter stores in the groups of the same names.
    library, library_version
        The modeling language, for the attributes of the result.
    batch_size
        Rows of the batch program.
    few
        ``() -> n``: up to this many positions cost less one by one than in a padded batch.
    finish
        Last clean-up of the finished result by the language (Bambi renames and recenters).
    prepare
        Called once when a fit begins: starts the compilation of the programs in the background.
    num_programs
        How many programs that contain the model have been compiled so far.
    unconstrained_dims
        Names of the dimensions of the unconstrained variables, where they differ from ``dims``.
    log_density
        The same density as a function that JAX can trace, ``(d,) -> scalar``, for samplers
        written in JAX; None where the model has no such form.  Trace it inside ``precision()``.
    precision
        The context in which JAX has the precision of the model.
    hyperparameters
        ``maximize -> Hyperparameters``: those named, with their supports where it is a mapping;
        those the model declares where it is None.  None where the model cannot have any.
    single_precision
        Whether the model computes in 32 bits, which the advice mentions where a fit fails.
    """

    variables: Mapping[str, tuple[int, ...]]
    evaluate_point: Callable[[np.ndarray], tuple[Any, Any]]
    evaluate_batch: Callable[[np.ndarray], tuple[Any, Any]]
    constrain: Callable[[np.ndarray, int], Groups]
    initial_positions: Callable[[np.random.Generator, int], np.ndarray]
    dims: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    coords: Mapping[str, Sequence[Any] | np.ndarray] = field(default_factory=dict)
    observed_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    constant_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    library: str = "isogmm"
    library_version: str = ""
    batch_size: int = 128
    few: Callable[[], int] = lambda: 2
    finish: Callable[[Any], Any] = _unchanged
    prepare: Callable[[], None] = lambda: None
    num_programs: Callable[[], int] = lambda: 0
    unconstrained_dims: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    log_density: Callable[[Any], Any] | None = None
    precision: Callable[[], AbstractContextManager] = nullcontext
    hyperparameters: Callable[[Any], Hyperparameters] | None = None
    single_precision: bool = False

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ModelError(
                "the model has no free continuous parameter: there is nothing to fit. "
                "Add a latent variable, or check that not all of them are observed."
            )

    @cached_property
    def dim(self) -> int:
        """Dimension d of the unconstrained space."""
        return sum(size_of(shape) for shape in self.variables.values())

    @property
    def coordinate_names(self) -> list[str]:
        """One name per flat coordinate: ``mu``, ``theta[0]``, ``beta[1, 2]``."""
        names = []
        for name, shape in self.variables.items():
            for index in np.ndindex(*shape):
                names.append(f"{name}[{', '.join(map(str, index))}]" if index else name)
        return names

    def evaluate(
        self, positions: Float[np.ndarray, "*n d"]
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n d"]]:
        """Log density and gradient at one point or at many, in float64.

        Many points go through the batch program in chunks, the last one padded; a few through
        the program of a single point where that costs less than padding.  Where the log
        density or any part of its gradient is not finite the log density returned is ``-inf``
        and the gradient zero, so that callers test one thing.
        """
        positions = np.asarray(positions)
        if positions.shape[-1] != self.dim:
            raise ModelError(
                f"positions have {positions.shape[-1]} coordinates, the target has {self.dim}"
            )
        flat = positions.reshape(-1, self.dim)
        values, gradients = np.empty(len(flat)), np.empty(flat.shape)
        size = 1 if len(flat) <= self.few() else self.batch_size
        pending: deque[tuple[int, tuple[Any, Any]]] = deque()
        for begin in range(0, len(flat) + AHEAD * size, size):
            # Chunks are asked for before the first is awaited: JAX works on several at a time.
            if begin < len(flat):
                chunk = flat[begin : begin + size]
                pending.append((begin, self._evaluate_chunk(chunk, size)))
            if pending and begin >= pending[0][0] + AHEAD * size:
                first, (value, gradient) = pending.popleft()
                rows = slice(first, min(first + size, len(flat)))
                values[rows] = np.atleast_1d(value)[: rows.stop - first]
                gradients[rows] = np.atleast_2d(gradient)[: rows.stop - first]
        # One sum finds a bad gradient: NaN and infinities survive it.
        with np.errstate(over="ignore", invalid="ignore"):
            bad = ~(np.isfinite(values) & np.isfinite(gradients.sum(axis=-1)))
        if bad.any():
            values[bad] = -np.inf
            gradients[bad] = 0.0
        return values.reshape(positions.shape[:-1]), gradients.reshape(positions.shape)

    def _evaluate_chunk(self, chunk: Float[np.ndarray, "n d"], size: int) -> tuple[Any, Any]:
        """One row by the program of a point, or rows, padded to ``size``, by that of a batch."""
        if size == 1:
            return self.evaluate_point(chunk[0])
        if len(chunk) < size:
            chunk = np.concatenate([chunk, np.repeat(chunk[:1], size - len(chunk), 0)])
        return self.evaluate_batch(chunk)

    def unravel(self, positions: Float[np.ndarray, "*n d"]) -> dict[str, np.ndarray]:
        """Split flat positions into the unconstrained variables, leading axes kept."""
        return dict(zip(self.variables, split(positions, self.variables.values()), strict=True))
