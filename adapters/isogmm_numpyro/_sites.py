"""What a model is made of, found by one abstract trace: no array is computed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.distributions import biject_to

from isogmm.errors import ModelError
from isogmm_numpyro._arguments import Arguments
from isogmm_numpyro._prepare import PreparedModel, prepare

#: Errors of JAX that mean "this needs the value of an array while only its shape is known".
NEEDS_VALUES = jax.errors.JAXTypeError


@dataclass(frozen=True)
class Site:
    """One statement of the model.

    Parameters
    ----------
    name
        As in the model.
    shape
        Of the value.
    event_dim
        How many trailing axes are one event.
    plates
        ``(name, dim, size)`` of every enclosing plate, ``dim`` counted from the right of the
        batch axes, outermost (most negative) first.
    event_dims
        Names the user gave to the event axes with ``infer={"event_dims": [...]}``.
    unconstrained_shape
        Of a free site on the unconstrained scale.
    scanned
        Whether the leading axis comes from a scan.
    distribution, enumerable, enumerate_mark
        Name of the distribution, whether its values can be listed, and what the user said about
        that with ``infer={"enumerate": ...}``.
    """

    name: str
    shape: tuple[int, ...]
    event_dim: int = 0
    plates: tuple[tuple[str, int, int], ...] = ()
    event_dims: tuple[str, ...] = ()
    unconstrained_shape: tuple[int, ...] = ()
    scanned: bool = False
    distribution: str = ""
    enumerable: bool = False
    enumerate_mark: str | None = None


@dataclass
class Sites:
    """The statements of a model by their role, each by name in the order of the model."""

    free: dict[str, Site] = field(default_factory=dict)
    discrete: dict[str, Site] = field(default_factory=dict)
    observed: dict[str, Site] = field(default_factory=dict)
    deterministic: dict[str, Site] = field(default_factory=dict)
    #: Values of ``param`` and ``mutable`` sites and of observed sites, where the trace knows
    #: them: an integer stands for an input (its position), None for "computed from the inputs".
    sources: dict[str, Any] = field(default_factory=dict)
    params: list[str] = field(default_factory=list)
    subsampled: dict[str, tuple[int, int]] = field(default_factory=dict)
    max_plate_nesting: int = 0
    #: Deterministic and observed sites that depend on a discrete site.
    discrete_dependents: frozenset[str] = frozenset()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Unconstrained shapes of the free sites."""
        return {name: site.unconstrained_shape for name, site in self.free.items()}


def unwrap(distribution: Any) -> Any:
    """The distribution inside ``mask``, ``expand`` and ``to_event``."""
    while isinstance(
        distribution, (dist.MaskedDistribution, dist.ExpandedDistribution, dist.Independent)
    ):
        distribution = distribution.base_dist
    return distribution


def is_factor(site: dict[str, Any]) -> bool:
    """Whether the site is a ``factor`` statement, which has no observed value."""
    return isinstance(unwrap(site["fn"]), dist.Unit)


def is_free(site: dict[str, Any]) -> bool:
    """Whether the site is a latent continuous variable."""
    return (
        site["type"] == "sample"
        and not site["is_observed"]
        and not getattr(site["fn"].support, "is_discrete", False)
    )


def transform_of(site: dict[str, Any]) -> Any:
    """The bijection from the reals to the support of a free site.

    Raises
    ------
    ModelError
        If the support has none.
    """
    name, fn = site["name"], site["fn"]
    if isinstance(unwrap(fn), dist.Delta):
        raise ModelError(
            f"site '{name}' has a Delta distribution, which has no density: write "
            f"numpyro.deterministic('{name}', value) instead."
        )
    try:
        return biject_to(fn.support)
    except NotImplementedError as error:
        remedy = (
            "draw it from ProjectedNormal, which is reparameterized for you"
            if "sphere" in type(unwrap_support(fn.support)).__name__.lower()
            else "reparameterize it with numpyro.handlers.reparam, or transform a site whose "
            "support has a bijection"
        )
        raise ModelError(
            f"site '{name}' ({type(unwrap(fn)).__name__}) has the support {fn.support!r}, to "
            f"which NumPyro knows no bijection from the reals: {remedy}."
        ) from error


