"""Tolerances that are computed: rounding by dtype, sampling noise by its standard error."""

import numpy as np

#: Standard errors allowed to a stochastic check.  A Gaussian estimate strays further in one run
#: of 1.7 million, so a suite of a thousand such checks raises a false alarm once in 1,700 runs.
NUM_STANDARD_ERRORS = 5.0

#: Independent draws that a standard error needs before it can be believed.
MIN_EFFECTIVE_DRAWS = 50


def rounding(dtype: np.typing.DTypeLike, factor: float = 1.0) -> float:
    """Relative tolerance of arithmetic in this dtype: 1e-10 in float64, the root of eps in float32.

    ``factor`` widens it where a check is known to be worse conditioned.
    """
    table = {"float64": 1e-10, "float32": 3.5e-4, "bfloat16": 5e-2, "float16": 3e-2}
    return table[np.dtype(dtype).name] * factor


def assert_close(actual, expected, *, dtype=None, factor: float = 1.0) -> None:
    """Equal up to the rounding of the dtype, relative to the largest expected entry."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    tolerance = rounding(actual.dtype if dtype is None else dtype, factor)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)


def standard_error(values, *, axis: int = 0) -> np.ndarray:
    """Standard error of the mean of independent draws along an axis."""
    values = np.asarray(values, dtype=np.float64)
    return values.std(axis=axis, ddof=1) / np.sqrt(values.shape[axis])


def assert_within_error(
    estimate, truth, error, *, bias: float = 0.0, num_errors: float = NUM_STANDARD_ERRORS
) -> None:
    """``|estimate - truth| <= bias + 5 standard errors``, entry by entry.

    ``bias`` is a bound that the test can argue for (a family's best error, a finite step), not a
    number found by trying.  An error that is zero or not finite is refused: it would make the
    check empty or impossible.
    """
    estimate, truth, error = (np.asarray(x, dtype=np.float64) for x in (estimate, truth, error))
    assert np.all(error > 0), f"not a standard error: {error}"
    assert np.all(np.isfinite(error)), f"not a standard error: {error}"
    assert np.all(np.isfinite(estimate)), f"the estimate is not finite: {estimate}"
    excess = (np.abs(estimate - truth) - bias) / error
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert np.all(excess <= num_errors), (
        f"off by {excess[worst]:.1f} standard errors (beyond a bias of {bias:g}) at {worst}: "
        f"estimate {np.broadcast_to(estimate, excess.shape)[worst]:.6g}, "
        f"truth {np.broadcast_to(truth, excess.shape)[worst]:.6g}"
    )


def assert_mean(draws, truth, *, axis: int = 0, bias: float = 0.0) -> None:
    """The mean of independent draws agrees with the truth within 5 of its standard errors."""
    draws = np.asarray(draws, dtype=np.float64)
    assert draws.shape[axis] >= MIN_EFFECTIVE_DRAWS, "too few draws to estimate their own error"
    assert_within_error(draws.mean(axis=axis), truth, standard_error(draws, axis=axis), bias=bias)


def assert_standard_deviation(draws, truth, *, axis: int = 0, bias: float = 0.0) -> None:
    """The standard deviation of independent draws agrees with the truth within 5 errors.

    The error is that of the delta method, sd(squares of the centered draws) / (2 sd √n), so it
    holds beyond Gaussian draws.
    """
    draws = np.asarray(draws, dtype=np.float64)
    assert draws.shape[axis] >= MIN_EFFECTIVE_DRAWS, "too few draws to estimate their own error"
    centered = draws - draws.mean(axis=axis, keepdims=True)
    deviation = draws.std(axis=axis, ddof=1)
    error = standard_error(centered**2, axis=axis) / (2.0 * deviation)
    assert_within_error(deviation, truth, error, bias=bias)
