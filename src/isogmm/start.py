"""What a mixture is fitted from, whoever found it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.locate.locate import Located


@dataclass
class Start:
    """What the mixture is fitted from.

    Parameters
    ----------
    mixture
        Of every chain, with the coordinates it is in.
    centers
        (m, d): a point of every mode known, the unconstrained space; None where nobody looked.
    located
        What the search found, or None where none was made.
    interruption
        What cut the search short (Ctrl-C or the time limit), or None.
    """

    mixture: Any
    centers: Float[np.ndarray, "m d"] | None = None
    located: Located | None = None
    interruption: KeyboardInterrupt | None = None

    @property
    def has_several_modes(self) -> bool:
        """Whether more than one mode is known."""
        return self.centers is not None and len(self.centers) > 1
