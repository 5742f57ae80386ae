"""R-hat and effective sample size of the delivered draws, for the summary of a report."""

from typing import TypeAlias

import numpy as np

from isogmm.results.arviz.versions import ess
from isogmm.results.groups import Result, get_group, group_names
from isogmm.results.rhat import rhat
from isogmm.views.report.formatting import clean, number
from isogmm.views.selection import Entries

#: Scalars that are examined at most: both diagnostics take some milliseconds for each.
MAX_SCALARS = 200
#: Fewest draws of a chain for R-hat and effective sample sizes.
MIN_DRAWS = 8

#: Labels and values of rows of the summary.
Rows: TypeAlias = list[tuple[str, str]]


def convergence_rows(idata: Result, stored_rhat: float, stored_name: str) -> Rows:
    """The largest R-hat and the smallest effective sample size, each with its variable.

    Parameters
    ----------
    idata
        The result.
    stored_rhat, stored_name
        The largest R-hat of all coordinates as the fit found it, and its coordinate; NaN and an
        empty text if the result does not contain them.
    """
    draws, names, total = _scalars(idata)
    if draws is None or draws.shape[1] < MIN_DRAWS:
        return []
    seen = f"; {len(names):,} of {total:,} variables examined" if len(names) < total else ""
    rows: Rows = []
    rhats, sizes = (np.atleast_1d(function(draws)) for function in (rhat, ess))
    largest, name = stored_rhat, stored_name
    if np.isfinite(rhats).any() and not np.nanmax(rhats) <= stored_rhat:
        largest, name = float(np.nanmax(rhats)), names[int(np.nanargmax(rhats))]
    if np.isfinite(largest):
        rows.append(("R-hat of the draws", f"at most {largest:.2f} ({clean(name)}{seen})"))
    if np.isfinite(sizes).any():
        worst = int(np.nanargmin(sizes))
        text = f"at least {number(float(sizes[worst]), 0)} ({clean(names[worst])}{seen})"
        rows.append(("ESS of the draws", text))
    return rows


def _scalars(idata: Result) -> tuple[np.ndarray | None, list[str], int]:
    """Draws (c, n, p) of numeric variables, their names, and the number of all scalars.

    If there are more than :data:`MAX_SCALARS`, evenly spaced ones are taken.
    """
    if "posterior" not in group_names(idata):
        return None, [], 0
    arrays = [
        array.transpose("chain", "draw", ...)
        for array in get_group(idata, "posterior").data_vars.values()
        if {"chain", "draw"} <= set(array.dims) and array.dtype.kind in "biuf"
    ]
    sizes = [int(np.prod(array.shape[2:])) for array in arrays]
    total, begin = sum(sizes), 0
    if not total:
        return None, [], 0
    chosen = np.unique(np.linspace(0, total - 1, min(total, MAX_SCALARS)).round().astype(int))
    parts, names = [], []
    for array, size in zip(arrays, sizes, strict=True):
        own = chosen[(chosen >= begin) & (chosen < begin + size)] - begin
        begin += size
        if not len(own):
            continue
        flat = array.values.reshape(*array.shape[:2], size)
        parts.append(flat[..., own].astype(np.float64))
        labels = Entries.of(array).names()
        names += [labels[i] for i in own]
    return np.concatenate(parts, axis=-1), names, total
