"""Distributions, masks and supports of the ``sample`` statements of a model."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import biject_to, constraints
from numpyro.distributions.constraints import Constraint
from numpyro.distributions.transforms import Transform

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm_numpyro._types import Message

#: Distributions that change the mask or the shape of another one, but not its family.
_WRAPPERS = (dist.MaskedDistribution, dist.ExpandedDistribution, dist.Independent)


def unwrap(distribution: dist.Distribution) -> dist.Distribution:
    """The distribution inside ``mask``, ``expand`` and ``to_event``."""
    while isinstance(distribution, _WRAPPERS):
        distribution = distribution.base_dist
    return distribution


def without_masks(distribution: dist.Distribution) -> dist.Distribution:
    """The distribution without its masks, with the same shape."""
    if isinstance(distribution, dist.MaskedDistribution):
        return without_masks(distribution.base_dist)
    if isinstance(distribution, dist.ExpandedDistribution):
        return without_masks(distribution.base_dist).expand(distribution.batch_shape)
    if isinstance(distribution, dist.Independent):
        base = without_masks(distribution.base_dist)
        return base.to_event(distribution.reinterpreted_batch_ndims)
    return distribution


def mask_of(distribution: dist.Distribution) -> Array | np.bool_ | bool:
    """The product of all masks of the distribution, which broadcasts against its values."""
    mask: Array | np.bool_ | bool = True
    while isinstance(distribution, _WRAPPERS):
        if isinstance(distribution, dist.MaskedDistribution):
            own = distribution._mask
            # A mask has the batch axes of what it masks, and the values have the event axes too.
            shape = (*np.shape(own), *(1,) * distribution.event_dim)
            mask = mask & (np.asarray(own) if isinstance(own, bool) else own.reshape(shape))
        distribution = distribution.base_dist
    return mask


def is_factor(site: Message) -> bool:
    """Whether the site is a ``factor`` statement, which has no observed value."""
    return isinstance(unwrap(site["fn"]), dist.Unit)


def is_free(site: Message) -> bool:
    """Whether the site is a latent continuous variable."""
    return (
        site["type"] == "sample"
        and not site["is_observed"]
        and not getattr(site["fn"].support, "is_discrete", False)
    )


def transform_of(site: Message) -> Transform:
    """The bijection from the unconstrained space to the support of a free site.

    Raises
    ------
    ModelError
        If the distribution has no density, or its support has no bijection.
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
            "draw it from ProjectedNormal, which is reparameterized automatically"
            if "sphere" in type(base_constraint(fn.support)).__name__.lower()
            else "reparameterize it with numpyro.handlers.reparam, or transform a site whose "
            "support has a bijection"
        )
        raise ModelError(
            f"site '{name}' ({type(unwrap(fn)).__name__}) has the support {fn.support!r}, for "
            f"which NumPyro has no bijection from the reals: {remedy}."
        ) from error


def base_constraint(support: Constraint) -> Constraint:
    """The constraint inside ``independent``."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support


def bounds_of(distribution: dist.Distribution) -> tuple[float, float] | None:
    """The least and the largest value in the support, where they are numbers; None elsewhere.

    The density of a circular distribution is periodic, so it has no bounds.
    """
    support = base_constraint(distribution.support)
    if support is constraints.boolean:
        return 0.0, 1.0
    if support is constraints.circular:
        return None
    bounds = [getattr(support, name, None) for name in ("lower_bound", "upper_bound")]
    if bounds == [None, None] or any(
        bound is not None and not isinstance(bound, int | float | np.number) for bound in bounds
    ):
        return None
    lower, upper = bounds
    return -np.inf if lower is None else float(lower), np.inf if upper is None else float(upper)


def value_at_origin(site: Message) -> Array | None:
    """The value of a free site at the origin of the unconstrained space; None for other sites."""
    if not is_free(site):
        return None
    transform = transform_of(site)
    shape = (*site["kwargs"].get("sample_shape", ()), *site["fn"].shape())
    return transform(jnp.zeros(transform.inverse_shape(tuple(shape))))
