"""What the experiments fit: a log density, and whatever is known of the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Problem:
    """A posterior of the experiments.

    Parameters
    ----------
    name, dim
        Name, and dimension d.
    log_density
        JAX function of a position (d,).
    log_evidence
        Log of the integral of exp(log density), or None where nobody knows it.
    draw
        ``(generator, n) -> (n, d)``, independent exact draws, or None.
    mode_of
        Which mode each of (n, d) draws belongs to.
    predict
        ``draws (n, d) -> {quantity: number}``: how well the posterior predictive does on data
        held out.
    start_scale
        Starts of the default recipe are uniform in [-start_scale, start_scale]^d.
    x64
        Precision of the density.
    arrays
        Means, variances (k, d) and weights (k,) of a target that is a mixture of Gaussians.
    """

    name: str
    dim: int
    log_density: Callable[[Any], Any]
    log_evidence: float | None = None
    draw: Draw | None = None
    mode_of: Callable[[np.ndarray], np.ndarray] | None = None
    predict: Callable[[np.ndarray], dict[str, float]] | None = None
    start_scale: float = 2.0
    x64: bool = True
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def model(self, batch_size: int = 128) -> Any:
        """The problem as a user passes it to ``fit_isogmm``."""
        from isogmm import LogDensity

        return LogDensity(
            self.log_density,
            np.zeros(self.dim),
            names="x",
            batch_size=batch_size,
            initial=lambda generator, n: generator.uniform(
                -self.start_scale, self.start_scale, (n, self.dim)
            ),
            x64=self.x64,
        )


def nearest(places: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The mode of a draw: the nearest of the given places."""

    def mode_of(draws: np.ndarray) -> np.ndarray:
        squares = (draws**2).sum(1)[:, None] + (places**2).sum(1) - 2.0 * draws @ places.T
        return squares.argmin(axis=1)

    return mode_of
