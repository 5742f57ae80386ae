"""One interface to both generations of ArviZ; only `arviz_loo` imports ArviZ too.

A result is an ``InferenceData`` in ArviZ 0.x and an xarray ``DataTree`` in ArviZ 1.x.  Each
function imports the part of ArviZ that it needs.  On 1.x, xarray alone builds, reads and saves a
result, and PSIS and ESS need only ``arviz_stats``.  On 0.x all of these need ``arviz``.
"""

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import Float

from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm.results.arviz.working_directory import existing_directory
from isogmm.results.groups import (
    Dataset,
    Result,
    plain,
)

if TYPE_CHECKING:
    import pandas as pd

    DataFrame: TypeAlias = pd.DataFrame
else:
    DataFrame = object

#: Largest share of the draws in the tail of PSIS, and largest size of the tail in units of √S for
#: S draws (Vehtari et al. 2024, appendix H).
MAX_TAIL_SHARE, MAX_TAIL_SQRT = 0.2, 3.0

#: Fewest draws of which ArviZ fits the tail: the largest fifth has five.  Below, ArviZ 1.x raises
#: an error, and k counts as infinite.
MIN_TAIL_DRAWS = 25
#: Smallest range of the largest log ratios for which a tail is fitted.  Log ratios within a
#: smaller range count as equal.
MIN_TAIL_LOG_RANGE = 1e-6


@functools.cache
def is_first_generation() -> bool:
    """Whether the installed ArviZ is 0.x, with ``InferenceData`` instead of ``DataTree``."""
    return int(version("arviz").split(".")[0]) < 1


@existing_directory()
def from_groups(groups: Mapping[str, Dataset], attrs: Mapping[str, object] | None = None) -> Result:
    """An ArviZ object of the installed generation with these groups and root attributes."""
    attrs = plain(attrs or {})
    if is_first_generation():
        import arviz

        return arviz.InferenceData(attrs=attrs, warn_on_custom_groups=False, **groups)
    import xarray

    tree = xarray.DataTree.from_dict(dict(groups))
    tree.attrs.update(attrs)
    return tree


def read_netcdf(path: str, engine: str) -> Result:
    """A netCDF file, read into memory and closed."""
    if is_first_generation():
        preload()
        import arviz

        with arviz.rc_context({"data.load": "eager"}):
            return arviz.from_netcdf(path, engine=engine)
    import xarray

    with xarray.open_datatree(path, engine=engine) as tree:
        return tree.load()


def sampling_wrapper_class() -> type:
    """``SamplingWrapper``, the base class of refits for cross-validation.

    ArviZ 1.x rejects objects of other classes.
    """
    if is_first_generation():
        from arviz import SamplingWrapper
    else:
        from arviz_stats.loo import SamplingWrapper
    return SamplingWrapper


# --- statistics -------------------------------------------------------------------------------


@existing_directory()
def preload() -> None:
    """Import the packages of the statistics, for example while a model compiles."""
    importlib.import_module("scipy.stats")
    importlib.import_module("arviz" if is_first_generation() else "arviz_stats")


