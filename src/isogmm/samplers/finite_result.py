"""The result of a fit by stochastic gradients, which can diverge."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.model.target import Target
from isogmm.results.building.from_draws import result_of_draws
from isogmm.results.groups import Result


def finite_result(
    target: Target,
    positions: Float[np.ndarray, "c n d"],
    seed: int,
    attributes: Mapping[str, object],
    library: str = "blackjax",
) -> Result:
    """The result of draws, which must be finite; ``attributes`` name the ``algorithm``.

    Raises
    ------
    OptionError
        If a draw is not finite.
    """
    if not np.isfinite(positions).all():
        raise OptionError(
            f"{attributes['algorithm']} diverged: its draws are not finite. Give a smaller "
            "step_size=."
        )
    return result_of_draws(target, positions, library=library, seed=seed, attributes=attributes)
