"""Checks of arguments whose mistakes would otherwise appear late or cost much time."""

from collections.abc import Mapping

from isogmm.errors import OptionError, warn_user
from isogmm.recipe.options import Arguments

#: Samples of each component in an iteration above which a user probably means the number of draws.
#: The advice of a verdict goes up to 64, and NumPyro's ``num_samples`` is usually 1,000.
MAX_USUAL_SAMPLES = 500


def check_arguments(given: Arguments) -> None:
    """Check the arguments of the model and the callback.

    Parameters
    ----------
    given
        The arguments of the public function by name.

    Raises
    ------
    OptionError
        Naming the option and what it accepts.
    """
    keywords, callback = given["model_kwargs"], given["callback"]
    if keywords is not None and not isinstance(keywords, Mapping):
        raise OptionError(
            "model_kwargs must be a dict of keyword arguments of the model, not "
            f"{type(keywords).__name__}. Positional arguments follow the model: "
            "isogmm.fit_isogmm(model, x, y)."
        )
    if callback is not None and not callable(callback):
        raise OptionError(
            f"callback must be one function of a Check, or None, not {type(callback).__name__}"
        )


def warn_of_many_samples(given: Arguments) -> None:
    """Warn if ``num_samples`` is as large as a number of draws.

    Parameters
    ----------
    given
        The arguments of the public function by name.
    """
    count = given.get("num_samples")
    if isinstance(count, int) and count > MAX_USUAL_SAMPLES:
        warn_user(
            f"num_samples={count} is the number of samples of each component in every iteration, "
            "2 by default, and the time of the fit is proportional to it. The number of draws is "
            "draws=..."
        )
