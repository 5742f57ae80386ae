"""``compare``: one table of how far each method is from a reference, and of what it cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from isogmm.errors import OptionError
from isogmm.results.arviz_versions import ess, loo, psis, rhat
from isogmm.results.groups import attributes, get_group, group_names
from isogmm.views.comparison import distances, moments
from isogmm.views.comparison.align import Draws, read

_MOMENTS = ("mean_rms", "mean_max", "log_sd_rms", "log_sd_max", "quantile_rms", "quantile_max")


def compare(
    results: Mapping[str, Any],
    reference: Any,
    var_names: str | Sequence[str] | None = None,
    *,
    per_variable: bool = False,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Errors of several methods against a reference, each with the floor of an exact method.

    A reference made of draws is itself uncertain, and so is every method, so an exact method
    does not score 0.  Beside every error stands a column ``..._floor``: the typical (median)
    score of an exact method with as many effective draws as this one has, against a reference
    with as many as this reference has.  An error near its floor is no error that these draws
    can show; the row of the reference holds its own Monte Carlo error there.

    Parameters
    ----------
    results
        Method to its result: an ArviZ object of either generation, an ``xarray.Dataset`` of
        draws, or a mapping from variable to draws (chain, draw, ...) or (draw, ...).
    reference
        The key of the method to compare with, or draws in any of these forms.
    var_names
        Variables to compare; by default all, which every result then has to hold.
    per_variable
        One row per method and scalar instead of one per method.
    random_seed
        Seed of the random projections and of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Indexed by method: ``mean_rms``, ``mean_max`` (in sds of the reference),
        ``log_sd_rms``, ``log_sd_max``, ``quantile_rms``, ``quantile_max`` (5 to 95 %),
        ``sliced_w2`` (sliced 2-Wasserstein distance of standardized scalars), each followed by its
        floor; ``mmd2``, ``mmd2_se``, ``mmd2_floor`` (unbiased squared maximum mean discrepancy:
        exact draws scatter around 0 with the floor as standard deviation); ``ess_min``
        (smallest bulk effective sample size), ``rhat_max``, ``pareto_k``, ``log_evidence``,
        ``log_evidence_se``, ``elpd_loo``, ``elpd_loo_se``, ``loo_k_max`` (largest Pareto k of
        leave-one-out: above 0.7 its figure is not to be trusted), ``seconds``,
        ``gradient_evaluations``; NaN where a result does not say.

        With ``per_variable=True``, indexed by method and scalar: ``mean``, ``sd``,
        ``mean_error``, ``log_sd_error``, ``quantile_error`` (the largest of five levels) with
        floors, ``ess_bulk``, ``rhat``.  Scalars that do not vary in the reference are left out
        of the errors.

    Raises
    ------
    OptionError
        If variables, shapes or labels of the results differ: the message names them.
    """
    draws, name = read(results, reference, var_names)
    base = next(method for method in draws if method.name == name)
    judge = _Judge(base, np.random.default_rng(random_seed))
    if per_variable:
        return pd.concat(
            {method.name: judge.per_scalar(method) for method in draws}, names=["method"]
        )
    rows = {method.name: {**judge.scores(method), **_told(method)} for method in draws}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


