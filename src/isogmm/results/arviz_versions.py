"""The only file that imports ArviZ, in both generations.

ArviZ 0.x has the class ``InferenceData``, ArviZ 1.x xarray's ``DataTree``.  ArviZ is imported
inside the functions that need it: on 1.x, building, reading and saving a result needs xarray alone,
and PSIS, R-hat and ESS need ``arviz_stats``; on 0.x the class itself is in ``arviz``.
"""

import functools
import importlib
import os
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.groups import (
    add_group,
    attributes,
    get_group,
    group_names,
    plain,
    with_text_labels,
)


@functools.cache
def is_first_generation() -> bool:
    """Whether the installed ArviZ is 0.x: its results are ``InferenceData``, not ``DataTree``."""
    return int(version("arviz").split(".")[0]) < 1


def from_groups(groups: Mapping[str, xr.Dataset], attrs: Mapping[str, Any] | None = None) -> Any:
    """An ArviZ object of the installed generation with these groups and root attributes."""
    attrs = plain(attrs or {})
    if is_first_generation():
        import arviz

        return arviz.InferenceData(attrs=attrs, warn_on_custom_groups=False, **groups)
    tree = xr.DataTree.from_dict(dict(groups))
    tree.attrs.update(attrs)
    return tree


# --- files ------------------------------------------------------------------------------------


def save(idata: Any, path: str | os.PathLike[str]) -> None:
    """Write a result as netCDF; the file stands alone and either ArviZ generation reads it.

    Labels that no file takes (intervals, periods) are written as text.
    """
    changed = {}
    for name in group_names(idata):
        group = get_group(idata, name)
        if (written := with_text_labels(group)) is not group:
            changed[name] = written
    if changed:
        idata = idata.copy()
        for name, written in changed.items():
            add_group(idata, name, written)
    idata.to_netcdf(os.fspath(path), engine="h5netcdf")


