"""What a report says, gathered from a result: no layout here."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from isogmm.errors import OptionError
from isogmm.results.groups import attributes, get_group, group_names
from isogmm.results.stop_reason import StopReason

#: Rows of the tables of modes and of variables.
MAX_MODES, MAX_VARIABLES = 8, 8

_SOURCES = {
    "mixture": "drawn from the mixture",
    "importance": "drawn from the mixture, chosen by importance weights",
    "chains": "improved by parallel chains",
}


@dataclass(frozen=True)
class Drift:
    """How far the delivered draws of a coordinate are from the mixture's own.

    Parameters
    ----------
    name
        The coordinate, unconstrained.
    mean, log_sd
        Shift of the mean in sds, and of the log sd.
    memory, drift, drift_se
        Of the chains: correlation with their starts, and movement of the mean, in sds, between
        the halves of what was recorded; NaN where none ran.
    """

    name: str
    mean: float
    log_sd: float
    memory: float
    drift: float
    drift_se: float


@dataclass(frozen=True)
class Mode:
    """One mode: its number, mass with standard error, and share of the components."""

    number: int
    mass: float
    mass_se: float
    components: int
    place: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Stage:
    """What one stage of the fit cost."""

    name: str
    seconds: float
    gradients: int


@dataclass(frozen=True)
class Facts:
    """Everything a report shows; what a result does not say is empty or NaN."""

    title: str
    verdict: str
    advice: str
    numbers: tuple[tuple[str, str], ...]
    stop: str
    modes: tuple[Mode, ...]
    num_modes: int
    variables: tuple[Drift, ...]
    num_variables: int
    trace: np.ndarray
    trace_gradients: np.ndarray
    stages: tuple[Stage, ...]
    created_at: str

    @property
    def modes_title(self) -> str:
        """Heading of the table of modes."""
        return "Modes" + _of(len(self.modes), self.num_modes)

    @property
    def variables_title(self) -> str:
        """Heading of the table of variables."""
        shown = _of(len(self.variables), self.num_variables)
        return f"Moved most away from the mixture, unconstrained{shown}"

    @property
    def has_moved(self) -> bool:
        """Whether the delivered draws differ from the mixture's own at all."""
        return any(abs(one.mean) + abs(one.log_sd) > 0 for one in self.variables)


def _of(shown: int, number: int) -> str:
    return f" ({shown} of {number})" if shown < number else ""


def gather(idata: Any) -> Facts:
    """Read a result of ``fit_isogmm``.

    Raises
    ------
    OptionError
        If the object does not come from ``fit_isogmm``.
    """
    if "fit" not in group_names(idata):
        library = attributes(idata).get("inference_library", "unknown")
        raise OptionError(
            "report reads results of fit_isogmm, which have a group 'fit'; this one has "
            f"{group_names(idata)} (inference_library is {library!r})"
        )
    attrs, fit = attributes(idata), get_group(idata, "fit")
    trace, gradients = _trace(idata)
    variables = _variables(fit)
    modes = _modes(fit)
    version = attrs.get("inference_library_version", "")
    return Facts(
        title=clean(f"isogmm {version}".strip()),
        verdict=clean(attrs.get("verdict", "unknown")),
        advice=clean(attrs.get("advice", "The result holds no verdict.")),
        numbers=_numbers(attrs, idata),
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


def clean(text: Any) -> str:
    """Text without control characters, which could move a terminal's cursor or color."""
    return "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter
        for letter in str(text)
    )


def number(value: float | int, digits: int = 2) -> str:
    """A number with thousands separated, or a dash."""
    return f"{value:,.{digits}f}" if np.isfinite(value) else "–"


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{round(value, 2) + 0.0:+.2f}" if np.isfinite(value) else "–"


