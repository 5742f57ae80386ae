"""What the stages of a fit hand to its summary: their results and their costs."""

import time
from dataclasses import dataclass, field

from isogmm.draws.pool import Pool
from isogmm.locate.locate import Located
from isogmm.model.target import Target
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.deliver import Delivery


@dataclass
class Stages:
    """Seconds and gradient evaluations by stage, in order."""

    target: Target
    seconds: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, int] = field(default_factory=dict)
    _clock: float = field(default_factory=time.perf_counter)
    _count: int = 0

    def __post_init__(self) -> None:
        self._count = self.target.num_gradient_evaluations

    def done(self, name: str) -> None:
        """What passed since the last call belongs to this stage."""
        now, count = time.perf_counter(), self.target.num_gradient_evaluations
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._clock
        self.gradients[name] = self.gradients.get(name, 0) + count - self._count
        self._clock, self._count = now, count


@dataclass
class Fitted:
    """What the stages hand to the summary."""

    located: Located | None
    optimized: OptimizeResult
    pool: Pool
    delivery: Delivery
    stages: Stages
