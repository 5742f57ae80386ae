"""Values that the model fixes: its observed data and the current values of its ``param`` sites."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers

from isogmm.errors import ModelError
from isogmm_numpyro._arguments import Arguments
from isogmm_numpyro._functions import public_name
from isogmm_numpyro._prepare import prepare
from isogmm_numpyro._sites import Sites, at_origin


@dataclass(frozen=True)
class KnownValues:
    """Values known before any inference.

    Parameters
    ----------
    observed
        Data of the observed sites, ``factor`` statements left out.
    params
        Values of ``param`` and ``mutable`` sites on their own support; an optimizer may pass
        others to the same programs.
    """

    observed: dict[str, np.ndarray]
    params: dict[str, Any]


def known_values(
    model: Callable[..., Any], arguments: Arguments, sites: Sites, *, full_plates: bool
) -> KnownValues:
    """Look the values up where the trace says they are; compute only what must be computed.

    Raises
    ------
    ModelError
        If an observed value is NaN and not masked.
    """
    wanted = [*sites.observed, *sites.params]
    values: dict[str, Any] = {}
    for name in wanted:
        source = sites.sources[name]
        if isinstance(source, int):
            values[name] = arguments.arrays[source]
        elif isinstance(source, tuple):
            values[name] = source[0]
    missing = [name for name in wanted if name not in values]
    if missing:
        values |= _compute(model, arguments, missing, _value, full_plates)
    observed = {name: values[name] for name in sites.observed}
    suspicious = [name for name, value in observed.items() if _count_nan(value)]
    if suspicious:
        _refuse_nan(model, arguments, observed, suspicious, full_plates)
    return KnownValues(
        {public_name(name): np.asarray(value) for name, value in observed.items()},
        {name: values[name] for name in sites.params},
    )


def _compute(
    model: Callable[..., Any],
    arguments: Arguments,
    names: list[str],
    read: Callable[[dict[str, Any]], Any],
    full_plates: bool,
) -> dict[str, Any]:
    """Run the model compiled, for what ``read`` takes from some of its sites."""

    def run(arrays: list[Any]) -> dict[str, Any]:
        args, kwargs = arguments.restore(arrays)
        prepared = prepare(model, {}, full_plates=full_plates)
        started = handlers.seed(
            handlers.substitute(prepared, substitute_fn=at_origin), jax.random.key(0)
        )
        trace = handlers.trace(started).get_trace(*args, **kwargs)
        return {name: read(trace[name]) for name in names}

    return jax.tree.map(np.asarray, jax.jit(run)(arguments.arrays))


def _value(site: dict[str, Any]) -> Any:
    return site["value"]


def _mask(site: dict[str, Any]) -> Any:
    """The product of the masks around a distribution."""
    mask: Any = True
    fn = site["fn"]
    while isinstance(fn, (dist.MaskedDistribution, dist.ExpandedDistribution, dist.Independent)):
        if isinstance(fn, dist.MaskedDistribution):
            mask = mask & np.asarray(fn._mask) if isinstance(fn._mask, bool) else mask & fn._mask
        fn = fn.base_dist
    return mask


def _count_nan(value: Any) -> int:
    array = np.asarray(value)
    return int(np.isnan(array).sum()) if array.dtype.kind in "fc" else 0


def _refuse_nan(
    model: Callable[..., Any],
    arguments: Arguments,
    observed: dict[str, Any],
    names: list[str],
    full_plates: bool,
) -> None:
    masks = _compute(model, arguments, names, _mask, full_plates)
    for name in names:
        array = np.asarray(observed[name])
        missing = np.isnan(array)
        mask = np.asarray(masks[name])
        mask = mask.reshape(mask.shape + (1,) * max(0, array.ndim - mask.ndim))
        count = int((missing & mask).sum())
        if count:
            raise ModelError(
                f"the data of the observed site '{name}' hold {count} NaN among {array.size} "
                "values. Drop these rows, mask them with numpyro.handlers.mask(mask=~isnan), or "
                "give the missing values a latent site of their own."
            )
