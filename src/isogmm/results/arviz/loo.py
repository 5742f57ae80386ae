"""Leave-one-out cross-validation by either generation of ArviZ."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.arviz.versions import from_groups, is_first_generation, psis
from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm.results.arviz.working_directory import existing_directory
from isogmm.results.groups import SAMPLE_DIMS, Result, attributes, get_group
from isogmm.results.labeling.labels import DrawSource

if TYPE_CHECKING:
    import xarray as xr

    DataArray: TypeAlias = xr.DataArray
    #: The result of ``az.loo``, a Series in ArviZ 0.x and a dataclass in ArviZ 1.x.
    Elpd: TypeAlias = Any
else:
    DataArray = Elpd = object


class Loo(NamedTuple):
    """The result of leave-one-out cross-validation.

    Parameters
    ----------
    elpd, se
        Expected log pointwise predictive density, and its standard error.
    p
        Effective number of parameters.
    pareto_k
        Shape k of the tail of the importance ratios of each observation.
    """

    elpd: float
    se: float
    p: float
    pareto_k: np.ndarray


@existing_directory()
def loo(idata: Result, *, var_name: str | None = None) -> Loo:
    """Leave-one-out cross-validation of a result, as ``az.loo`` with ``reff=1``.

    If the draws come from the mixture (attribute ``draws_from``), the estimate is corrected for
    the difference between mixture and posterior (Magnusson et al. 2019, arXiv 1904.10679).  The
    ratios that are smoothed are then p / (q p(y_i | θ)) instead of 1 / p(y_i | θ).

    Parameters
    ----------
    idata
        A result with the group ``log_likelihood``.
    var_name
        The observed variable, if there are several.

    Returns
    -------
    Loo
        elpd, its standard error, the effective number of parameters, and k of each observation.

    Raises
    ------
    OptionError
        If the result has no log likelihood, or has several variables and ``var_name`` is not
        given.
    """
    names = list(get_group(idata, "log_likelihood").data_vars)
    if var_name is None and len(names) > 1:
        raise OptionError(f"several observed variables, {names}: choose one with var_name=")
    if attributes(idata).get("draws_from") == DrawSource.MIXTURE.value:
        values = get_group(idata, "log_likelihood")[var_name or names[0]].values
        stats = get_group(idata, "sample_stats")
        return _loo_of_mixture(values, stats["lp"].values - stats["log_q"].values)
    terms = get_group(idata, "log_likelihood")[var_name or names[0]].transpose(*SAMPLE_DIMS, ...)
    observations = terms[0, 0].drop_vars(SAMPLE_DIMS, errors="ignore")
    rows = loo_of_rows(terms.values.reshape(*terms.shape[:2], -1), 1.0)
    result = joined_loo([rows], observations, pointwise=True)
    fields = ("elpd_loo", "p_loo") if is_first_generation() else ("elpd", "p")
    elpd, p = (float(getattr(result, field)) for field in fields)
    return Loo(elpd, float(result.se), p, np.asarray(result.pareto_k).ravel())


@existing_directory()
def loo_of_rows(log_likelihood: Float[np.ndarray, "c n r"], reff: float) -> Elpd:
    """``az.loo`` of the log likelihood of some observations, with pointwise values.

    The term of a masked observation is zero in all draws. The importance ratios of an observation
    whose term is equal in all draws are equal and have no tail, for which ArviZ 0.x says k = inf
    and ArviZ 1.x raises an error. Here k is 0, and the term is its own estimate.
    """
    import xarray

    log_likelihood = np.asarray(log_likelihood)
    is_equal = (log_likelihood == log_likelihood[:1, :1]).all((0, 1))
    # ArviZ gets other values in place of equal terms.  Their results are replaced below.
    ramp = np.linspace(0.0, 1.0, log_likelihood[..., 0].size).reshape(log_likelihood.shape[:2])
    evaluated = log_likelihood
    if is_equal.any():
        evaluated = np.where(is_equal, ramp[..., None], log_likelihood)
    rows = xarray.Dataset({"rows": (("chain", "draw", "row"), evaluated)})
    if is_first_generation():
        from arviz import loo as function
    else:
        from arviz_stats import loo as function
    with np.errstate(all="ignore"), kept_filters():
        ignore(UserWarning)  # of large k; the result contains k
        ignore(RuntimeWarning)
        result = function(from_groups({"log_likelihood": rows}), pointwise=True, reff=reff)
    if not is_equal.any():
        return result
    suffix, of_rows, _ = _names()
    terms, k = getattr(result, of_rows).copy(), result.pareto_k.copy()
    replaced = terms.values[is_equal]
    excess = is_equal.sum() * (np.logaddexp.reduce(ramp, axis=None) - np.log(ramp.size))
    terms.values[is_equal], k.values[is_equal] = log_likelihood[0, 0, is_equal], 0.0
    fields = {
        **_totals(terms.values),
        f"p{suffix}": getattr(result, f"p{suffix}") - (excess - replaced.sum()),
        of_rows: terms,
        "pareto_k": k,
        "warning": bool((k.values > result.good_k).any()),
    }
    return _with_fields(result, fields)


def joined_loo(blocks: Sequence[Elpd], observations: DataArray, *, pointwise: bool) -> Elpd:
    """The result of ``az.loo`` for all observations, from those for disjoint parts of them.

    Parameters
    ----------
    blocks
        Results of :func:`loo_of_rows`, in the order of the observations.
    observations
        An array with the dimensions and the labels of the observations.
    pointwise
        Whether the result has an entry for each observation.
    """
    suffix, of_rows, _ = _names()
    arrays = {}
    for name in (of_rows, "pareto_k"):
        parts = [getattr(block, name) for block in blocks]
        values = np.concatenate([np.ravel(part.values) for part in parts])
        arrays[name] = observations.copy(data=values.reshape(observations.shape))
        arrays[name].name = parts[0].name
    values = arrays[of_rows].values
    fields: dict[str, object] = {
        **_totals(values),
        f"p{suffix}": sum(getattr(block, f"p{suffix}") for block in blocks),
        "n_data_points": values.size,
        "warning": any(block.warning for block in blocks),
        **(arrays if pointwise else dict.fromkeys(arrays)),
    }
    return _with_fields(blocks[0], fields)


def _names() -> tuple[str, str, int]:
    """Of ``ELPDData``: the ending of sums, the name of the terms, and the ddof of the variance."""
    return ("_loo", "loo_i", 0) if is_first_generation() else ("", "elpd_i", 1)


def _totals(terms: np.ndarray) -> dict[str, object]:
    """The sum of the terms of all observations, and its standard error."""
    suffix, _, ddof = _names()
    se = (terms.size * np.var(terms, ddof=ddof)) ** 0.5 if terms.size > ddof else 0.0
    return {f"elpd{suffix}": terms.sum(), "se": se}


def _with_fields(result: Elpd, fields: Mapping[str, object]) -> Elpd:
    """A result of ``az.loo`` with other values of some fields; None removes a field."""
    if not is_first_generation():
        return dataclasses.replace(result, **fields, log_weights=None)
    kept = {name: fields.get(name, value) for name, value in result.items()}
    kept = {name: value for name, value in kept.items() if value is not None}
    return type(result)(data=list(kept.values()), index=list(kept))


def _loo_of_mixture(
    log_likelihood: Float[np.ndarray, "c n *v"], log_ratios: Float[np.ndarray, "c n"]
) -> Loo:
    """elpd = Σ_i log Σ_s w_si p(y_i | θ_s), w_si ∝ p_s / (q_s p(y_i | θ_s)) smoothed over s."""
    rows = np.asarray(log_likelihood, dtype=np.float64).reshape(log_ratios.size, -1)
    smoothed = [psis(log_ratios.ravel() - row) for row in rows.T]
    held_out = np.array(
        [np.logaddexp.reduce(w + row) for (w, _), row in zip(smoothed, rows.T, strict=True)]
    )
    log_weights = psis(log_ratios.ravel())[0]
    p = float((np.logaddexp.reduce(log_weights[:, None] + rows, axis=0) - held_out).sum())
    se = float(np.sqrt(held_out.size * held_out.var(ddof=1))) if held_out.size > 1 else np.nan
    return Loo(float(held_out.sum()), se, p, np.array([k for _, k in smoothed]))