def with_error(value: float, error: float) -> str:
    """A value with as many digits as its standard error can support, and that error."""
    if not np.isfinite(value):
        return "–"
    if not np.isfinite(error) or error <= 0:
        return number(value)
    digits = int(np.clip(1 - np.floor(np.log10(error)), 0, 6))
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def seconds(value: float) -> str:
    """A duration with the digits that matter."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def _numbers(attrs: Mapping[str, Any], idata: Any) -> tuple[tuple[str, str], ...]:
    def get(name: str) -> float:
        value = attrs.get(name, np.nan)
        return float(value) if isinstance(value, int | float) else np.nan

    evidence = with_error(get("log_evidence"), get("log_evidence_se"))
    if "log_evidence" in attrs and not np.isfinite(get("log_evidence")):
        evidence = "withheld: the mixture is too far from the posterior"
    rows = [
        ("ELBO", with_error(get("elbo"), get("elbo_se"))),
        ("log evidence", evidence),
        ("Pareto k", number(get("pareto_k"))),
        ("importance ESS", number(get("importance_ess"), 0)),
    ]
    if "posterior" in group_names(idata):
        sizes, origin = get_group(idata, "posterior").sizes, str(attrs.get("draws_from", ""))
        shape = f"{sizes.get('chain', 0)} chains × {sizes.get('draw', 0):,}"
        rows.append(("draws", ", ".join(filter(None, (shape, _SOURCES.get(origin, origin))))))
    rows.append(("funnels straightened", str(attrs.get("refine_scales") or "–")))
    rows.append(("time", seconds(get("sampling_time"))))
    rows.append(("gradient evaluations", number(get("num_gradient_evaluations"), 0)))
    if get("num_nonfinite") > 0:
        rows.append(("draws without finite density", number(get("num_nonfinite"), 0)))
    return tuple((label, clean(text)) for label, text in rows if text != "–")


def _stop(attrs: Mapping[str, Any]) -> str:
    reason = str(attrs.get("stop_reason", ""))
    if reason == StopReason.CONVERGED.value and attrs.get("iterations") == 0:
        return "One Gaussian is enough: a mixture would gain next to nothing."
    known = {one.value: one.sentence for one in StopReason}
    return known.get(reason, clean(reason))


def _modes(fit: xr.Dataset) -> tuple[Mode, ...]:
    if "mode_mass" not in fit:
        return ()
    masses = fit["mode_mass"].values
    errors = fit["mode_mass_se"].values if "mode_mass_se" in fit else np.full(len(masses), np.nan)
    members = fit["component_mode"].values.ravel() if "component_mode" in fit else np.empty(0)
    places = _places(fit, len(masses))
    return tuple(
        Mode(
            number=int(mode),
            mass=float(masses[mode]),
            # A single mode has all the mass; what is left is the evidence's error.
            mass_se=float(errors[mode]) if len(masses) > 1 else np.nan,
            components=int((members == mode).sum()),
            place=places[mode],
        )
        for mode in np.argsort(-masses, kind="stable")
    )


def _places(fit: xr.Dataset, number: int) -> list[tuple[tuple[str, float], ...]]:
    """Means of the modes in the three coordinates along which they differ most."""
    if "mode_mean" not in fit or number < 2:
        return [()] * number
    means = fit["mode_mean"].transpose("mode", "coordinate").values
    # Whitened coordinates know the scale of each: a row of L has the length of one sd.
    scale = _scales(fit)
    # A mode without draws has no mean.
    low = np.where(np.isfinite(means), means, np.inf).min(axis=0)
    high = np.where(np.isfinite(means), means, -np.inf).max(axis=0)
    spread = np.maximum(high - low, 0.0) / scale
    names = fit["coordinate"].values
    top = np.argsort(-spread, kind="stable")[:3]
    return [tuple((_short(clean(names[i])), float(row[i])) for i in top) for row in means]


def _short(name: str, length: int = 24) -> str:
    """A name for the head of a column."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _scales(fit: xr.Dataset) -> np.ndarray:
    if "whitening_factor" in fit:
        factor = fit["whitening_factor"].values[0]
        return np.maximum(np.linalg.norm(factor, axis=1), 1e-300)
    if "whitening_scale" in fit:
        return np.maximum(fit["whitening_scale"].values[0], 1e-300)
    return np.ones(fit.sizes["coordinate"])


def _variables(fit: xr.Dataset) -> tuple[Drift, ...]:
    if "mean_shift" not in fit:
        return ()
    size = fit.sizes["coordinate"]

    def column(name: str) -> np.ndarray:
        return fit[name].values if name in fit else np.full(size, np.nan)

    mean, log_sd = column("mean_shift"), column("log_sd_shift")
    columns = [column(name) for name in ("refine_memory", "refine_drift", "refine_drift_se")]
    size_of = np.abs(np.nan_to_num(mean)) + np.abs(np.nan_to_num(log_sd, posinf=9, neginf=-9))
    names = fit["coordinate"].values
    return tuple(
        Drift(clean(names[i]), float(mean[i]), float(log_sd[i]), *(float(c[i]) for c in columns))
        for i in np.argsort(-size_of, kind="stable")
    )


def _trace(idata: Any) -> tuple[np.ndarray, np.ndarray]:
    """ELBO (checks, chains) and the gradient evaluations up to each check."""
    stats = get_group(idata, "fit_stats") if "fit_stats" in group_names(idata) else xr.Dataset()
    if "elbo" not in stats:
        return np.empty((0, 0)), np.empty(0)
    elbo = stats["elbo"].transpose("check", "chain").values.astype(float)
    place = stats["gradient_evaluations"].values if "gradient_evaluations" in stats else None
    return elbo, np.arange(len(elbo)) if place is None else place


def _stages(attrs: Mapping[str, Any]) -> tuple[Stage, ...]:
    try:
        times = json.loads(str(attrs["stage_seconds"]))
        gradients = json.loads(str(attrs.get("stage_gradient_evaluations", "{}")))
        return tuple(
            Stage(clean(name), float(time), int(gradients.get(name, 0)))
            for name, time in times.items()
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return ()
