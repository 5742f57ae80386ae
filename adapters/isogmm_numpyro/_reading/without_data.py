"""Models without data: which arguments were left at None, and which sites became latent by that."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from isogmm.errors import warn_user
from isogmm.model.checks.known_values import known_result
from isogmm_numpyro._reading.find_sites import find_sites
from isogmm_numpyro._statements.arguments import Arguments, joined, never_input
from isogmm_numpyro._statements.sites import Sites
from isogmm_numpyro._types import Model

#: Largest numbers of arguments that are None, and of arrays that are tried for each of them.
MAX_ARGUMENTS, MAX_ARRAYS = 8, 8

#: Positional and keyword arguments of a model.
_Call: TypeAlias = tuple[tuple[object, ...], dict[str, object]]


@runtime_checkable
class Traced(Protocol):
    """The result of a trace, see ``isogmm_numpyro._reading.read``."""

    @property
    def arguments(self) -> Arguments:
        """The arguments, with as many inputs as the model allows."""

    @property
    def sites(self) -> Sites:
        """The statements of the model."""

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The computation of all values and log densities."""


def warn_without_data(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], traced: Traced
) -> tuple[str, ...]:
    """Warn if data were probably forgotten: those of all sites, or those of some of them.

    Without any data the posterior of the model is its prior.  If other sites are observed, a site
    without data is a latent variable.  This is meant if the data depend on it.  If they do not,
    its draws are predictions.  Data that are empty or masked, or that depend on no latent site,
    are like no data.

    Returns
    -------
    tuple of str
        The warning, for the report; empty if no data were forgotten.
    """
    sites, wanted = traced.sites, "prior"
    if not sites.observed and not sites.factors:
        note = "the model has no observed site and no factor, so its posterior is the prior."
        latent = [*sites.free, *sites.discrete]
        note += forgotten_data(model, args, kwargs, sites, latent) or _remedy(
            _without_dependents(model, args, kwargs, sites)
        )
    elif not (note := _no_effect(model, args, kwargs, traced)):
        note, wanted = _predicted_data(model, args, kwargs, sites), "predictions"
    if not note:
        return ()
    warn_user(f"{note} Ignore this warning if you want the {wanted}.")
    return (note[0].upper() + note[1:],)


def _remedy(leaves: Sequence[str]) -> str:
    """Sentences about the latent sites that may stand for data."""
    remedy = " Give the data to a site: numpyro.sample(name, distribution, obs=data)."
    if not leaves:
        return remedy
    listed = ", ".join(f"'{name}'" for name in leaves)
    return f" No other site depends on {listed}: if one of these stands for data, pass obs=data."


def _no_effect(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], traced: Traced
) -> str:
    """Sentences about observed sites that do not change the posterior, or an empty text."""
    sites = traced.sites
    names = ", ".join(f"'{name}'" for name in [*sites.observed, *sites.factors])
    if not sites.factors and not any(math.prod(site.shape) for site in sites.observed.values()):
        return f"the data of {names} are empty, so the posterior is the prior."
    masks = [
        known_result(traced.jaxpr, traced.arguments.arrays, sites.masks[name])
        for name in sites.observed
        if name in sites.masks
    ]
    is_masked = masks and not any(mask is None or mask.any() for mask in masks)
    if is_masked and not sites.factors and len(masks) == len(sites.observed):
        return (
            f"the mask of {names} selects no value, so the posterior is the prior. A mask is True "
            "where a value counts: if it marks missing values, pass ~mask."
        )
    if sites.latent_dependents & {*sites.observed, *sites.factors}:
        return ""
    upstream = _upstream(model, args, kwargs)
    latent = {*sites.free, *sites.discrete}
    terms = {*sites.observed, *sites.factors}
    # The trace does not show the dependence on a number at the origin.
    if upstream is None or any(latent & set(upstream.get(name, latent)) for name in terms):
        return ""
    # Single numbers are often parameters that the user fixed, on which latent sites depend.
    if not any(math.prod(site.shape) > 1 for site in sites.observed.values()):
        return ""
    return (
        f"no latent site enters the terms of the data ({names}), so the posterior is the prior. "
        "Use latent sites in the parameters of these distributions."
    )


