"""What a mixture is fitted from."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float

from isogmm.locate.located import Located
from isogmm.results.stop_reason import StopReason

#: The mixture of all chains.
Mixture = TypeVar("Mixture")


@dataclass
class Start(Generic[Mixture]):
    """What the mixture is fitted from.

    Parameters
    ----------
    mixture
        The mixture of every chain, with its affine map.
    centers
        (m, d): a point of every known mode, in the unconstrained space; None without a search.
    located
        The result of the search, or None where none was made.
    stop_reason
        What interrupted the search (Ctrl-C or the time limit), or None.
    num_extensions
        Number of fits before this one whose chains found a mode that the search had missed.
    """

    mixture: Mixture
    centers: Float[np.ndarray, "m d"] | None = None
    located: Located | None = None
    stop_reason: StopReason | None = None
    num_extensions: int = 0

    @property
    def has_several_modes(self) -> bool:
        """Whether more than one mode is known."""
        return self.centers is not None and len(self.centers) > 1
