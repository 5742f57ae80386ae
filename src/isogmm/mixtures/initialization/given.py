"""A mixture from arrays of the user."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import (
    AbstractInitialization,
    uniform_log_weights,
    validate_sizes,
)
from isogmm.mixtures.isotropic import IsotropicMixture


@dataclass(frozen=True, eq=False)
class GivenMixture(AbstractInitialization):
    """Means and variances as given, the same for all chains or different for each chain.

    Parameters
    ----------
    means
        (k, d) or (c, k, d), in the unconstrained space of the model.
    variances
        A number, (k,) or (c, k), in the coordinates of the map.
    weights
        (k,) or (c, k), positive; equal by default.

    Raises
    ------
    OptionError
        If an entry is not finite, a variance or weight not positive, or shapes do not agree.
    """

    means: ArrayLike
    variances: ArrayLike | float | int
    weights: ArrayLike | None = None

    def __post_init__(self) -> None:
        for name in ("means", "variances", "weights"):
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value, dtype=np.float64)
            if not np.all(np.isfinite(value)) or (name != "means" and not np.all(value > 0)):
                raise OptionError(
                    f"the {name} of the initial mixture must be finite"
                    + (
                        ""
                        if name == "means"
                        else f" and positive, but the smallest is {value.min()}"
                    )
                )
            object.__setattr__(self, name, value)

    def initialize(
        self,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """A mixture for each chain; see :class:`AbstractInitialization`."""
        validate_sizes(chains, num_components)
        shape = (chains, num_components, len(affine_map.center))
        if self.weights is None:
            log_weights = uniform_log_weights(chains, num_components)
        else:
            weights = _broadcast("weights", np.asarray(self.weights), shape[:2])
            log_weights = np.log(weights / weights.sum(axis=-1, keepdims=True))
        return IsotropicMixture(
            means=affine_map.inverse(_broadcast("means", np.asarray(self.means), shape)),
            variances=_broadcast("variances", np.asarray(self.variances), shape[:2]),
            log_weights=log_weights,
            affine_map=affine_map,
        )


def _broadcast(name: str, value: np.ndarray, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """A copy of the value for every chain, or an error if the shapes do not agree."""
    # Every component needs a mean of its own: components with equal means would stay equal.
    trailing = shape[1:] if name == "means" else shape[1:][: value.ndim]
    if value.shape not in (shape, trailing):
        raise OptionError(
            f"the {name} of the initial mixture have shape {value.shape}, but the numbers of "
            f"chains, components and dimensions require {shape} or {shape[1:]}"
        )
    return np.broadcast_to(value, shape).copy()
