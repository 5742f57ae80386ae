"""The log-determinant of the stick-breaking transform where its shares are not representable.

NumPyro's transform clips every share of the stick at the smallest number of the precision, 10^-38
in float32.  Below it the log-determinant, and with it the whole log density, is constant, so that
the integral over the unconstrained coordinate is infinite: a Dirichlet with a small estimated
concentration and a count of zero appears improper.  The exact log-determinant continues to
decrease.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from numpyro.distributions import constraints
from numpyro.distributions.constraints import Constraint

from isogmm.arrays import Array
from isogmm_numpyro._statements.sites import Site


def is_simplex(support: Constraint) -> bool:
    """Whether the support, without its plates and events, is a simplex."""
    return isinstance(support, type(constraints.simplex))


def clipped_log_determinant(
    values: Mapping[str, Array], sites: Mapping[str, Site]
) -> Array | float:
    """The exact log-determinants of all simplex sites minus those of NumPyro.

    The difference is zero unless a share is clipped.

    Parameters
    ----------
    values
        Unconstrained values by site; the trailing axis has the coordinates of the simplex.
    sites
        The free sites.
    """
    total: Array | float = 0.0
    for name, site in sites.items():
        if not site.on_simplex:
            continue
        x = jnp.asarray(values[name])
        # The transform moves the origin to equal shares.
        centered = x - jnp.log(x.shape[-1] - jnp.arange(x.shape[-1], dtype=x.dtype))
        smallest = jnp.log(jnp.finfo(x.dtype).tiny)
        total += jnp.sum(jnp.minimum(jax.nn.log_sigmoid(centered) - smallest, 0.0))
    return total
