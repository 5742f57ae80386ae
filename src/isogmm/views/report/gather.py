"""The facts of a report, read from a result."""

import json
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import xarray as xr

from isogmm.errors import OptionError
from isogmm.results.groups import Result, attributes, get_group, group_names
from isogmm.results.labels import DrawSource
from isogmm.results.stop_reason import StopReason
from isogmm.views.report.facts import MAX_MODES, MAX_VARIABLES, Facts, Stage
from isogmm.views.report.formatting import DASH, clean, number, seconds, with_error
from isogmm.views.report.modes import modes_of
from isogmm.views.report.variables import variables_of

Attributes: TypeAlias = Mapping[str, str | int | float]

#: Descriptions of the sources of draws, by the text that a result stores.
_SOURCES = {
    DrawSource.MIXTURE.value: "drawn from the mixture",
    DrawSource.IMPORTANCE.value: "drawn from the mixture, chosen by importance weights",
    DrawSource.CHAINS.value: "improved by parallel chains",
}


def gather(idata: Result) -> Facts:
    """Read a result of ``fit_isogmm``.

    Raises
    ------
    OptionError
        If the object does not come from ``fit_isogmm``.
    """
    if "fit" not in group_names(idata):
        library = attributes(idata).get("inference_library", "unknown")
        raise OptionError(
            "report needs a result of fit_isogmm, which has a group 'fit'. This object has the "
            f"groups {group_names(idata)} (inference_library={library!r}). Use isogmm.compare to "
            "compare results of other methods."
        )
    attrs, fit = attributes(idata), get_group(idata, "fit")
    trace, gradients = _trace(idata)
    variables, modes = variables_of(fit), modes_of(fit)
    version = attrs.get("inference_library_version", "")
    return Facts(
        title=clean(f"isogmm {version}".strip()),
        verdict=clean(attrs.get("verdict", "unknown")),
        advice=clean(attrs.get("advice", "The result contains no verdict.")),
        rows=_rows(attrs, idata),
        stop=_stop(attrs),
        modes=modes[:MAX_MODES],
        num_modes=len(modes),
        variables=variables[:MAX_VARIABLES],
        num_variables=len(variables),
        trace=trace,
        trace_gradients=gradients,
        stages=_stages(attrs),
        created_at=clean(str(attrs.get("created_at", ""))[:19].replace("T", " ")),
    )


def _rows(attrs: Attributes, idata: Result) -> tuple[tuple[str, str], ...]:
    """Labels and values of the summary, without those that the result does not contain."""

    def get(name: str) -> float:
        value = attrs.get(name, np.nan)
        return float(value) if isinstance(value, int | float) else np.nan

    evidence = with_error(get("log_evidence"), get("log_evidence_se"))
    if "log_evidence" in attrs and not np.isfinite(get("log_evidence")):
        evidence = "withheld: the mixture is too far from the posterior to estimate it"
    num_nonfinite = get("num_nonfinite")
    rows = [
        ("ELBO", with_error(get("elbo"), get("elbo_se"))),
        ("log evidence", evidence),
        ("Pareto k", number(get("pareto_k"))),
        ("importance ESS", number(get("importance_ess"), 0)),
        ("draws", _draws(attrs, idata)),
        ("scales in non-centered form", str(attrs.get("refine_scales") or DASH)),
        ("time", seconds(get("sampling_time"))),
        ("gradient evaluations", number(get("num_gradient_evaluations"), 0)),
        ("draws without finite density", number(num_nonfinite, 0) if num_nonfinite > 0 else DASH),
    ]
    return tuple((label, clean(text)) for label, text in rows if text != DASH)


def _draws(attrs: Attributes, idata: Result) -> str:
    """Shape and source of the draws."""
    if "posterior" not in group_names(idata):
        return DASH
    sizes, source = get_group(idata, "posterior").sizes, str(attrs.get("draws_from", ""))
    shape = f"{sizes.get('chain', 0)} chains × {sizes.get('draw', 0):,}"
    return ", ".join(filter(None, (shape, _SOURCES.get(source, source))))


def _stop(attrs: Attributes) -> str:
    """Why the fit stopped, as a sentence."""
    reason = str(attrs.get("stop_reason", ""))
    if reason == StopReason.CONVERGED.value and attrs.get("iterations") == 0:
        return "One Gaussian is enough: a mixture would not improve the ELBO noticeably."
    known = {one.value: one.sentence for one in StopReason}
    return known.get(reason, clean(reason))


def _trace(idata: Result) -> tuple[np.ndarray, np.ndarray]:
    """ELBO (t, c) by check and chain, and gradient evaluations up to each check (t,)."""
    stats = get_group(idata, "fit_stats") if "fit_stats" in group_names(idata) else xr.Dataset()
    if "elbo" not in stats:
        return np.empty((0, 0)), np.empty(0)
    elbo = stats["elbo"].transpose("check", "chain").values.astype(float)
    if "gradient_evaluations" in stats:
        return elbo, stats["gradient_evaluations"].values
    return elbo, np.arange(len(elbo))


def _stages(attrs: Attributes) -> tuple[Stage, ...]:
    """Cost of each stage; empty if the result does not contain it or it cannot be read."""
    try:
        times = json.loads(str(attrs["stage_seconds"]))
        gradients = json.loads(str(attrs.get("stage_gradient_evaluations", "{}")))
        return tuple(
            Stage(clean(name), float(time), int(gradients.get(name, 0)))
            for name, time in times.items()
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return ()
