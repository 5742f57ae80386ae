"""Methods on the log density of a target, for models whose language does not have them."""

import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from isogmm.model.target import Target
from isogmm.results.building.from_draws import result_of_draws
from isogmm.results.groups import Result
from isogmm.samplers.blackjax_nuts import TARGET_ACCEPTANCE, run_nuts
from isogmm.samplers.gaussian_vi import GaussianVI
from isogmm.samplers.jax_density import starting_points
from isogmm.samplers.laplace import laplace
from isogmm.samplers.numpyro_guides import NumPyroGuide
from isogmm.samplers.pathfinder import pathfinder
from isogmm.samplers.svgd import svgd


def nuts(
    target: Target,
    seed: int,
    draws: int,
    chains: int,
    *,
    tune: int = 1000,
    covariance: Float[np.ndarray, "..."] | None = None,
    target_accept: float = TARGET_ACCEPTANCE,
) -> Result:
    """BlackJAX's No-U-Turn sampler.

    Parameters
    ----------
    target, seed, draws, chains
        The target, the seed, and the shape of the result.
    tune, covariance, target_accept
        As in :func:`isogmm.samplers.blackjax_nuts.run_nuts`.
    """
    starts = starting_points(target, seed, chains)
    begin = time.perf_counter()
    run = run_nuts(
        target,
        starts,
        draws=draws,
        tune=tune,
        seed=seed,
        covariance=covariance,
        target_accept=target_accept,
    )
    return result_of_draws(
        target,
        run.positions,
        library="blackjax",
        seed=seed,
        attributes={
            "algorithm": "nuts",
            "sampling_time": time.perf_counter() - begin,
            "tuning_steps": tune,
            "num_gradient_evaluations": run.num_gradients,
            "num_warmup_gradient_evaluations": run.warmup_gradients,
        },
        sample_stats=run.statistics,
    )


#: Every method by name: ``f(target, seed, draws, chains, **options) -> result``.
METHODS: dict[str, Callable[..., Result]] = {
    "nuts": nuts,
    "advi": GaussianVI("advi", "meanfield_vi"),
    "fullrank_advi": GaussianVI("fullrank_advi", "fullrank_vi"),
    "laplace": laplace,
    "pathfinder": pathfinder,
    "svgd": svgd,
    "flow": NumPyroGuide("flow"),
    "alpha_vi": NumPyroGuide("alpha_vi"),
}
