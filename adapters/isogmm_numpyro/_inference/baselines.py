"""NumPyro's own inference methods by name, for comparison: NUTS and variational guides.

SVGD is not included. SteinVI of NumPyro 0.22 moves the particles of a constrained site without the
log-determinant of its transform: with a Gamma(3) prior it gave the moments of a Gamma(2).
"""

from collections.abc import Callable

from numpyro.infer import RenyiELBO, autoguide
from numpyro.infer.elbo import ELBO

from isogmm.results.groups import Result
from isogmm_numpyro._inference.nuts import nuts, nuts_from
from isogmm_numpyro._inference.variational import variational

#: Order of Rényi's divergence in ``alpha_vi``.
RENYI_ORDER = 0.5
#: Smallest number of particles of ``alpha_vi``. With one particle Rényi's bound is the ELBO.
MIN_RENYI_PARTICLES = 10


def _renyi_elbo(num_particles: int) -> ELBO:
    return RenyiELBO(alpha=RENYI_ORDER, num_particles=max(num_particles, MIN_RENYI_PARTICLES))


BASELINES: dict[str, Callable[..., Result]] = {
    "nuts": nuts,
    "nuts_from": nuts_from,
    "advi": variational(
        "advi",
        autoguide.AutoNormal,
        "Automatic differentiation variational inference with independent Gaussians.",
    ),
    "fullrank_advi": variational(
        "fullrank_advi",
        autoguide.AutoMultivariateNormal,
        "Automatic differentiation variational inference with one Gaussian of any covariance.",
    ),
    "laplace": variational(
        "laplace",
        autoguide.AutoLaplaceApproximation,
        "The Gaussian whose precision is the negative Hessian of the log density at the mode.",
    ),
    "flow": variational(
        "flow",
        autoguide.AutoIAFNormal,
        "An inverse autoregressive flow, for two dimensions or more.",
    ),
    "alpha_vi": variational(
        "alpha_vi",
        autoguide.AutoNormal,
        "Independent Gaussians fitted by Rényi's divergence of order 0.5.",
        _renyi_elbo,
    ),
}