class _Judge:
    """What is known of the reference, computed once for all methods."""

    def __init__(self, reference: Draws, generator: np.random.Generator) -> None:
        self.reference = reference
        if not np.isfinite(reference.values).all():
            raise OptionError(f"the reference {reference.name!r} has draws that are not finite")
        everything = moments.statistics(reference.rows)
        self.varies = moments.varies(everything)
        if not self.varies.any():
            raise OptionError(f"no variable of the reference {reference.name!r} varies")
        self.values = reference.values[..., self.varies]
        rows = self.values.reshape(-1, self.values.shape[-1])
        self.statistics = moments.statistics(rows)
        self.sizes = moments.effective_draws(self.values)
        self.noise = moments.sampling_noise(rows, generator)
        self.directions = distances.directions(rows.shape[1], generator)
        self.rows = self._standardized(self.values)
        self.projected = self.rows @ self.directions
        self.sliced_noise = distances.sliced_noise(self.projected, generator)

    def _standardized(self, values: np.ndarray) -> np.ndarray:
        rows = values.reshape(-1, values.shape[-1])
        return (rows - self.statistics["mean"]) / np.exp(self.statistics["log_sd"])

    def scores(self, method: Draws) -> dict[str, float]:
        """All errors and floors of one method; NaN where its draws are not finite."""
        is_reference = method is self.reference
        values = method.values[..., self.varies]
        is_finite = bool(np.isfinite(values).all())
        sizes = moments.effective_draws(values) if is_finite else self.sizes
        known = (self.sizes,) if is_reference else (self.sizes, sizes)
        floors = moments.floors(moments.exact_errors(self.noise, *known))
        found = dict.fromkeys(_MOMENTS, np.nan)
        sliced, discrepancy = np.nan, distances.Discrepancy(np.nan, np.nan, np.nan)
        if is_finite and not is_reference:
            rows = values.reshape(-1, values.shape[-1])
            found = moments.scores(moments.errors(moments.statistics(rows), self.statistics))
            standardized = self._standardized(values)
            sliced = distances.sliced_wasserstein(standardized @ self.directions, self.projected)
            discrepancy = self._discrepancy(standardized, sizes)
        row = {}
        for name in _MOMENTS:
            row[name], row[f"{name}_floor"] = found[name], floors[name]
        # Squared distances add up 1 / size over the scalars: the harmonic mean counts.
        row["sliced_w2"] = sliced
        row["sliced_w2_floor"] = self.sliced_noise * np.sqrt(
            sum(np.mean(1.0 / size["mean"]) for size in known)
        )
        row["mmd2"], row["mmd2_se"], row["mmd2_floor"] = discrepancy
        row["ess_min"] = _extreme(ess(values), np.nanmin) if is_finite else np.nan
        row["rhat_max"] = _extreme(rhat(values), np.nanmax) if is_finite else np.nan
        return row

    def _discrepancy(self, rows: np.ndarray, sizes: moments.Statistics) -> distances.Discrepancy:
        """On draws thinned until they are about independent, as the standard error assumes."""
        independent: list[Any] = [1.0 / np.mean(1.0 / size["mean"]) for size in (self.sizes, sizes)]
        size = int(min(distances.KERNEL_ROWS, len(rows), len(self.rows), *independent))
        reference = distances.thinned(self.rows, max(size, 4))
        return distances.maximum_mean_discrepancy(
            distances.thinned(rows, max(size, 4)), reference, distances.bandwidth(reference)
        )

    def per_scalar(self, method: Draws) -> pd.DataFrame:
        """One row per scalar."""
        is_reference = method is self.reference
        rows = method.rows
        own = moments.statistics(rows)
        labels = pd.Index(method.labels, name="variable")
        table = pd.DataFrame({"mean": own["mean"], "sd": np.exp(own["log_sd"])}, index=labels)
        values = method.values[..., self.varies]
        is_finite = bool(np.isfinite(values).all())
        sizes = moments.effective_draws(values) if is_finite else self.sizes
        known = (self.sizes,) if is_reference else (self.sizes, sizes)
        exact = moments.exact_errors(self.noise, *known)
        found = moments.errors(
            {name: part[..., self.varies] for name, part in own.items()}, self.statistics
        )
        for name, error in found.items():
            typical = np.abs(exact[name])
            if name == "quantile":
                worst = np.abs(error).argmax(axis=0)
                error = np.take_along_axis(error, worst[None], axis=0)[0]
                typical = typical.max(axis=1)
            table[f"{name}_error"] = self._placed(np.nan if is_reference else error)
            table[f"{name}_error_floor"] = self._placed(np.median(typical, axis=0))
        table["ess_bulk"] = self._placed(ess(values) if is_finite else np.nan)
        table["rhat"] = self._placed(rhat(values) if is_finite else np.nan)
        return table

    def _placed(self, values: Any) -> np.ndarray:
        full = np.full(len(self.varies), np.nan)
        full[self.varies] = values
        return full


def _extreme(values: np.ndarray, which: Any) -> float:
    return float(which(values)) if np.isfinite(values).any() else np.nan


def _told(method: Draws) -> dict[str, float]:
    """What the result itself says: evidence, predictive density, cost."""
    attrs = attributes(method.idata) if method.idata is not None else {}
    elpd, elpd_se, loo_k = _elpd(method.idata)
    told = {
        "pareto_k": attrs.get("pareto_k", _pareto_k(method.idata)),
        "log_evidence": attrs.get("log_evidence", np.nan),
        "log_evidence_se": attrs.get("log_evidence_se", np.nan),
        "elpd_loo": elpd,
        "elpd_loo_se": elpd_se,
        "loo_k_max": loo_k,
        "seconds": attrs.get("sampling_time", np.nan),
        "gradient_evaluations": attrs.get("num_gradient_evaluations", np.nan),
    }
    return {name: float(value) for name, value in told.items()}


def _pareto_k(idata: Any) -> float:
    """From the log density and log q of the draws, where a variational method stores both."""
    if idata is None or "sample_stats" not in group_names(idata):
        return np.nan
    stats = get_group(idata, "sample_stats")
    if not {"lp", "log_q"} <= set(stats.data_vars):
        return np.nan
    return psis(stats["lp"].values - stats["log_q"].values)[1]


def _elpd(idata: Any) -> tuple[float, float, float]:
    """Sum over the observed variables, errors added in quadrature, and the largest Pareto k."""
    found = []
    if idata is not None and "log_likelihood" in group_names(idata):
        names = [str(name) for name in get_group(idata, "log_likelihood").data_vars]
        try:
            found = [loo(idata, var_name=name) for name in names]
        except ValueError:  # draws that are all the same leave no tail to smooth
            found = []
    if not found:
        return np.nan, np.nan, np.nan
    se = float(np.sqrt(sum(one.se**2 for one in found)))
    return sum(one.elpd for one in found), se, float(max(one.pareto_k.max() for one in found))
