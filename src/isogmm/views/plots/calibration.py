"""PIT values of a calibration: differences of their distribution function from the uniform one."""

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import kstwo

from isogmm.errors import OptionError
from isogmm.results.groups import SAMPLE_DIMS, Result, get_group, group_names
from isogmm.views.plots.style import REFERENCE, color, style

#: Probability that the curve of one quantity stays inside the band if the fits are correct.
BAND = 0.99
#: Most curves that the legend names.
MAX_LEGEND = 8


def plot_calibration(idata: Result, *, ax: Axes | None = None) -> Axes:
    """Plot the PIT values of :func:`isogmm.calibrate`, one curve for each quantity.

    A curve is the empirical distribution function of the PIT values minus that of the uniform
    distribution.  The gray band contains a curve with probability 0.99 if the fits are correct.

    Parameters
    ----------
    idata
        What :func:`isogmm.calibrate` returned.
    ax
        Where to plot; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    OptionError
        If the result has no PIT values.
    """
    names = [name for name in ("prior_sbc", "posterior_sbc") if name in group_names(idata)]
    if not names:
        raise OptionError(
            "the result has no PIT values: pass what isogmm.calibrate returned, not a fit"
        )
    pit = get_group(idata, names[0])
    num = pit.sizes["draw"]
    with style() as plt:
        axes: Axes = plt.subplots(figsize=(6.0, 3.5), layout="constrained")[1] if ax is None else ax
        half = float(kstwo.ppf(BAND, num))
        axes.axhspan(-half, half, color=REFERENCE, alpha=0.25, lw=0)
        axes.axhline(0.0, color=REFERENCE, lw=1)
        curves = 0
        for variable, values in pit.data_vars.items():
            flat = values.transpose(*SAMPLE_DIMS, ...).values.reshape(num, -1)
            for entry, column in enumerate(np.sort(flat, axis=0).T):
                steps = np.concatenate([[0.0], column, [1.0]])
                heights = np.concatenate([[0.0], np.arange(1, num + 1) / num, [1.0]]) - steps
                label = str(variable) if entry == 0 else None
                axes.plot(steps, heights, color=color(curves), lw=1, label=label)
            curves += 1
        axes.set(xlabel="share of posterior draws below the truth", xlim=(0, 1))
        axes.set_ylabel("difference from uniform")
        if curves <= MAX_LEGEND:
            axes.legend()
    return axes
