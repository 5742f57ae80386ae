"""Values that the model fixes: its observed data and the values of its ``param`` sites."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from numpyro import handlers

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm.model.programs.sharding import gathered
from isogmm.results.groups import arviz_name
from isogmm_numpyro._statements.arguments import Arguments
from isogmm_numpyro._statements.distributions import mask_of
from isogmm_numpyro._statements.prepare import prepare_at_origin
from isogmm_numpyro._statements.sites import ConstantValue, InputValue, Site, Sites
from isogmm_numpyro._types import Message, Model


@dataclass(frozen=True)
class KnownValues:
    """Values that are known before inference.

    Parameters
    ----------
    observed
        Data of the observed sites by their names in the result, ``factor`` statements left out.
    params
        Values of ``param`` and ``mutable`` sites on their own support. Empirical Bayes passes
        other values to the same programs.
    """

    observed: dict[str, np.ndarray]
    params: dict[str, object]


def known_values(
    model: Model, arguments: Arguments, sites: Sites, *, full_plates: bool
) -> KnownValues:
    """Take the values from the arguments and the trace; compute the remaining ones.

    Raises
    ------
    ModelError
        If an observed value is NaN or outside the support, and not masked.
    """
    values: dict[str, object] = {}
    missing = []
    for name in (*sites.observed, *sites.params):
        match sites.sources.get(name):
            case InputValue(index):
                values[name] = arguments.arrays[index]
            case ConstantValue(value):
                values[name] = value
            case None:
                missing.append(name)
    if missing:
        values |= _compute(model, arguments, missing, _value, full_plates)
    observed = {name: gathered(values[name]) for name in sites.observed}
    suspects = {}
    for name, array in observed.items():
        is_bad = np.asarray(_is_nan(array) | _is_outside(array, sites.observed[name]))
        if is_bad.any():
            suspects[name] = is_bad
    if suspects:
        masks = _compute(model, arguments, list(suspects), _mask, full_plates)
        for name, is_bad in suspects.items():
            is_counted = np.asarray(is_bad & np.asarray(masks[name]))
            _refuse(sites.observed[name], observed[name], is_counted)
    return KnownValues(
        {arviz_name(name): array for name, array in observed.items()},
        {name: values[name] for name in sites.params},
    )


def _compute(
    model: Model,
    arguments: Arguments,
    names: list[str],
    read: Callable[[Message], object],
    full_plates: bool,
) -> dict[str, object]:
    """Run the model as a compiled program and apply ``read`` to the sites with these names."""

    def run(arrays: list[Array]) -> dict[str, object]:
        args, kwargs = arguments.restore(arrays)
        prepared = prepare_at_origin(model, full_plates=full_plates)
        trace = handlers.trace(prepared).get_trace(*args, **kwargs)
        return {name: read(trace[name]) for name in names}

    return jax.tree.map(gathered, jax.jit(run)(arguments.arrays))


def _value(site: Message) -> object:
    return site["value"]


def _mask(site: Message) -> object:
    return mask_of(site["fn"])


def _is_nan(array: np.ndarray) -> np.ndarray:
    return np.asarray(np.isnan(array)) if array.dtype.kind in "fc" else np.zeros(array.shape, bool)


def _is_outside(array: np.ndarray, site: Site) -> np.ndarray:
    """Which values are outside the bounds of the support; values on a bound are inside."""
    if site.bounds is None or array.dtype.kind not in "biuf":
        return np.zeros(array.shape, bool)
    lower, upper = site.bounds
    return np.asarray((array < lower) | (array > upper))


def _refuse(site: Site, array: np.ndarray, is_bad: np.ndarray) -> None:
    """Raise if values of an observed site are NaN or outside the support, and not masked.

    NumPyro's density of a value outside the support is -inf, or without validation often a finite
    number without meaning.
    """
    if not is_bad.any():
        return
    is_nan = np.asarray(_is_nan(np.broadcast_to(array, is_bad.shape)) & is_bad)
    if is_nan.any():
        raise ModelError(
            f"the data of the observed site '{site.name}' contain {is_nan.sum()} NaN among "
            f"{array.size} values. Drop these rows, mask them with "
            "numpyro.handlers.mask(mask=~isnan), or give the missing values a latent site of "
            "their own."
        )
    assert site.bounds is not None
    lower, upper = site.bounds
    outside = np.broadcast_to(array, is_bad.shape)[is_bad]
    labels = " Integer labels begin at 0." if site.distribution.startswith("Categorical") else ""
    raise ModelError(
        f"the data of the observed site '{site.name}' have {len(outside)} of {array.size} values "
        f"outside the support of {site.distribution}, which is from {lower:g} to {upper:g}: for "
        f"example {outside[0]:g}. Correct the data, or choose another distribution.{labels}"
    )
