"""The statements of a model, from one abstract trace that computes no array."""

from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr
from numpyro import handlers
from numpyro.distributions import Distribution, MaskedDistribution
from numpyro.primitives import Messenger

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm_numpyro._density.simplex_tails import is_simplex
from isogmm_numpyro._reading.parameters import parameters_of, unchecked_sites
from isogmm_numpyro._reading.plate_sizes import plates_in_words, repeated_rows, repeated_value
from isogmm_numpyro._statements.arguments import Arguments
from isogmm_numpyro._statements.dependence import dependents
from isogmm_numpyro._statements.distributions import (
    base_constraint,
    bounds_of,
    is_factor,
    is_free,
    mask_of,
    transform_of,
    unwrap,
)
from isogmm_numpyro._statements.prepare import prepare_at_origin, prepared_of
from isogmm_numpyro._statements.sites import ConstantValue, InputValue, Site, Sites, Source
from isogmm_numpyro._types import Message, Model, Trace

#: Errors of JAX where a computation needs the values of an array that has only a shape.
NEEDS_VALUES = (jax.errors.JAXTypeError, jax.errors.NonConcreteBooleanIndexError)
#: The message for an array that a trace left behind.
EARLIER_CALL = (
    "the model uses an array of an earlier call, which it keeps in a global variable, a closure or "
    "an attribute: compute it anew in every call."
)


class SiteError(ModelError):
    """The log density of a site cannot be computed; the message names the site."""


def find_sites(
    model: Model, arguments: Arguments, *, full_plates: bool
) -> tuple[Sites, ClosedJaxpr]:
    """Trace the model abstractly.

    Returns
    -------
    sites
        The statements of the model.
    jaxpr
        The computation of the values and log densities of all sites. Models with equal jaxprs can
        share compiled programs.

    Raises
    ------
    ModelError
        If two sites have the same name, the support of a site has no bijection, or data have fewer
        rows than their plate.
    jax.errors.JAXTypeError
        If the model needs the values of its arguments or of a latent variable.
    """
    sites = Sites()

    def run(arrays: list[Array]) -> dict[str, dict[str, object]]:
        args, kwargs = arguments.restore(arrays)
        prepared = prepare_at_origin(model, full_plates=full_plates)
        trace = _get_trace(prepared, args, kwargs)
        indices = {id(array): index for index, array in enumerate(arrays)}
        sites.subsampled.update(prepared_of(prepared).subsampled)
        return _collect(trace, sites, indices)

    jaxpr, shapes = jax.make_jaxpr(run, return_shape=True)(arguments.arrays)
    if any(isinstance(constant, jax.core.Tracer) for constant in jaxpr.consts):
        raise ModelError(EARLIER_CALL)
    if problem := repeated_rows(jaxpr, {**sites.observed, **sites.free}):
        raise SiteError(problem)
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(shapes)[0]]
    results = {(path[0].key, path[1].key): index for index, path in enumerate(paths)}
    sites.masks.update({name: i for (name, kind), i in results.items() if kind == "mask"})
    sites.unchecked = unchecked_sites(jaxpr, results, sites)
    outputs = [(path[0].key, path[1].key) for path in paths]
    latent = {i for i, (name, _) in enumerate(outputs) if name in {*sites.free, *sites.discrete}}
    reached = dependents(jaxpr.jaxpr, latent)
    sites.latent_dependents = frozenset(outputs[i][0] for i in reached)
    if sites.discrete:
        values = {(name, "value") for name in sites.discrete}
        reached = dependents(jaxpr.jaxpr, {i for i, key in enumerate(outputs) if key in values})
        sites.discrete_dependents = frozenset(
            name
            for name, kind in (outputs[i] for i in reached)
            if kind == "value" or name in sites.observed
        )
    return sites, jaxpr


def _get_trace(model: Messenger, args: tuple[object, ...], kwargs: dict[str, object]) -> Trace:
    try:
        return handlers.trace(model).get_trace(*args, **kwargs)
    except AssertionError as error:
        if "unique names" not in str(error):
            raise
        raise ModelError(
            f"two statements of the model have the same name ({error}): give each its own name."
        ) from error


def _collect(trace: Trace, sites: Sites, indices: dict[int, int]) -> dict[str, dict[str, object]]:
    """Fill ``sites`` from a trace; return all values and log densities of the trace.

    Parameters
    ----------
    trace
        Records of the statements.
    sites
        Filled by this function.
    indices
        Positions of the input arrays by their ``id``.
    """
    outputs: dict[str, dict[str, object]] = {}
    for name, site in trace.items():
        kind, value = site["type"], site["value"]
        if kind == "sample":
            _collect_sample(name, site, sites)
            if name in sites.observed and (problem := repeated_value(site, sites.observed[name])):
                raise SiteError(problem)
            scale = 1.0 if site["scale"] is None else site["scale"]
            log_prob = _log_prob(site)
            outputs[name] = {**parameters_of(site), "value": value, "log_prob": scale * log_prob}
            if name in sites.observed and (mask := mask_of(site["fn"])) is not True:
                outputs[name]["mask"] = mask
            if name in sites.observed and (shapes := _repeated(site, np.shape(log_prob))):
                sites.repeated[name] = shapes
        elif kind == "deterministic":
            sites.deterministic[name] = Site(name, tuple(np.shape(value)), plates=_plates(site))
            outputs[name] = {"value": value}
        elif kind in ("param", "mutable") and value is not None:
            sites.params.append(name)
            outputs[name] = {"value": value}
        if name in sites.observed or name in sites.params:
            source = _source(value, indices)
            if source is not None:
                sites.sources[name] = source
    return outputs


