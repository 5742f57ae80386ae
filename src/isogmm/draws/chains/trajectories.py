"""The kind of trajectory of each transition: short, long, or with steps of mixed sizes."""

import enum
from collections import deque

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.convergence import independence_threshold, start_correlation

#: Integration time of a short trajectory: a quarter of the period of a Gaussian of unit variance.
QUARTER_PERIOD = 0.5 * np.pi
#: Integration time of a long trajectory, in units of a short one.
LONG_FACTOR = 3.0
#: Transitions before the measured efficiencies decide; the coordinates change too much until then.
MIN_RATED_TRANSITIONS = 6
#: Transitions after which the sequence of kinds repeats.
CYCLE = 3


class Kind(enum.Enum):
    """Kinds of trajectories."""

    SHORT = "short"
    LONG = "long"
    MIXED = "mixed"


class Trajectories:
    """Chooses the kind of each trajectory by the measured efficiency of short and long ones.

    The efficiency of a transition is -log(ρ) / g.  Here ρ is the correlation of the positions
    before and after it, for the coordinate with the largest one, and g the number of gradient
    evaluations per chain.  In the first transitions every third trajectory is long, for heavy
    tails; later only where long ones were more efficient.  Every third trajectory has steps of
    mixed sizes where some chains need much smaller steps.
    """

    def __init__(self) -> None:
        # Long trajectories are rare: an older one may stem from another step size.
        self._efficiencies: dict[Kind, deque[float]] = {
            Kind.SHORT: deque(maxlen=2),
            Kind.LONG: deque(maxlen=1),
        }

    def choose(self, count: int, *, has_neck: bool) -> Kind:
        """The kind of the next trajectory, after ``count`` transitions."""
        if count % CYCLE == 1 and has_neck:
            return Kind.MIXED
        allows_long = count < MIN_RATED_TRANSITIONS or self.long_is_efficient
        return Kind.LONG if count % CYCLE == 2 and allows_long else Kind.SHORT

    @property
    def long_is_efficient(self) -> bool:
        """Whether long trajectories were more efficient than short ones, or were not compared."""
        short, long = (list(self._efficiencies[kind]) for kind in (Kind.SHORT, Kind.LONG))
        return not short or not long or float(np.mean(long)) > float(np.mean(short))

    def update(
        self,
        kind: Kind,
        before: Float[np.ndarray, "m d"],
        after: Float[np.ndarray, "m d"],
        groups: Int[np.ndarray, " m"],
        gradients: float,
    ) -> None:
        """Store the efficiency of a transition.

        Parameters
        ----------
        kind
            Its kind; mixed ones are not compared.
        before, after
            Positions of the chains.
        groups
            The mode of each chain.
        gradients
            Gradient evaluations per chain.
        """
        if kind in self._efficiencies:
            # Smaller correlations are not told from zero with this number of chains.
            correlation = max(
                float(start_correlation(before, after, groups).max()),
                independence_threshold(*before.shape),
            )
            self._efficiencies[kind].append(-np.log(correlation) / max(gradients, 1.0))
