"""Seconds and gradient evaluations of the stages of a fit."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from isogmm.model.fit_target import FitTarget
from isogmm.results.labeling.labels import Stage


@dataclass
class StageCosts:
    """Seconds and gradient evaluations of each stage, in order.

    A stage lasts until the next one begins, so the seconds add up to those of the whole fit.

    Parameters
    ----------
    listener
        Called with every stage that begins, and with a note about it.

    Attributes
    ----------
    target
        Counts the gradient evaluations; None until the model is compiled.
    seconds, gradients
        Costs of the stages that have ended, by the value of :class:`Stage`.
    """

    listener: Callable[[Stage, str], None] | None = None
    target: FitTarget | None = field(default=None, init=False)
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    gradients: dict[str, int] = field(default_factory=dict, init=False)
    _stage: Stage | None = field(default=None, init=False)
    _time: float = field(default=0.0, init=False)
    _count: int = field(default=0, init=False)

    def begin(self, stage: Stage, note: str = "") -> None:
        """End the current stage and begin another."""
        self.end()
        self._stage = stage
        if self.listener is not None:
            self.listener(stage, note)

    def end(self) -> None:
        """End the current stage."""
        now, count = time.perf_counter(), self._total()
        if self._stage is not None:
            name = self._stage.value
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._time
            self.gradients[name] = self.gradients.get(name, 0) + count - self._count
        self._stage, self._time, self._count = None, now, count

    def count_with(self, target: FitTarget) -> None:
        """Count the gradient evaluations of this target from now on."""
        self.target, self._count = target, target.num_gradient_evaluations

    @property
    def stage_gradients(self) -> int:
        """Gradient evaluations of the current stage so far."""
        return self._total() - self._count

    @property
    def num_gradients(self) -> int:
        """Gradient evaluations of all stages so far."""
        return sum(self.gradients.values()) + self.stage_gradients

    def _total(self) -> int:
        return 0 if self.target is None else self.target.num_gradient_evaluations
