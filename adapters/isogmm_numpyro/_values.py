"""Values that the model fixes: its observed data and the values of its ``param`` sites."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from numpyro import handlers

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm.results.groups import arviz_name
from isogmm_numpyro._arguments import Arguments
from isogmm_numpyro._distributions import mask_of
from isogmm_numpyro._prepare import prepare_at_origin
from isogmm_numpyro._sites import ConstantValue, InputValue, Sites
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
        If an observed value is NaN and not masked.
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
    observed = {name: np.asarray(values[name]) for name in sites.observed}
    with_nan = {name: array for name, array in observed.items() if _has_nan(array)}
    if with_nan:
        masks = _compute(model, arguments, list(with_nan), _mask, full_plates)
        _validate_missing_are_masked(with_nan, masks)
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

    return jax.tree.map(np.asarray, jax.jit(run)(arguments.arrays))


def _value(site: Message) -> object:
    return site["value"]


def _mask(site: Message) -> object:
    return mask_of(site["fn"])


def _has_nan(array: np.ndarray) -> bool:
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())


def _validate_missing_are_masked(observed: dict[str, np.ndarray], masks: dict[str, object]) -> None:
    """Raise if an observed value is NaN and its mask is True."""
    for name, array in observed.items():
        mask = np.asarray(masks[name])
        mask = mask.reshape(mask.shape + (1,) * max(0, array.ndim - mask.ndim))
        count = int((np.isnan(array) & mask).sum())
        if count:
            raise ModelError(
                f"the data of the observed site '{name}' hold {count} NaN among {array.size} "
                "values. Drop these rows, mask them with numpyro.handlers.mask(mask=~isnan), or "
                "give the missing values a latent site of their own."
            )