@existing_directory()
def psis(log_weights: Float[np.ndarray, "*n"]) -> tuple[Float[np.ndarray, "*n"], float]:
    """Pareto smoothed importance sampling (Vehtari et al. 2024, arXiv 1507.02646).

    A generalized Pareto distribution is fitted to the largest ratios, which are replaced by its
    quantiles.  The weights are reliable if its shape k is below 0.7.

    Parameters
    ----------
    log_weights
        Log importance ratios log p - log q of independent draws.  The array may have any shape;
        all entries form one sample.  Draws with ``-inf`` or NaN get no weight.

    Returns
    -------
    log_weights, k
        Smoothed log weights of the same shape, normalized over all entries, and k.  If the
        largest ratios are equal there is no tail: k is 0 and nothing is smoothed.  With
        fewer than 25 draws nothing is smoothed.  If no entry has weight, the weights are uniform.
        If some ratios are infinite, these entries share all weight equally.  In these three cases
        k is infinite.
    """
    ratios = np.array(log_weights, dtype=np.float64)
    ratios[np.isnan(ratios)] = -np.inf
    if np.all(ratios == -np.inf):
        return np.full(ratios.shape, -np.log(ratios.size)), np.inf
    if np.any(ratios == np.inf):
        return _normalized(np.where(ratios == np.inf, 0.0, -np.inf)), np.inf
    ratios -= ratios.max()
    flat = ratios.reshape(-1)
    # ArviZ fits the tail to these ratios.  The fit fails if they are equal.
    largest = np.partition(flat, -(num_largest := _tail_length(flat.size)))[-num_largest:]
    if largest.min() > -MIN_TAIL_LOG_RANGE:
        return _normalized(ratios), 0.0
    if flat.size < MIN_TAIL_DRAWS:
        return _normalized(ratios), np.inf
    with np.errstate(all="ignore"), kept_filters():
        ignore()  # k shows every problem that ArviZ warns about
        if is_first_generation():
            import arviz

            smoothed, shape = arviz.psislw(flat, reff=1.0)
        else:
            from arviz_stats.base import array_stats

            # This generation expects log likelihoods, the negative of log ratios.
            smoothed, shape = array_stats.psislw(-flat, r_eff=1.0)
    if np.isnan(shape):  # no distribution fits a small tail
        return _normalized(ratios), np.inf
    return _normalized(np.asarray(smoothed).reshape(ratios.shape)), float(shape)


def _tail_length(size: int) -> int:
    """Number of draws in the tail, min(S / 5, 3 √S), and one more for the threshold below it."""
    tail = np.ceil(min(MAX_TAIL_SHARE * size, MAX_TAIL_SQRT * np.sqrt(size)))
    return min(int(tail) + 1, size)


def _normalized(log_weights: np.ndarray) -> np.ndarray:
    """Log weights minus the log of their sum over all entries."""
    shifted = log_weights - log_weights.max()
    return shifted - np.log(np.exp(shifted).sum())


@existing_directory()
def ess(draws: Float[np.ndarray, "c n *v"], *, method: str = "bulk") -> Float[np.ndarray, "*v"]:
    """Effective sample size of all chains; ``method`` as in ArviZ (bulk, tail, mean, ...)."""
    draws = np.asarray(draws)
    with np.errstate(all="ignore"), kept_filters():
        ignore(RuntimeWarning)  # 0 / 0 for constant variables
        if is_first_generation():
            import arviz
            import xarray

            dims = [f"x_dim_{axis}" for axis in range(draws.ndim - 2)]
            dataset = xarray.Dataset({"x": (("chain", "draw", *dims), draws)})
            return np.asarray(arviz.ess(dataset, method=method)["x"].values)
        from arviz_stats.base import array_stats

        return np.asarray(array_stats.ess(draws, chain_axis=0, draw_axis=1, method=method))


@existing_directory()
def summary(idata: Result, *, ci_prob: float = 0.94, **kwargs: object) -> DataFrame:
    """Call ``az.summary``, with the same columns and intervals in ArviZ 0.x and 1.x.

    Parameters
    ----------
    idata
        A result.
    ci_prob
        Probability of the highest density interval.
    **kwargs
        Further arguments of ``az.summary``.

    Returns
    -------
    pandas.DataFrame
        The columns ``mean``, ``sd``, ``hdi_3%`` and ``hdi_97%`` (for ``ci_prob=0.94``),
        ``mcse_mean``, ``mcse_sd``, ``ess_bulk``, ``ess_tail`` and ``r_hat``, without rounding.
    """
    import arviz

    tail = 50 * (1 - ci_prob)  # percent on either side of the interval
    lower, upper = (f"hdi_{float(f'{edge:.6g}'):g}%" for edge in (tail, 100 - tail))
    if is_first_generation():
        table = arviz.summary(idata, hdi_prob=ci_prob, round_to="none", **kwargs)
    else:
        table = arviz.summary(idata, ci_prob=ci_prob, ci_kind="hdi", round_to="none", **kwargs)
    edges = [name for name in table.columns if name.startswith("hdi")]
    table = table.rename(columns=dict(zip(edges, (lower, upper), strict=True)))
    order = ["mean", "sd", lower, upper, "mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "r_hat"]
    return table[[name for name in order if name in table.columns]]
