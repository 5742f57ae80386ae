"""Design choice 7 of GMMVI: a fixed number of components, or one that adapts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractNumber
from isogmm.optimize.gmmvi.components import COMPONENT_FIELDS, Components, Samples

#: Smallest weight below which components are deleted, in place of a ``delete_below`` of 0.
MIN_WEIGHT = 1e-300


@dataclass(frozen=True)
class FixedNumber(AbstractNumber):
    """The number of components stays constant."""

    def adapt(
        self, components: Components, samples: Samples, iteration: int, initial_step: float
    ) -> Components:
        """The components, unchanged."""
        return components


@dataclass(frozen=True)
class AdaptiveNumber(AbstractNumber):
    """Delete components of negligible weight; add components where q is small compared with π.

    The mean of a new component is the sample with the largest log π(x) − max(log q(x), c − Δ),
    where c is the largest log q of all samples.  Δ alternates between several values: with large
    values the new component is far from the others, with small values it is near.  (With Δ = ∞ it
    would always be the sample that is farthest away.)  Its covariance is that of the component
    with the largest responsibility there.

    Parameters
    ----------
    add_every
        Number of iterations between two new components.
    max_components
        Largest number of components of a chain.
    delete_below, patience
        A component is deleted after ``patience`` successive iterations with a weight below
        ``delete_below``.
    new_weight
        Weight of a new component.
    thresholds
        The values of Δ.

    Raises
    ------
    OptionError
        If a setting is out of range.
    """

    add_every: int = 10
    max_components: int = 32
    delete_below: float = 1e-5
    patience: int = 20
    new_weight: float = 1e-3
    thresholds: tuple[float, ...] = (1000.0, 200.0, 50.0, 20.0, 10.0)

    def __post_init__(self) -> None:
        for name in ("add_every", "max_components", "patience"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.delete_below < self.new_weight < 1:
            raise OptionError(
                f"delete_below={self.delete_below} must be below new_weight={self.new_weight}, "
                "both in [0, 1)"
            )
        if not self.thresholds:
            raise OptionError("thresholds must contain at least one number")

    def adapt(
        self, components: Components, samples: Samples, iteration: int, initial_step: float
    ) -> Components:
        """See :class:`isogmm.gmmvi.AbstractNumber`."""
        is_weak = components.log_weights < np.log(self.delete_below or MIN_WEIGHT)
        weak = np.where(is_weak, components.weak + 1, 0)
        components = replace(components, weak=weak)
        keep = weak < self.patience
        if not keep.all():
            components = components.take(np.flatnonzero(keep))
        is_full = len(components.means) >= self.max_components
        if is_full or iteration == 0 or iteration % self.add_every:
            return components
        finite = np.isfinite(samples.log_density)
        if not finite.any():
            return components
        turn = (iteration // self.add_every - 1) % len(self.thresholds)
        floor = samples.log_q[finite].max() - self.thresholds[turn]
        excess = np.where(finite, samples.log_density - np.maximum(samples.log_q, floor), -np.inf)
        best = int(np.argmax(excess))
        owner = int(np.argmax(samples.log_components[best, keep] + components.log_weights))
        return _with_copy(
            components, owner, samples.points[best], np.log(self.new_weight), initial_step
        )


def _with_copy(
    components: Components,
    owner: int,
    mean: Float[np.ndarray, " d"],
    log_weight: float,
    step: float,
) -> Components:
    """Add a copy of one component with another mean, weight and step size."""
    parts: dict[str, Any] = {
        name: np.concatenate([getattr(components, name), getattr(components, name)[owner][None]])
        for name in COMPONENT_FIELDS
    }
    parts["means"][-1] = mean
    parts["log_weights"][:-1] += np.log1p(-np.exp(log_weight))
    parts["log_weights"][-1] = log_weight
    parts["steps"][-1], parts["rewards"][-1], parts["weak"][-1] = step, np.nan, 0
    return replace(components, **parts)
