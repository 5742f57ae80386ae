"""Checks of the parameters of a stored mixture, which a file or a user may have changed."""

from collections.abc import Mapping

import numpy as np

from isogmm.arrays import Array
from isogmm.errors import OptionError

#: Largest difference between the sum of stored weights and 1: half the digits of single precision,
#: the lowest precision of a fit.
MAX_WEIGHT_ERROR = float(np.sqrt(np.finfo(np.float32).eps))

#: The arrays that are checked; a file holds others besides them.
PARAMETERS = ("means", "variances", "covariances", "log_weights")


def check_parameters(arrays: Mapping[str, Array], source: str) -> None:
    """Raise an error if stored arrays are not the parameters of a mixture.

    Parameters
    ----------
    arrays
        Means, variances or covariances, and log weights by name, and any others.
    source
        What holds the arrays, as the subject of the message.

    Raises
    ------
    OptionError
        If means are not finite, variances are not positive, covariances are not positive
        definite, or weights do not sum to 1.
    """
    for name in PARAMETERS:
        if name not in arrays:
            continue
        values = np.asarray(arrays[name])
        if values.dtype.kind not in "fiu":
            raise OptionError(f"{source} is damaged: its {name} are not numbers ({values.dtype})")
        if name == "log_weights":
            _check_weights(values, source)
            continue
        _refuse(~np.isfinite(values), values, name, "not finite", source)
        if name == "variances":
            _refuse(values <= 0, values, name, "not positive", source)
        if name == "covariances":
            try:
                np.linalg.cholesky(values)
            except np.linalg.LinAlgError:
                raise OptionError(
                    f"{source} is damaged: one of its covariances is not positive definite"
                ) from None


def _check_weights(log_weights: np.ndarray, source: str) -> None:
    """Raise an error if the weights of a chain do not sum to 1."""
    with np.errstate(over="ignore"):
        sums = np.exp(log_weights).sum(axis=-1)
    is_wrong = ~(np.abs(sums - 1.0) <= MAX_WEIGHT_ERROR)
    _refuse(is_wrong, sums, "sums of weights", "not 1", source)


def _refuse(is_wrong: np.ndarray, values: np.ndarray, name: str, problem: str, source: str) -> None:
    if np.any(is_wrong):
        first = np.asarray(values)[is_wrong].ravel()[0]
        raise OptionError(
            f"{source} is damaged: {int(np.sum(is_wrong)):,} of its {name} are {problem}, "
            f"the first is {first:.3g}"
        )
