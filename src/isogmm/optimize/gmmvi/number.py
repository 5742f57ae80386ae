"""Design choice 7 of GMMVI: a fixed number of components, or one that adapts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import PER_COMPONENT, AbstractNumber, Components, Samples


@dataclass(frozen=True)
class FixedNumber(AbstractNumber):
    """The components of the start, for good."""

    def adapt(
        self, components: Components, samples: Samples, iteration: int, initial_step: float
    ) -> Components:
        """As they are."""
        return components


@dataclass(frozen=True)
class AdaptiveNumber(AbstractNumber):
    """Components of negligible weight go; new ones come where the mixture is thinnest.

    A new component is put at the sample with the largest log π(x) − max(log q(x), c − Δ), c the
    largest log q of all samples; Δ takes turns, so that both far places and near ones get their
    chance (with Δ = ∞ the farthest sample would always win).  It takes the covariance of the
    component most responsible there.

    Parameters
    ----------
    add_every
        Iterations between two new ones.
    max_components
        No chain gets more.
    delete_below, patience
        A component with less weight than the first for this many iterations goes.
    new_weight
        Weight of a new component.
    thresholds
        The Δ that take turns.

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
            raise OptionError("thresholds must hold one number at least")

    def adapt(
        self, components: Components, samples: Samples, iteration: int, initial_step: float
    ) -> Components:
        """See :class:`isogmm.gmmvi.AbstractNumber`."""
        weak = np.where(
            components.log_weights < np.log(self.delete_below or 1e-300), components.weak + 1, 0
        )
        components = replace(components, weak=weak)
        keep = weak < self.patience
        if not keep.all():
            components = components.take(np.flatnonzero(keep))
        full = len(components.means) >= self.max_components
        if full or iteration == 0 or iteration % self.add_every:
            return components
        finite = np.isfinite(samples.log_density)
        if not finite.any():
            return components
        turn = (iteration // self.add_every - 1) % len(self.thresholds)
        floor = samples.log_q[finite].max() - self.thresholds[turn]
        promise = np.where(finite, samples.log_density - np.maximum(samples.log_q, floor), -np.inf)
        best = int(np.argmax(promise))
        owner = int(np.argmax(samples.log_components[best, keep] + components.log_weights))
        return _with_copy(
            components, owner, samples.points[best], np.log(self.new_weight), initial_step
        )


def _with_copy(
    components: Components, owner: int, mean: np.ndarray, log_weight: float, step: float
) -> Components:
    """One more component: a copy of one of them with another mean, its own weight and step."""
    parts: dict[str, Any] = {
        name: np.concatenate([getattr(components, name), getattr(components, name)[owner][None]])
        for name in PER_COMPONENT
    }
    parts["means"][-1] = mean
    parts["log_weights"][:-1] += np.log1p(-np.exp(log_weight))
    parts["log_weights"][-1] = log_weight
    parts["steps"][-1], parts["rewards"][-1], parts["weak"][-1] = step, np.nan, 0
    return replace(components, **parts)
