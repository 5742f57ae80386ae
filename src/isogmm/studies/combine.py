"""One ArviZ object of many results, with the leading dimension ``dataset``."""

import numpy as np
import xarray as xr

from isogmm.errors import ModelError, warn_user
from isogmm.results.arviz.versions import from_groups
from isogmm.results.groups import Result, attributes, get_group, group_names
from isogmm.studies.work import FailedFit

#: Name of the leading dimension.
DATASET = "dataset"
#: Groups that describe one fit and cannot be stacked: the mixtures differ in size.
NOT_STACKED = frozenset({"fit", "fit_stats"})
#: Text attributes of each result that the combined one keeps by data set.
TEXTS = ("verdict", "draws_from", "stop_reason")


def combine(labels: list[str | int], results: list[Result | FailedFit]) -> Result:
    """Stack results along a new first dimension.

    Parameters
    ----------
    labels, results
        Names and results of the data sets; failed ones are left out.

    Raises
    ------
    ModelError
        If all fits failed.
    """
    pairs = zip(labels, results, strict=True)
    good = [(label, each) for label, each in pairs if not isinstance(each, FailedFit)]
    if not good:
        failed = next(each for each in results if isinstance(each, FailedFit))
        raise ModelError(
            f"no data set could be fitted, so there is nothing to combine; the error of data set "
            f"{failed.dataset!r}: {failed.error}"
        ) from failed.error
    index = [label for label, _ in good]
    fitted = [result for _, result in good]
    groups, left_out = {}, []
    for name in group_names(fitted[0]):
        if name in NOT_STACKED or not all(name in group_names(each) for each in fitted):
            continue
        try:
            groups[name] = _stacked([get_group(each, name) for each in fitted], index)
        except ValueError:  # dimensions without labels of different lengths
            left_out.append(name)
    if left_out:
        warn_user(f"the combined result has no {', '.join(left_out)}: their shapes differ")
    attrs = [attributes(each) for each in fitted]
    groups["dataset_stats"] = _statistics(attrs, index)
    same = {n: v for n, v in attrs[0].items() if all(each.get(n) == v for each in attrs)}
    return from_groups(groups, same)


def _stacked(parts: list[xr.Dataset], index: list[str | int]) -> xr.Dataset:
    """Datasets along the new dimension; labels that a part lacks give NaN."""
    plain = [part.drop_attrs() if hasattr(part, "drop_attrs") else part for part in parts]
    stacked = xr.concat(
        plain,
        xr.IndexVariable(DATASET, index),
        data_vars="all",
        coords="different",
        compat="equals",
        join="outer",
        combine_attrs="drop",
    )
    return stacked.transpose(DATASET, "chain", "draw", ..., missing_dims="ignore")


def _statistics(attrs: list[dict[str, str | int | float]], index: list[str | int]) -> xr.Dataset:
    """Numbers and verdicts of each fit, from the attributes of its result."""
    names = [
        name
        for name in attrs[0]
        if name in TEXTS or all(isinstance(each.get(name), int | float) for each in attrs)
    ]
    return xr.Dataset(
        {name: (DATASET, np.array([each.get(name, "") for each in attrs])) for name in names},
        coords={DATASET: index},
    )