def _log_prob(site: Message) -> jax.Array:
    """Elementwise log density of a site.

    Raises
    ------
    SiteError
        If it cannot be computed, or if an ``obs_mask`` has more axes than the batch of a
        multivariate site. NumPyro then broadcasts the site to copies of itself.
    """
    name, fn, value = site["name"], site["fn"], site["value"]
    stem, ending, _ = name.rpartition("_observed")
    has_mask = bool(ending) and site["is_observed"] and isinstance(fn, MaskedDistribution)
    if has_mask and fn.event_dim and np.shape(value) != fn.shape():
        base = fn.base_dist
        raise SiteError(describe_site(stem, base, value, np.zeros(fn.batch_shape)))
    try:
        return fn.log_prob(value)
    except NEEDS_VALUES:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0].rstrip(".")
        described = describe_site(name, fn, value if site["is_observed"] else None, None)
        plates = plates_in_words((plate, size) for plate, _, size in _plates(site))
        message = f"{described} {plates} The error was {type(error).__name__}: {first}."
        raise SiteError(message.replace("  ", " ")) from error


def _repeated(site: Message, result: tuple[int, ...]) -> str:
    """The shapes in words if values and distribution have axes that the other lacks."""
    fn, shape = site["fn"], tuple(np.shape(site["value"]))
    batch = shape[: len(shape) - fn.event_dim]
    if result in (batch, fn.batch_shape):
        return ""
    return f"values {shape}, distribution {fn.batch_shape + fn.event_shape}, together {result}"


def describe_site(name: str, fn: object, obs: object, obs_mask: object) -> str:
    """Sentences with the shapes of a site whose log density cannot be computed, and the remedy.

    Parameters
    ----------
    name, fn, obs, obs_mask
        As in ``numpyro.sample``.
    """
    if not isinstance(fn, Distribution):
        return (
            f"the statement numpyro.sample('{name}', ...) has a {type(fn).__name__} in place of a "
            "distribution: pass one of numpyro.distributions."
        )
    if obs is not None and _has_fractions(fn, obs):
        return (
            f"the observed values of the site '{name}' are floating-point numbers, but "
            f"{type(unwrap(fn)).__name__} computes with whole numbers: pass them as integers, "
            "for example y.astype(int)."
        )
    if isinstance(obs, list | tuple) and _shape_text(obs).startswith("shape"):
        return (
            f"the observed values of the site '{name}' are a {type(obs).__name__}: pass a NumPy "
            "array, obs=numpy.array(values)."
        )
    event = f" and event shape {fn.event_shape}" if fn.event_dim else ""
    shapes = [f"batch shape {fn.batch_shape}{event} of {type(unwrap(fn)).__name__}"]
    if obs is not None:
        shapes.append(f"{_shape_text(obs)} of the observed values")
    remedy = "Check them, and the sizes of the plates around the site."
    if obs_mask is not None:
        shapes.append(f"{_shape_text(obs_mask)} of obs_mask")
        if fn.event_dim:
            remedy = (
                "An obs_mask selects whole events, so it has the batch shape. If single entries of "
                "an event are missing, give these a latent site of their own and put them into "
                "the data with jnp.where."
            )
    return f"the shapes of the site '{name}' do not fit: {', '.join(shapes)}. {remedy}"


def _has_fractions(fn: Distribution, obs: Any) -> bool:
    """Whether the values of a categorical site are floating-point numbers."""
    kind = getattr(getattr(obs, "dtype", None), "kind", "")
    return "Categorical" in type(unwrap(fn)).__name__ and kind == "f"


def _shape_text(value: Any) -> str:
    try:
        return f"shape {np.shape(value)}"
    except ValueError:  # rows of different lengths
        return "different lengths of the rows"


def _collect_sample(name: str, site: Message, sites: Sites) -> None:
    """Add a ``sample`` or ``factor`` statement to ``sites``."""
    described = _describe(name, site)
    depths = [-dim for _, dim, _ in described.plates]
    sites.max_plate_nesting = max([sites.max_plate_nesting, *depths])
    if not site["is_observed"]:
        group = sites.free if is_free(site) else sites.discrete
        group[name] = described
    elif is_factor(site):
        sites.factors.append(name)
    else:
        sites.observed[name] = described


def _describe(name: str, site: Message) -> Site:
    """The properties of a ``sample`` statement."""
    shape = tuple(np.shape(site["value"]))
    return Site(
        name,
        shape,
        event_dim=site["fn"].event_dim,
        plates=_plates(site),
        event_dims=tuple(site["infer"].get("event_dims", ())),
        unconstrained_shape=tuple(transform_of(site).inverse_shape(shape)) if is_free(site) else (),
        scanned=bool(site.get("_control_flow_done", False)),
        distribution=type(unwrap(site["fn"])).__name__,
        enumerable=bool(site["fn"].has_enumerate_support),
        enumerate_mark=site["infer"].get("enumerate"),
        bounds=bounds_of(site["fn"]),
        on_simplex=is_simplex(base_constraint(site["fn"].support)),
    )


def _plates(site: Message) -> tuple[tuple[str, int, int], ...]:
    """``(name, dim, size)`` of the enclosing plates, outermost first."""
    frames = sorted(site.get("cond_indep_stack", ()), key=lambda frame: frame.dim)
    return tuple((frame.name, frame.dim, frame.size) for frame in frames)


def _source(value: object, indices: dict[int, int]) -> Source | None:
    """The source of a value; None if the model computes it from its inputs."""
    if id(value) in indices:
        return InputValue(indices[id(value)])
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
        return None
    return ConstantValue(jax.tree.map(np.asarray, value))
