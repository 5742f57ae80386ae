"""Numbers that a result contains itself: diagnostics, evidence, predictive density and cost."""

import numpy as np

from isogmm.results.arviz.loo import loo
from isogmm.results.arviz.versions import psis
from isogmm.results.groups import Result, attributes, get_group, group_names


def reported(idata: Result | None) -> dict[str, float]:
    """Columns of the table that do not depend on the reference; NaN where unknown."""
    attrs = attributes(idata) if idata is not None else {}
    elpd, elpd_se, loo_k = _elpd(idata)
    columns = {
        "pareto_k": attrs.get("pareto_k", _pareto_k(idata)),
        "log_evidence": attrs.get("log_evidence", np.nan),
        "log_evidence_se": attrs.get("log_evidence_se", np.nan),
        "elpd_loo": elpd,
        "elpd_loo_se": elpd_se,
        "loo_k_max": loo_k,
        "seconds": attrs.get("sampling_time", np.nan),
        "gradient_evaluations": attrs.get("num_gradient_evaluations", np.nan),
    }
    return {name: float(value) for name, value in columns.items()}


def _pareto_k(idata: Result | None) -> float:
    """Pareto k of the draws, if the result contains their log density and their log q."""
    if idata is None or "sample_stats" not in group_names(idata):
        return np.nan
    stats = get_group(idata, "sample_stats")
    if not {"lp", "log_q"} <= set(stats.data_vars):
        return np.nan
    return psis(stats["lp"].values - stats["log_q"].values)[1]


def _elpd(idata: Result | None) -> tuple[float, float, float]:
    """Predictive density of all observed variables, its standard error, and the largest Pareto k.

    Densities are summed over the variables, standard errors are added in quadrature.
    """
    found = []
    if idata is not None and "log_likelihood" in group_names(idata):
        names = [str(name) for name in get_group(idata, "log_likelihood").data_vars]
        try:
            found = [loo(idata, var_name=name) for name in names]
        except ValueError:  # ArviZ 1.x refuses terms whose largest ratios are equal
            found = []
    if not found:
        return np.nan, np.nan, np.nan
    se = float(np.sqrt(sum(one.se**2 for one in found)))
    return sum(one.elpd for one in found), se, float(max(one.pareto_k.max() for one in found))
