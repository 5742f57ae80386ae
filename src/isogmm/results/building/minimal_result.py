"""The smallest result of a fit, for the case that no other can be built."""

import contextlib
from collections.abc import Mapping

import numpy as np
import xarray as xr

from isogmm.results.arviz.versions import from_groups
from isogmm.results.building.fit_group import fit_group
from isogmm.results.building.fit_result import FitResult
from isogmm.results.groups import SAMPLE_DIMS, Result, arviz_name, plain
from isogmm.results.labeling.labels import Verdict

#: The advice of a result whose variables are not on the scale of the model.
UNCONSTRAINED = (
    "The variables of the posterior are in unconstrained coordinates, because the model could not "
    "be evaluated at the draws. Correct the model, and fit it again."
)


def minimal_result(result: FitResult) -> Result:
    """The unconstrained draws, their log density, the attributes, and the mixture if possible.

    The dimensions have no names of the model.

    Parameters
    ----------
    result
        The fit.
    """
    draws = result.target.unravel(result.positions)
    groups = {
        "posterior": _dataset({arviz_name(name): array for name, array in draws.items()}),
        "sample_stats": _dataset({"lp": result.log_density}),
    }
    with contextlib.suppress(Exception):  # the draws are returned whatever fails
        groups["fit"] = fit_group(result, {})
    return as_unconstrained(from_groups(groups, _stored(result.attributes)))


def as_unconstrained(idata: Result) -> Result:
    """The result, with the verdict and the advice for draws in unconstrained coordinates."""
    if "verdict" in idata.attrs:
        for attrs in (idata.attrs, idata["posterior"].attrs):
            attrs.update({"verdict": Verdict.UNRELIABLE.value, "advice": UNCONSTRAINED})
    return idata


def _dataset(arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Draws with numbered dimensions, as ArviZ names them."""
    return xr.Dataset(
        {
            name: ([*SAMPLE_DIMS, *(f"{name}_dim_{axis}" for axis in range(array.ndim - 2))], array)
            for name, array in arrays.items()
        },
        coords={
            dim: np.arange(size)
            for dim, size in zip(SAMPLE_DIMS, next(iter(arrays.values())).shape, strict=False)
        },
    )


def _stored(attributes: Mapping[str, object]) -> dict[str, str | int | float]:
    """The attributes that can be stored."""
    found: dict[str, str | int | float] = {}
    for name, value in attributes.items():
        with contextlib.suppress(Exception):
            found |= plain({name: value})
    return found
