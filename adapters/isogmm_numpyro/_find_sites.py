"""The statements of a model, from one abstract trace that computes no array."""

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from numpyro import handlers
from numpyro.primitives import Messenger

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm_numpyro._arguments import Arguments
from isogmm_numpyro._distributions import is_factor, is_free, transform_of, unwrap
from isogmm_numpyro._prepare import prepare_at_origin, prepared_of
from isogmm_numpyro._sites import ConstantValue, InputValue, Site, Sites, Source
from isogmm_numpyro._types import Message, Model, Trace

#: Errors of JAX where a computation needs the values of an array that has only a shape.
NEEDS_VALUES = jax.errors.JAXTypeError


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
        If two sites have the same name, or the support of a site has no bijection.
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
    if sites.discrete:
        outputs = [path[0].key for path, _ in jax.tree_util.tree_flatten_with_path(shapes)[0]]
        sites.discrete_dependents = _dependents(jaxpr.jaxpr, outputs, set(sites.discrete))
    return sites, jaxpr


def _dependents(jaxpr: Jaxpr, outputs: list[str], roots: set[str]) -> frozenset[str]:
    """Names of the outputs that are computed from a root, or in the same scan as a root."""
    of_roots = {id(v) for v, name in zip(jaxpr.outvars, outputs, strict=True) if name in roots}
    reached: set[int] = set()
    for equation in jaxpr.eqns:
        results = {id(variable) for variable in equation.outvars}
        # All results of a scan that returns a root count as dependent.
        if results & of_roots or any(id(variable) in reached for variable in equation.invars):
            reached |= results
    named = zip(jaxpr.outvars, outputs, strict=True)
    return frozenset(name for variable, name in named if id(variable) in reached)


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
            scale = 1.0 if site["scale"] is None else site["scale"]
            outputs[name] = {"value": value, "log_prob": scale * site["fn"].log_prob(value)}
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