def load(path: str | os.PathLike[str]) -> Any:
    """Read a result into memory and close the file, so that it can be replaced or removed."""
    if is_first_generation():
        import arviz

        with arviz.rc_context({"data.load": "eager"}):
            return arviz.from_netcdf(os.fspath(path), engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()


# --- statistics -------------------------------------------------------------------------------


def preload() -> None:
    """Import what the statistics need; meant for a time when something else compiles."""
    importlib.import_module("arviz" if is_first_generation() else "arviz_stats")


def psis(log_weights: Float[np.ndarray, "*n"]) -> tuple[Float[np.ndarray, "*n"], float]:
    """Pareto smoothed importance sampling (Vehtari et al. 2024, arXiv 1507.02646).

    The largest ratios are replaced by quantiles of a generalized Pareto distribution fitted to
    them; its shape k says how far the weights can be trusted (below 0.7).

    Parameters
    ----------
    log_weights
        Log importance ratios log p - log q of independent draws, any shape; all entries form
        one sample.  ``-inf`` and NaN are draws without weight.

    Returns
    -------
    log_weights, k
        Smoothed and normalized over all entries, of the same shape, and k.  Where the largest
        ratios are equal there is no tail: k = 0, and nothing is smoothed.  Where no entry has
        weight they are uniform, where some ratio is infinite those entries share all weight; k
        is infinite in both cases.
    """
    ratios = np.array(log_weights, dtype=np.float64)
    ratios[np.isnan(ratios)] = -np.inf
    if np.all(ratios == -np.inf):
        return np.full(ratios.shape, -np.log(ratios.size)), np.inf
    if np.any(ratios == np.inf):
        return _normalized(np.where(ratios == np.inf, 0.0, -np.inf)), np.inf
    ratios -= ratios.max()
    flat = ratios.reshape(-1)
    # ArviZ fits its tail to so many of the largest ratios; where they are equal there is none.
    largest = np.partition(flat, -(num_largest := _tail_length(flat.size)))[-num_largest:]
    if largest.min() > -1e-6:
        return _normalized(ratios), 0.0
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ArviZ warns about is in k
        if is_first_generation():
            import arviz

            smoothed, shape = arviz.psislw(flat, reff=1.0)
        else:
            from arviz_stats.base import array_stats

            # This generation expects log likelihoods, the negative of log ratios.
            smoothed, shape = array_stats.psislw(-flat, r_eff=1.0)
    return _normalized(np.asarray(smoothed).reshape(ratios.shape)), float(shape)


def _tail_length(size: int) -> int:
    """Draws in the tail and the one before: min(S / 5, 3 √S) (Vehtari et al. 2024, appendix H)."""
    return min(int(np.ceil(min(0.2 * size, 3.0 * np.sqrt(size)))) + 1, size)


def _normalized(log_weights: np.ndarray) -> np.ndarray:
    shifted = log_weights - log_weights.max()
    return shifted - np.log(np.exp(shifted).sum())


def rhat(draws: Float[np.ndarray, "c n *v"]) -> Float[np.ndarray, "*v"]:
    """Rank-normalized split R-hat (Vehtari et al. 2021), the larger of bulk and tail."""
    return _diagnostic("rhat", np.asarray(draws), "rank")


def ess(draws: Float[np.ndarray, "c n *v"], *, method: str = "bulk") -> Float[np.ndarray, "*v"]:
    """Effective sample size over all chains; ``method`` as in ArviZ (bulk, tail, mean, ...)."""
    return _diagnostic("ess", np.asarray(draws), method)


def _diagnostic(name: str, draws: np.ndarray, method: str) -> np.ndarray:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant variables divide zero by zero
        if is_first_generation():
            import arviz

            dims = [f"x_dim_{axis}" for axis in range(draws.ndim - 2)]
            dataset = xr.Dataset({"x": (("chain", "draw", *dims), draws)})
            return np.asarray(getattr(arviz, name)(dataset, method=method)["x"].values)
        from arviz_stats.base import array_stats

        function = getattr(array_stats, name)
        return np.asarray(function(draws, chain_axis=0, draw_axis=1, method=method))


def summary(idata: Any, *, ci_prob: float = 0.94, **kwargs: Any) -> Any:
    """``az.summary`` with the same columns, intervals and rounding on both generations.

    Columns: ``mean``, ``sd``, ``hdi_3%``, ``hdi_97%`` (for ``ci_prob=0.94``), ``mcse_mean``,
    ``mcse_sd``, ``ess_bulk``, ``ess_tail``, ``r_hat``; not rounded.
    """
    import arviz

    tail = 50 * (1 - ci_prob)
    lower, upper = (f"hdi_{float(f'{edge:.6g}'):g}%" for edge in (tail, 100 - tail))
    if is_first_generation():
        table = arviz.summary(idata, hdi_prob=ci_prob, round_to="none", **kwargs)
    else:
        table = arviz.summary(idata, ci_prob=ci_prob, ci_kind="hdi", round_to="none", **kwargs)
    edges = [name for name in table.columns if name.startswith("hdi")]
    table = table.rename(columns=dict(zip(edges, (lower, upper), strict=True)))
    order = ["mean", "sd", lower, upper, "mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "r_hat"]
    return table[[name for name in order if name in table.columns]]


class Loo(NamedTuple):
    """Leave-one-out cross-validation: expected log pointwise predictive density and its error."""

    elpd: float
    se: float
    p: float
    pareto_k: np.ndarray


def loo(idata: Any, *, var_name: str | None = None) -> Loo:
    """PSIS leave-one-out cross-validation of independent draws (``reff=1``).

    Draws of the mixture itself, as a result says with ``draws_from``, are corrected for what
    the mixture is off, by their log joint density and ``log_q`` (Magnusson et al. 2019, arXiv
    1904.10679): the ratios that are smoothed are p / (q p(y_i | θ)) in place of 1 / p(y_i | θ).

    Raises
    ------
    OptionError
        If the result has no log likelihood, or several variables and none is chosen.
    """
    names = list(get_group(idata, "log_likelihood").data_vars)
    if var_name is None and len(names) > 1:
        raise OptionError(f"several observed variables, {names}: choose one with var_name=")
    if attributes(idata).get("draws_from") == "mixture":
        values = get_group(idata, "log_likelihood")[var_name or names[0]].values
        stats = get_group(idata, "sample_stats")
        return _loo_of_mixture(values, stats["lp"].values - stats["log_q"].values)
    import arviz

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # large k: the values are returned
        # Draws far outside overflow in the fit of the tail, whose k says so.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = arviz.loo(idata, pointwise=True, var_name=var_name, reff=1.0)
    fields = ("elpd_loo", "p_loo") if is_first_generation() else ("elpd", "p")
    elpd, p = (float(getattr(result, field)) for field in fields)
    return Loo(elpd, float(result.se), p, np.asarray(result.pareto_k).ravel())


def _loo_of_mixture(
    log_likelihood: Float[np.ndarray, "c n *v"], log_ratios: Float[np.ndarray, "c n"]
) -> Loo:
    """elpd = Σ_i log Σ_s w_si p(y_i | θ_s), w_si ∝ p_s / (q_s p(y_i | θ_s)) smoothed over s."""
    rows = np.asarray(log_likelihood, dtype=np.float64).reshape(log_ratios.size, -1)
    smoothed = [psis(log_ratios.ravel() - row) for row in rows.T]
    held_out = np.array(
        [np.logaddexp.reduce(w + row) for (w, _), row in zip(smoothed, rows.T, strict=True)]
    )
    everything = psis(log_ratios.ravel())[0]
    p = float((np.logaddexp.reduce(everything[:, None] + rows, axis=0) - held_out).sum())
    se = float(np.sqrt(held_out.size * held_out.var(ddof=1))) if held_out.size > 1 else np.nan
    return Loo(float(held_out.sum()), se, p, np.array([k for _, k in smoothed]))