def forgotten_data(
    model: Model,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    sites: Sites,
    names: Iterable[str],
) -> str:
    """Sentences that name the arguments left at None because of which sites are latent.

    Parameters
    ----------
    model, args, kwargs, sites
        The model, its arguments and its statements.
    names
        Latent sites in question.

    Returns
    -------
    str
        The sentences with a leading blank, or an empty text.
    """
    found: dict[str, list[str]] = {}
    for argument, fill in _empty_arguments(model, args, kwargs):
        observed = _observed_by(model, fill, sites)
        if observed & set(names):
            found[argument] = sorted(observed)
    if not found:
        return ""
    sentences = ""
    for argument, observed_names in found.items():
        listed = ", ".join(f"'{name}'" for name in observed_names)
        subject = "site {} is" if len(observed_names) == 1 else "sites {} are"
        sentences += (
            f" The {subject.format(listed)} latent because the argument '{argument}' is None."
        )
    top = next(iter(found)).partition(".")[0]
    return f"{sentences} Pass the data, for example as model_kwargs={{'{top}': ...}}."


def _predicted_data(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], sites: Sites
) -> str:
    """Sentences about latent sites that nothing depends on and an argument would observe."""
    if not any(True for _ in _empty_arguments(model, args, kwargs)):
        return ""
    leaves = _without_dependents(model, args, kwargs, sites)
    found = forgotten_data(model, args, kwargs, sites, leaves) if leaves else ""
    if not found:
        return ""
    return (
        "data are given for some sites only, and the draws of the others are predictions." + found
    )


def _without_dependents(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], sites: Sites
) -> list[str]:
    """The latent sites on which no other site depends."""
    upstream = _upstream(model, args, kwargs)
    if upstream is None:
        return []
    used = {name for site, names in upstream.items() for name in names if name != site}
    return [name for name in (*sites.free, *sites.discrete) if name not in used]


def _upstream(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Mapping[str, Mapping[str, object]] | None:
    """The sites that enter each sample site; None if NumPyro cannot analyze the model."""
    try:
        from numpyro.infer.inspect import get_dependencies

        return get_dependencies(model, args, dict(kwargs))["prior_dependencies"]
    except Exception:  # NumPyro cannot analyze every model that can be fitted
        return None


def _observed_by(model: Model, fill: Callable[[np.ndarray], _Call], sites: Sites) -> set[str]:
    """The latent sites that become observed if an argument is an array instead of None.

    The shapes of the latent sites are tried for the array, and the model is traced abstractly.
    """
    latent = {**sites.free, **sites.discrete}
    tried = {(s.shape, float if name in sites.free else int): None for name, s in latent.items()}
    for shape, dtype in list(tried)[::-1][:MAX_ARRAYS]:
        args, kwargs = fill(np.zeros(shape, dtype))
        try:
            changed, _ = find_sites(model, Arguments(args, kwargs, never_input), full_plates=True)
        except Exception:  # the model does not expect such an array here
            continue
        if observed := changed.observed.keys() & latent.keys():
            return observed
    return set()


def _empty_arguments(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Iterator[tuple[str, Callable[[np.ndarray], _Call]]]:
    """The arguments that are None by name, each with a function that puts an array in its place."""
    try:
        bound = inspect.signature(model).bind(*args, **kwargs)
    except (TypeError, ValueError):  # built-in callables can lack a signature
        return
    bound.apply_defaults()
    signature = bound.signature
    paths, structure = jax.tree_util.tree_flatten_with_path(
        dict(bound.arguments), is_leaf=lambda leaf: leaf is None
    )
    leaves = [leaf for _, leaf in paths]
    for index in [i for i, leaf in enumerate(leaves) if leaf is None][:MAX_ARGUMENTS]:

        def fill(array: np.ndarray, index: int = index) -> _Call:
            filled = jax.tree.unflatten(structure, [*leaves[:index], array, *leaves[index + 1 :]])
            call = inspect.BoundArguments(signature, filled)
            return call.args, call.kwargs

        yield joined(paths[index][0]), fill
