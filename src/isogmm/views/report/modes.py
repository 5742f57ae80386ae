"""The table of modes of a report, read from the group ``fit``."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.results.building.fit_group import coordinate_labels
from isogmm.views.report.damage import Damage, column
from isogmm.views.report.facts import Mode
from isogmm.views.report.formatting import clean, short_name

#: Coordinates in which the mean of each mode is shown.
NUM_COORDINATES = 3
#: Lower bound of a scale, so that it can be divided by.
MIN_SCALE = 1e-300


def modes_of(fit: xr.Dataset, damage: Damage) -> tuple[Mode, ...]:
    """All modes, the largest mass first."""
    if "mode_mass" not in fit:
        return ()
    masses, errors = (column(fit, name, "mode") for name in ("mode_mass", "mode_mass_se"))
    members = fit["component_mode"].values.ravel() if "component_mode" in fit else np.empty(0)
    unknown: list[tuple[tuple[str, float], ...]] = [()] * len(masses)
    means = damage.read("means of the modes", lambda: _means(fit, len(masses)), unknown)
    return tuple(
        Mode(
            number=int(mode),
            mass=float(masses[mode]),
            # The mass of a single mode is exactly one; its stored error is that of the evidence.
            mass_se=float(errors[mode]) if len(masses) > 1 else np.nan,
            num_components=int((members == mode).sum()),
            means=means[mode],
        )
        for mode in np.argsort(-masses, kind="stable")
    )


def _means(fit: xr.Dataset, num_modes: int) -> list[tuple[tuple[str, float], ...]]:
    """Means of the modes in the coordinates along which they differ most."""
    if "mode_mean" not in fit or num_modes < 2:
        return [()] * num_modes
    means = fit["mode_mean"].transpose("mode", "coordinate").values
    # A mode without draws has no finite mean.
    low = np.where(np.isfinite(means), means, np.inf).min(axis=0)
    high = np.where(np.isfinite(means), means, -np.inf).max(axis=0)
    with np.errstate(all="ignore"):
        separation = np.maximum(high - low, 0.0) / _scales(fit)
    names = coordinate_labels(fit)
    top = np.argsort(-separation, kind="stable")[:NUM_COORDINATES]
    return [tuple((short_name(clean(names[i])), float(row[i])) for i in top) for row in means]


def _scales(fit: xr.Dataset) -> Float[np.ndarray, " d"]:
    """One scale per coordinate, from the affine map x = c + L y of the fit.

    For a dense L it is the length of a row, which is the standard deviation of the coordinate if
    y is standard normal.
    """
    if "whitening_factor" in fit:
        factor = fit["whitening_factor"].values[0]
        return np.maximum(np.linalg.norm(factor, axis=1), MIN_SCALE)
    if "whitening_scale" in fit:
        return np.maximum(fit["whitening_scale"].values[0], MIN_SCALE)
    return np.ones(fit.sizes["coordinate"])
