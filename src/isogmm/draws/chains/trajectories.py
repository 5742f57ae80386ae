"""Which trajectories the chains take: short ones, long ones, or some with steps of all sizes."""

from collections import deque

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.memory import forgotten_below, memory

#: A quarter turn of a Gaussian, and how many of these a long trajectory has.
QUARTER_TURN, LONG = 0.5 * np.pi, 3.0
#: Transitions before what was measured counts: the coordinates change too much.
FIRST = 6


class Trajectories:
    """The kind of every transition, by what the last short and long ones were worth.

    One that leaves a correlation ρ with the positions before, for the coordinate that moves
    slowest, and costs g gradients a chain, forgets -log(ρ) / g a gradient.  While warming up
    every third trajectory is long, for heavy tails; later only where long ones forgot more.
    Where chains stand in necks that need much smaller steps every third has steps of all sizes.
    """

    def __init__(self) -> None:
        # Long ones are rare: the one before the last may stem from another step size.
        self._worth: dict[str, deque[float]] = {"short": deque(maxlen=2), "long": deque(maxlen=1)}

    def choose(self, count: int, *, has_neck: bool) -> str:
        """``"short"``, ``"long"`` or ``"mixed"``, for the transition after ``count`` others."""
        if count % 3 == 1 and has_neck:
            return "mixed"
        return "long" if count % 3 == 2 and (count < FIRST or self.long_pays) else "short"

    @property
    def long_pays(self) -> bool:
        """Whether long trajectories forget more than short ones for their cost."""
        short, long = (list(self._worth[kind]) for kind in ("short", "long"))
        return not short or not long or float(np.mean(long)) > float(np.mean(short))

    def note(
        self,
        kind: str,
        before: Float[np.ndarray, "m d"],
        after: Float[np.ndarray, "m d"],
        groups: Int[np.ndarray, " m"],
        gradients: float,
    ) -> None:
        """What a transition of this kind was worth, with its gradient evaluations a chain."""
        if kind in self._worth:
            # Below the noise of a correlation across chains all is forgotten.
            left = max(float(memory(before, after, groups).max()), forgotten_below(*before.shape))
            self._worth[kind].append(-np.log(left) / max(gradients, 1.0))
