"""The facts of a report, read from a result."""

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import xarray as xr

from isogmm.errors import OptionError
from isogmm.results.groups import Result, attributes, get_group, group_names
from isogmm.results.labeling.labels import DrawSource
from isogmm.results.labeling.labels import Stage as FitStage
from isogmm.results.stop_reason import StopReason
from isogmm.views.elbo_range import without_noisy_end
from isogmm.views.report.convergence import convergence_rows
from isogmm.views.report.damage import Damage, number_of
from isogmm.views.report.facts import MAX_MODES, MAX_VARIABLES, Facts, Mode, Stage, Variable
from isogmm.views.report.formatting import DASH, clean, number, seconds, with_error
from isogmm.views.report.modes import modes_of
from isogmm.views.report.search import search_rows
from isogmm.views.report.variables import variables_of

#: Label of the importance weights by the source of the draws, as text.  The weights describe the
#: mixture; other draws have other diagnostics.
_WEIGHTS = {
    DrawSource.MIXTURE.value: "importance weights of the draws",
    DrawSource.IMPORTANCE.value: "mixture before reweighting",
    DrawSource.CHAINS.value: "mixture before refinement",
}

Attributes: TypeAlias = Mapping[str, str | int | float]

#: Share of the time that no stage explains, above which it has a row of its own.
MIN_OTHER_SHARE = 0.005
#: What each stage does, by the key of the attribute ``stage_seconds``.
_DESCRIPTIONS = {stage.value: stage.description for stage in FitStage}
#: Descriptions of the sources of draws, by the text that a result stores.
_SOURCES = {
    DrawSource.MIXTURE.value: "drawn from the mixture",
    DrawSource.IMPORTANCE.value: "drawn from the mixture, selected by importance weights",
    DrawSource.CHAINS.value: "drawn by parallel HMC chains",
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
    damage = Damage()
    no_variables: tuple[Variable, ...] = ()
    no_modes: tuple[Mode, ...] = ()
    no_stages: tuple[Stage, ...] = ()
    no_trace = np.empty((0, 0)), np.empty(0)
    trace, gradients = damage.read("ELBO trace", lambda: _trace(idata), no_trace)
    variables = damage.read("variables", lambda: variables_of(fit), no_variables)
    modes = damage.read("modes", lambda: modes_of(fit, damage), no_modes)
    stages = damage.read("costs", lambda: _stages(attrs), no_stages)
    rows = _rows(attrs, idata, damage)
    version = attrs.get("inference_library_version", "")
    return Facts(
        title=clean(f"isogmm {version}".strip()),
        verdict=clean(attrs.get("verdict", "unknown")),
        advice=clean(attrs.get("advice", "The result contains no verdict.")),
        rows=(*rows, *damage.rows),
        stop=_stop(attrs),
        modes=modes[:MAX_MODES] if len(modes) > 1 else (),
        num_modes=len(modes),
        variables=variables[:MAX_VARIABLES],
        num_variables=len(variables),
        trace=trace,
        trace_gradients=gradients,
        stages=stages,
        evaluations=_evaluations(attrs),
        created_at=clean(str(attrs.get("created_at", ""))[:19].replace("T", " ")),
    )


def _rows(attrs: Attributes, idata: Result, damage: Damage) -> tuple[tuple[str, str], ...]:
    """Labels and values of the summary, without those that the result does not contain."""

    def get(name: str) -> float:
        return number_of(attrs.get(name))

    evidence = with_error(get("log_evidence"), get("log_evidence_se"))
    if "log_evidence" in attrs and not np.isfinite(get("log_evidence")):
        evidence = "not reported: the mixture is too far from the posterior"
    num_nonfinite, num_values = get("num_nonfinite"), get("num_value_evaluations")
    no_rows: list[tuple[str, str]] = []
    rows = [
        ("draws", damage.read("draws", lambda: _draws(attrs, idata), DASH)),
        *damage.read("convergence of the draws", lambda: _convergence(attrs, idata), no_rows),
        (_WEIGHTS.get(str(attrs.get("draws_from")), "importance weights"), _weights(get)),
        ("components", damage.read("components", lambda: _components(idata), DASH)),
        ("ELBO", with_error(get("elbo"), get("elbo_se"))),
        ("log evidence", evidence),
        *search_rows(attrs, damage),
        ("scales in non-centered form", str(attrs.get("refine_scales") or DASH)),
        ("time", seconds(get("sampling_time"))),
        (_evaluations(attrs), number(get("num_gradient_evaluations"), 0)),
        ("evaluations without gradient", number(num_values, 0) if num_values > 0 else DASH),
        (
            "draws without finite log density",
            number(num_nonfinite, 0) if num_nonfinite > 0 else DASH,
        ),
    ]
    return tuple((label, clean(text)) for label, text in rows if text != DASH)


def _convergence(attrs: Attributes, idata: Result) -> list[tuple[str, str]]:
    """Largest R-hat and smallest effective sample size."""
    stored = number_of(attrs.get("rhat_max")), str(attrs.get("rhat_max_name", ""))
    return convergence_rows(idata, *stored)


def _evaluations(attrs: Attributes) -> str:
    """What the cost counts."""
    return "gradient evaluations" if attrs.get("has_gradient", 1) else "log density evaluations"


def _weights(get: Callable[[str], float]) -> str:
    """Diagnostics of the importance weights of the mixture."""
    k, size = number(get("pareto_k")), number(get("importance_ess"), 0)
    parts = [f"Pareto k {k}" if k != DASH else "", f"importance ESS {size}" if size != DASH else ""]
    return ", ".join(filter(None, parts)) or DASH


def _components(idata: Result) -> str:
    """How many components the mixtures of all chains have."""
    sizes = get_group(idata, "fit").sizes
    if "component" not in sizes:
        return DASH
    chains, count = sizes.get("chain", 1), sizes["component"]
    return f"{chains * count:,} ({chains} chains × {count})" if chains > 1 else f"{count:,}"


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
    gradients = np.arange(float(len(elbo)))
    if "gradient_evaluations" in stats:
        stored = stats["gradient_evaluations"].values.astype(float)
        gradients = stored if stored.shape == gradients.shape else gradients
    if "elbo_se" in stats:
        error = stats["elbo_se"].transpose("check", "chain").values.astype(float)
        gradients, elbo, _ = without_noisy_end(gradients, elbo, error)
    return elbo, gradients


def _stages(attrs: Attributes) -> tuple[Stage, ...]:
    """Cost of each stage; empty if the result does not contain it."""
    if "stage_seconds" not in attrs:
        return ()
    times = json.loads(str(attrs["stage_seconds"]))
    gradients = json.loads(str(attrs.get("stage_gradient_evaluations", "{}")))
    stages = [
        Stage(
            clean(name),
            _DESCRIPTIONS.get(name, ""),
            number_of(time),
            number_of(gradients.get(name, 0)),
        )
        for name, time in times.items()
    ]
    total = number_of(attrs.get("sampling_time"))
    rest = total - sum(stage.seconds for stage in stages)
    if rest > MIN_OTHER_SHARE * total:  # a file of an earlier version
        stages.append(Stage("other", "everything else", rest, 0.0))
    return tuple(stages)
