"""The mixture inside a result: written as tables of the group ``fit``, and read back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.groups import arviz_name, attributes, dataset, get_group, group_names
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.result import FitResult
from isogmm.start import Start

#: Attribute of the group ``fit``: JSON of which group holds the unconstrained draws of a variable.
HOLDERS = "unconstrained_draws"


def fit_group(result: FitResult, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Mixture and map, one set per chain, so that the group can be taken apart by chain."""
    mixture, affine = result.mixture, result.mixture.affine_map
    means = np.asarray(mixture.means)
    chains = len(means)
    axes = ("chain", "component", "coordinate", "coordinate_bis")
    entries: dict[str, tuple[tuple[str, ...], Any]] = {
        "means": (("chain", "component", "coordinate"), means),
        **{name: (axes[: array.ndim], array) for name, array in spreads(mixture).items()},
        "weights": (("chain", "component"), np.exp(np.asarray(mixture.log_weights))),
    }
    parts: dict[str, tuple[str, ...]] = {"center": ("coordinate",)}
    if affine.kind == "dense":
        parts["factor"] = ("coordinate", "coordinate_bis")
    else:
        parts["scale"] = ("coordinate",)
    if affine.kind == "low_rank":
        parts |= {"vectors": ("coordinate", "rank"), "values": ("rank",)}
    for part, dims in parts.items():
        array = np.asarray(getattr(affine, part))
        entries[f"whitening_{part}"] = (
            ("chain", *dims),
            np.broadcast_to(array, (chains, *array.shape)),
        )
    entries.update(result.tables)
    names = [arviz_name(name) for name in result.target.coordinate_names]
    return dataset(
        {name: array for name, (_, array) in entries.items()},
        (),
        dims={name: dims for name, (dims, _) in entries.items()},
        coords={"coordinate": names},
        attrs={**attrs, "whitening": affine.kind},
    )


def history_group(history: Mapping[str, Any], attrs: Mapping[str, Any]) -> xr.Dataset:
    """What each check saw, by check and chain."""
    return dataset(history, (), dims=dict.fromkeys(history, ("check", "chain")), attrs=attrs)


def spreads(mixture: Any) -> dict[str, Any]:
    """How wide the components are, by the name under which a result keeps it.

    ``variances``, one for each component or, of diagonal covariances, one for each of its
    coordinates too; or ``covariances``.
    """
    if isinstance(mixture, GaussianMixture):
        return {"variances" if mixture.is_diagonal else "covariances": mixture.covariances}
    return {"variances": mixture.variances}


def assemble(arrays: Any, log_weights: np.ndarray, affine_map: AffineMap) -> Any:
    """The mixture of a mapping with ``means`` and what :func:`spreads` gave."""
    means = np.asarray(arrays["means"])
    if "covariances" in arrays:
        return GaussianMixture(means, np.asarray(arrays["covariances"]), log_weights, affine_map)
    variances = np.asarray(arrays["variances"])
    family = GaussianMixture if variances.ndim == means.ndim else IsotropicMixture
    return family(means, variances, log_weights, affine_map)


def mixture_from(idata: Any) -> Any:
    """The mixture of every chain, as it was fitted: draw from it, ask its density, continue it.

    An :class:`isogmm.IsotropicMixture` or an :class:`isogmm.GaussianMixture`.

    Raises
    ------
    OptionError
        If the object does not come from this library.
    """
    if "fit" not in group_names(idata):
        raise OptionError(
            "the result has no group 'fit': only results of fit_isogmm hold a mixture "
            f"(inference_library is {attributes(idata).get('inference_library', 'unknown')!r})"
        )
    fit = get_group(idata, "fit")
    if fit.attrs.get("family") == "factorized":
        raise OptionError(
            "the result holds a factorized mixture: read it with "
            "isogmm.FactorizedMixture.from_idata(idata)"
        )

    def part(name: str) -> np.ndarray | None:
        # The map is shared: every chain holds the same copy.
        return fit[f"whitening_{name}"].values[0] if f"whitening_{name}" in fit else None

    center, scale = part("center"), part("scale")
    weights = fit["weights"].values
    return assemble(
        fit,
        # A weight that underflowed stays a component that can recover when the fit goes on.
        np.log(np.maximum(weights, np.finfo(weights.dtype).tiny)),
        AffineMap(
            center=center,
            scale=np.ones_like(center) if scale is None else scale,
            factor=part("factor"),
            vectors=part("vectors"),
            values=part("values"),
        ),
    )


def resume_start(idata: Any, target: Target) -> Start:
    """The mixture of an earlier fit with the modes that it knew; see :func:`resume_mixture`."""
    mixture = resume_mixture(idata, target)
    fit = get_group(idata, "fit")
    if "mode_mean" not in fit:
        return Start(mixture)
    centers = fit["mode_mean"].values
    known = np.isfinite(centers).all(axis=1)
    return Start(mixture, centers[known] if known.any() else None)


def resume_mixture(idata: Any, target: Target) -> Any:
    """The mixture of an earlier fit, if it speaks of the same coordinates as the target.

    Raises
    ------
    OptionError
        If names or shapes of the variables differ: the message names them.
    """
    mixture = mixture_from(idata)
    before = [str(name) for name in get_group(idata, "fit")["coordinate"].values]
    now = [arviz_name(name) for name in target.coordinate_names]
    if before != now:
        gone = [name for name in before if name not in now]
        new = [name for name in now if name not in before]
        detail = (
            f"only in the result: {_few(gone)}; only in the model: {_few(new)}"
            if gone or new
            else f"the order differs: {_few(before)} in the result, {_few(now)} in the model"
        )
        raise OptionError(
            f"resume= holds a fit of other variables ({len(before)} coordinates, the model has "
            f"{len(now)}). {detail}. Resume with the result of this model."
        )
    return mixture


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) or "none"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 5 else shown


def positions_from(idata: Any) -> Float[np.ndarray, "c n d"]:
    """The delivered draws in flat unconstrained coordinates, in the order of ``fit``.

    Raises
    ------
    OptionError
        If the result was made without its unconstrained draws.
    """
    parts = []
    for name, group in _holders(idata).items():
        if group is None or group not in group_names(idata) or name not in get_group(idata, group):
            raise OptionError(
                f"the result has no unconstrained draws of {name!r}: fit without "
                "idata_kwargs={'include_transformed': False}, and keep unconstrained_posterior"
            )
        values = get_group(idata, group)[name].transpose("chain", "draw", ...).values
        parts.append(values.reshape(*values.shape[:2], -1))
    return np.concatenate(parts, axis=-1)


def _holders(idata: Any) -> dict[str, str | None]:
    """For each variable the group that holds its unconstrained draws."""
    fit = get_group(idata, "fit")
    if HOLDERS in fit.attrs:
        return json.loads(fit.attrs[HOLDERS])
    # A file of an earlier version: what is not among the transformed ones never was transformed.
    unconstrained = "unconstrained_posterior"
    transformed = get_group(idata, unconstrained) if unconstrained in group_names(idata) else ()
    names = dict.fromkeys(str(name).split("[")[0] for name in fit["coordinate"].values)
    return {name: unconstrained if name in transformed else "posterior" for name in names}
