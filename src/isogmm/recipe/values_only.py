"""The options of a fit of a log density without a gradient."""

from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.optimize.gradients import ScoreFunction
from isogmm.recipe.options import Arguments
from isogmm.validation import whole_number

#: Samples of each component and iteration where the user gives no number.
NUM_SAMPLES = 16


def values_only(family_name: str, given: Arguments) -> Arguments:
    """The arguments of a user with the score function in place of gradients, and without chains.

    Parameters
    ----------
    family_name
        The family that the user fits; only isotropic components need no gradients.
    given
        The arguments of the public function by name.

    Raises
    ------
    OptionError
        If an option needs gradients: names it, its value and what is accepted.
    """
    if family_name not in ("isotropic", "auto"):
        raise OptionError(
            "the log density has no gradient (gradient=False), which this family of mixtures "
            "needs: use isogmm.fit_isogmm"
        )
    refine, whitening, count = (given[name] for name in ("refine", "whitening", "num_samples"))
    is_off = isinstance(refine, int | np.integer) and refine == 0
    if not (is_off or (isinstance(refine, str) and refine == "auto")):
        raise OptionError(
            f"refine={refine!r} runs HMC chains, which need the gradient of the log density; with "
            "gradient=False leave refine out"
        )
    if isinstance(whitening, str) and whitening == "low_rank":
        raise OptionError(
            "whitening='low_rank' needs the gradient of the log density; with gradient=False use "
            "'auto', 'none', 'diagonal', 'dense' or an array"
        )
    count = NUM_SAMPLES if count is None else whole_number("num_samples", count)
    own: dict[str, Any] = {"refine": 0}
    own["estimator"] = ScoreFunction(count, antithetic=count % 2 == 0)
    return {**given, **own}
