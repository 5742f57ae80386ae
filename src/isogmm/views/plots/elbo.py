"""The ELBO during a fit."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from isogmm.errors import OptionError
from isogmm.results.groups import Result, attributes, get_group, group_names
from isogmm.views.elbo_range import lower_limit, without_noisy_end
from isogmm.views.plots.style import COLORS, INK, QUIET, color, style

#: Labels of the horizontal axis by the option ``x``.
_AXES = {
    "gradient_evaluations": "gradient evaluations of the mixture",
    "iteration": "iteration",
    "seconds": "seconds of the mixture",
}
#: Traces with at least this number of checks are drawn without markers.
MIN_CHECKS_WITHOUT_MARKERS = 25
#: Margin above and below the ELBO, as a share of its range.
MARGIN = 0.06
#: Smallest range of the ELBO that is shown, in nats.
MIN_SPREAD = 1e-6


def plot_elbo(idata: Result, *, x: str = "gradient_evaluations", ax: Axes | None = None) -> Axes:
    """Plot the ELBO of every chain during the fit, with two standard errors, and the log evidence.

    The diamond at the end is the ELBO of the final mixture on fresh draws, as in the report.  Its
    distance to the log evidence is the KL divergence from the mixture to the posterior, in nats.
    The last points combine several checks with weights by inverse variance, because each of these
    checks averages few iterations.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.
    x
        ``gradient_evaluations``, ``iteration`` or ``seconds``.
    ax
        Axes to draw into.  By default a new figure is made.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    OptionError
        If the result has no history of a fit, or ``x`` is none of the three.
    """
    if x not in _AXES:
        raise OptionError(f"x must be one of {list(_AXES)}, got {x!r}")
    if "fit_stats" not in group_names(idata):
        raise OptionError(
            "the result has no group 'fit_stats', which contains the ELBO. Give a result of "
            "fit_isogmm or fit_gmmvi."
        )
    stats, attrs = get_group(idata, "fit_stats"), attributes(idata)
    evidence, evidence_se, final, final_se = (
        float(attrs.get(name, np.nan))
        for name in ("log_evidence", "log_evidence_se", "elbo", "elbo_se")
    )
    position, elbo, error = without_noisy_end(
        stats[x].values.astype(float),
        stats["elbo"].transpose("check", "chain").values.astype(float),
        stats["elbo_se"].transpose("check", "chain").values.astype(float),
    )
    num_chains = elbo.shape[1]
    has_many_chains = num_chains > len(COLORS)
    with style() as plt:
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
        _draw_chains(ax, position, elbo, error)
        if np.isfinite([final, final_se]).all():
            _draw_final(ax, position[-1], final, final_se)
        if np.isfinite(evidence):
            _draw_evidence(ax, evidence, evidence_se)
        everything = (
            np.vstack([elbo, np.full(num_chains, final)]),
            np.vstack([error, np.full(num_chains, final_se)]),
        )
        low, high = _limits(*everything, evidence, evidence_se)
        if np.isfinite([low, high]).all():
            margin = MARGIN * max(high - low, MIN_SPREAD)
            ax.set_ylim(low - margin, high + margin)
        ax.set_xlim(left=0, right=None)
        ax.set_xlabel(_AXES[x])
        ax.set_ylabel("ELBO, nats")
        ax.ticklabel_format(axis="y", useOffset=False)
        if x != "seconds":
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.legend(loc="best", ncols=2 if num_chains > 3 and not has_many_chains else 1)
    return ax


def _draw_final(ax: Axes, position: float, elbo: float, error: float) -> None:
    """A diamond and two standard errors."""
    ax.vlines(position, elbo - 2 * error, elbo + 2 * error, color=INK, lw=1.5, zorder=3)
    ax.scatter(
        position,
        elbo,
        marker="D",
        s=30,
        color=INK,
        ec="white",
        lw=0.8,
        zorder=4,
        clip_on=False,
        label="final mixture",
    )


def _draw_chains(
    ax: Axes,
    position: Float[np.ndarray, " t"],
    elbo: Float[np.ndarray, "t c"],
    error: Float[np.ndarray, "t c"],
) -> None:
    """A line with a band for each chain."""
    num_chains = elbo.shape[1]
    has_many_chains = num_chains > len(COLORS)
    for chain in range(num_chains):
        low, high = elbo[:, chain] - 2 * error[:, chain], elbo[:, chain] + 2 * error[:, chain]
        ax.fill_between(position, low, high, color=color(chain), alpha=0.15, lw=0)
        if len(position) == 1:  # a band of one point has no area
            ax.vlines(position, low, high, color=color(chain), lw=1.5, alpha=0.5)
        if has_many_chains:
            label = f"{num_chains} chains" if chain == 0 else None
        else:
            label = f"chain {chain}"
        ax.plot(
            position,
            elbo[:, chain],
            color=color(chain),
            lw=1.5,
            marker="o" if len(position) < MIN_CHECKS_WITHOUT_MARKERS else None,
            ms=3.5,
            label=label,
        )


def _draw_evidence(ax: Axes, evidence: float, evidence_se: float) -> None:
    ax.axhline(evidence, color=INK, lw=1.2, ls=(0, (4, 2)), label="log evidence")
    if np.isfinite(evidence_se):
        low, high = evidence - 2 * evidence_se, evidence + 2 * evidence_se
        ax.axhspan(low, high, color=QUIET, alpha=0.2, lw=0)


def _limits(
    elbo: Float[np.ndarray, "t c"],
    error: Float[np.ndarray, "t c"],
    evidence: float,
    evidence_se: float,
) -> tuple[float, float]:
    """Limits of the vertical axis; infinite if nothing is finite."""
    upper = elbo + 2 * error
    low = float(elbo[np.isfinite(elbo)].min(initial=np.inf))
    high = float(upper[np.isfinite(upper)].max(initial=-np.inf))
    if np.isfinite(evidence):
        high = max(high, evidence + 2 * (evidence_se if np.isfinite(evidence_se) else 0.0))
    return lower_limit(elbo, low, high, MIN_SPREAD), high