def unwrap_support(support: Any) -> Any:
    """The constraint inside ``independent``."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support


def at_origin(site: dict[str, Any]) -> Any:
    """Unconstrained zero of a free site: any point will do where only shapes are looked at."""
    if not is_free(site):
        return None
    transform = transform_of(site)
    shape = (*site["kwargs"].get("sample_shape", ()), *site["fn"].shape())
    return transform(jnp.zeros(transform.inverse_shape(tuple(shape))))


def find_sites(
    model: Callable[..., Any], arguments: Arguments, *, full_plates: bool
) -> tuple[Sites, Any]:
    """Trace the model abstractly.

    Returns
    -------
    sites
        What the model is made of.
    jaxpr
        The whole computation of the model, values and log densities of all sites: two equal
        ones mean that compiled programs can be shared.

    Raises
    ------
    ModelError
        If a site occurs twice or has no bijection.
    jax.errors.JAXTypeError
        If the model needs the values of its arguments or of a latent variable.
    """
    sites = Sites()

    def run(arrays: list[Any]) -> dict[str, Any]:
        args, kwargs = arguments.restore(arrays)
        prepared = prepare(model, {}, full_plates=full_plates)
        started = handlers.seed(
            handlers.substitute(prepared, substitute_fn=at_origin), jax.random.key(0)
        )
        trace = _get_trace(started, args, kwargs)
        inputs = {id(array): index for index, array in enumerate(arrays)}
        sites.subsampled.update(prepared_of(prepared).subsampled)
        return _collect(trace, sites, inputs)

    jaxpr, shapes = jax.make_jaxpr(run, return_shape=True)(arguments.arrays)
    if sites.discrete:
        outputs = [path[0].key for path, _ in jax.tree_util.tree_flatten_with_path(shapes)[0]]
        sites.discrete_dependents = _dependents(jaxpr.jaxpr, outputs, set(sites.discrete))
    return sites, jaxpr


def _dependents(jaxpr: Any, outputs: list[str], roots: set[str]) -> frozenset[str]:
    """Names of the outputs computed from those named in ``roots``, or together with them."""
    of_roots = {id(v) for v, name in zip(jaxpr.outvars, outputs, strict=True) if name in roots}
    reached: set[int] = set()
    for equation in jaxpr.eqns:
        results = {id(variable) for variable in equation.outvars}
        # What a scan computes beside a root is counted as computed from it.
        if results & of_roots or any(id(variable) in reached for variable in equation.invars):
            reached |= results
    named = zip(jaxpr.outvars, outputs, strict=True)
    return frozenset(name for variable, name in named if id(variable) in reached)


def prepared_of(model: Any) -> PreparedModel:
    """The innermost preparation of a prepared model."""
    while not isinstance(model, PreparedModel):
        model = model.fn
    return model


def _get_trace(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        return handlers.trace(model).get_trace(*args, **kwargs)
    except AssertionError as error:
        if "unique names" not in str(error):
            raise
        raise ModelError(
            f"two statements of the model have the same name ({error}): give each its own."
        ) from error


def _collect(
    trace: dict[str, Any], sites: Sites, inputs: dict[int, int]
) -> dict[str, dict[str, Any]]:
    """Fill ``sites`` from a trace; return every number that the trace computed."""
    outputs: dict[str, dict[str, Any]] = {}
    for name, site in trace.items():
        kind, value = site["type"], site["value"]
        if kind == "sample":
            described = _describe(name, site)
            sites.max_plate_nesting = max(
                [sites.max_plate_nesting, *(-dim for _, dim, _ in described.plates)]
            )
            if not site["is_observed"]:
                group = sites.free if is_free(site) else sites.discrete
                group[name] = described
            elif not is_factor(site):
                sites.observed[name] = described
                sites.sources[name] = _source(value, inputs)
            scale = 1.0 if site["scale"] is None else site["scale"]
            outputs[name] = {"value": value, "log_prob": scale * site["fn"].log_prob(value)}
        elif kind == "deterministic":
            sites.deterministic[name] = _describe(name, site)
            outputs[name] = {"value": value}
        elif kind in ("param", "mutable") and value is not None:
            sites.params.append(name)
            sites.sources[name] = _source(value, inputs)
            outputs[name] = {"value": value}
    return outputs


def _source(value: Any, inputs: dict[int, int]) -> Any:
    if id(value) in inputs:
        return inputs[id(value)]
    concrete = not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))
    # Wrapped, so that an integer value is not taken for the position of an input.
    return (jax.tree.map(np.asarray, value),) if concrete else None


def _describe(name: str, site: dict[str, Any]) -> Site:
    value_shape = tuple(np.shape(site["value"]))
    frames = sorted(site.get("cond_indep_stack", ()), key=lambda frame: frame.dim)
    plates = tuple((frame.name, frame.dim, frame.size) for frame in frames)
    if site["type"] == "deterministic":
        return Site(name, value_shape, plates=plates)
    return Site(
        name,
        value_shape,
        event_dim=site["fn"].event_dim,
        plates=plates,
        event_dims=tuple(site["infer"].get("event_dims", ())),
        unconstrained_shape=(
            tuple(transform_of(site).inverse_shape(value_shape)) if is_free(site) else ()
        ),
        scanned=bool(site.get("_control_flow_done", False)),
        distribution=type(unwrap(site["fn"])).__name__,
        enumerable=bool(site["fn"].has_enumerate_support),
        enumerate_mark=site["infer"].get("enumerate"),
    )
