"""The table of variables of a report, read from the group ``fit``."""

import numpy as np
import xarray as xr

from isogmm.results.building.fit_group import coordinate_labels
from isogmm.views.report.damage import column
from isogmm.views.report.facts import Variable
from isogmm.views.report.formatting import clean

#: Size that an infinite shift of the log standard deviation has in the order of the variables.
INFINITE_LOG_SD_SHIFT = 9


def variables_of(fit: xr.Dataset) -> tuple[Variable, ...]:
    """All variables, the largest shift first."""
    if "mean_shift" not in fit:
        return ()
    mean_shift, log_sd_shift, correlation, drift, drift_se = (
        column(fit, name, "coordinate")
        for name in (
            "mean_shift",
            "log_sd_shift",
            "refine_memory",
            "refine_drift",
            "refine_drift_se",
        )
    )
    shift = np.abs(np.nan_to_num(mean_shift)) + np.abs(
        np.nan_to_num(log_sd_shift, posinf=INFINITE_LOG_SD_SHIFT, neginf=-INFINITE_LOG_SD_SHIFT)
    )
    names = coordinate_labels(fit)
    return tuple(
        Variable(
            name=clean(names[i]),
            mean_shift=float(mean_shift[i]),
            log_sd_shift=float(log_sd_shift[i]),
            correlation=float(correlation[i]),
            drift=float(drift[i]),
            drift_se=float(drift_se[i]),
        )
        for i in np.argsort(-shift, kind="stable")
    )
