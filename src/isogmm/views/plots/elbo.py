"""The ELBO along the fit."""

from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.results.groups import attributes, get_group, group_names
from isogmm.views.plots.style import COLORS, INK, QUIET, color, style

_AXES = {
    "gradient_evaluations": "gradient evaluations of the mixture",
    "iteration": "iteration",
    "seconds": "seconds of the mixture",
}


def plot_elbo(idata: Any, *, x: str = "gradient_evaluations", ax: Any = None) -> Any:
    """ELBO of every chain at each check, with two standard errors, and the log evidence.

    The ELBO is a lower bound: what is left between the end of the lines and the log evidence
    is the KL divergence from the mixture to the posterior, in nats.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.
    x
        ``gradient_evaluations``, ``iteration`` or ``seconds``.
    ax
        Axes to draw into; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    OptionError
        If the result holds no history of a fit, or ``x`` is none of the three.
    """
    if x not in _AXES:
        raise OptionError(f"x must be one of {list(_AXES)}, got {x!r}")
    if "fit_stats" not in group_names(idata):
        raise OptionError("the result has no group 'fit_stats': plot_elbo shows fit_isogmm's fits")
    stats, attrs = get_group(idata, "fit_stats"), attributes(idata)
    place = stats[x].values.astype(float)
    elbo = stats["elbo"].transpose("check", "chain").values
    error = stats["elbo_se"].transpose("check", "chain").values
    with style() as plt:
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
        marker = "o" if len(place) < 25 else None
        is_crowd = elbo.shape[1] > len(COLORS)
        for chain in range(elbo.shape[1]):
            low, high = elbo[:, chain] - 2 * error[:, chain], elbo[:, chain] + 2 * error[:, chain]
            ax.fill_between(place, low, high, color=color(chain), alpha=0.15, lw=0)
            if len(place) == 1:  # one Gaussian was enough: a point is no line
                ax.vlines(place, low, high, color=color(chain), lw=1.5, alpha=0.5)
            ax.plot(
                place,
                elbo[:, chain],
                color=color(chain),
                lw=1.5,
                marker=marker,
                ms=3.5,
                label=(f"{elbo.shape[1]} chains" if chain == 0 else None)
                if is_crowd
                else f"chain {chain}",
            )
        finite = elbo[np.isfinite(elbo)]
        highest = (elbo + 2 * error)[np.isfinite(elbo + 2 * error)]
        bounds = [finite.min(initial=np.inf), highest.max(initial=-np.inf)]
        evidence, se = (float(attrs.get(n, np.nan)) for n in ("log_evidence", "log_evidence_se"))
        if np.isfinite(evidence):
            ax.axhline(evidence, color=INK, lw=1.2, ls=(0, (4, 2)), label="log evidence")
            if np.isfinite(se):
                ax.axhspan(evidence - 2 * se, evidence + 2 * se, color=QUIET, alpha=0.2, lw=0)
            bounds[1] = max(bounds[1], evidence + 2 * (se if np.isfinite(se) else 0.0))
        # The climb of the first checks would flatten everything after it.
        late = elbo[len(elbo) // 3 :]
        late = late[np.isfinite(late)]
        if late.size:
            spread = max(bounds[1] - float(late.min()), 1e-6)
            bounds[0] = max(bounds[0], bounds[1] - 4 * spread)
        if np.isfinite(bounds).all():
            margin = 0.06 * max(bounds[1] - bounds[0], 1e-6)
            ax.set_ylim(bounds[0] - margin, bounds[1] + margin)
        ax.set_xlim(left=0, right=None)
        ax.set_xlabel(_AXES[x])
        ax.set_ylabel("ELBO, nats")
        ax.ticklabel_format(axis="y", useOffset=False)
        if x != "seconds":
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.legend(loc="best", ncols=2 if elbo.shape[1] > 3 and not is_crowd else 1)
    return ax
