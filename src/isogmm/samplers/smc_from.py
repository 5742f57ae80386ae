"""``smc_from``: tempered sequential Monte Carlo from the mixture to the posterior."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from isogmm.errors import OptionError, require
from isogmm.mixtures.stored import resume_mixture
from isogmm.model.target import Target
from isogmm.model.to_target import to_target
from isogmm.results.from_draws import result_of_draws
from isogmm.results.groups import attributes
from isogmm.samplers.jax_density import jax_density
from isogmm.samplers.modes import modes_of
from isogmm.validation import seed_of, whole_number

#: Temperatures after which a run is given up: q and the posterior have nothing in common.
MAX_TEMPERATURES = 200
#: Leapfrog steps of a move.
LEAPFROGS = 8


def smc_from(
    idata: Any,
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    draws: int = 1000,
    chains: int = 4,
    target_ess: float = 0.7,
    num_moves: int = 4,
    random_seed: Any = None,
) -> Any:
    """Adaptive tempered SMC (BlackJAX) from the fitted mixture q to the posterior, with evidence.

    The path is π_λ ∝ q^(1-λ) π^λ.  The next λ leaves an effective sample size of ``target_ess``
    times the particles; they are resampled and moved by Hamiltonian Monte Carlo whose mass
    matrix comes from the mixture and whose step size follows the acceptance.  Because q is
    normalized, the product of the mean weights estimates the evidence itself (Del Moral, Doucet
    and Jasra 2006).

    Parameters
    ----------
    idata
        The result of :func:`isogmm.fit_isogmm`.
    model, *model_args, model_kwargs
        The model that was fitted, with its arguments.
    draws, chains
        Particles, and independent runs: their evidences give its standard error.
    target_ess
        Between 0 and 1.
    num_moves
        Transitions of each particle at each temperature.
    random_seed
        An int, a NumPy Generator or a JAX key.

    Returns
    -------
    InferenceData or DataTree
        The particles, equally weighted, one run a chain; attributes ``log_evidence``,
        ``log_evidence_se``, ``num_temperatures``, ``num_gradient_evaluations``.

    Raises
    ------
    OptionError
        If ``idata`` is not a fit of this model, an option makes no sense, or the posterior
        is not reached within 200 temperatures.
    MissingPackageError
        If BlackJAX is not installed.
    """
    draws, chains = whole_number("draws", draws), whole_number("chains", chains)
    num_moves = whole_number("num_moves", num_moves)
    if not 0 < target_ess < 1:
        raise OptionError(f"target_ess must lie between 0 and 1, not {target_ess}")
    begin = time.perf_counter()
    seed = seed_of(random_seed)
    target = to_target(model, model_args, model_kwargs or {}, seed)
    mixture = resume_mixture(idata, target).pooled()
    modes = modes_of(idata, target)
    covariance = sum(mode.mass * mode.covariance for mode in modes)
    generator = np.random.default_rng(seed)
    with target.precision():
        step = _tempering_step(target, mixture, np.asarray(covariance), target_ess, num_moves)
        runs = [_run(step, mixture, draws, generator, num_moves) for _ in range(chains)]
    positions = np.stack([run.particles for run in runs])
    evidences = np.array([run.log_evidence for run in runs])
    relative = np.exp(evidences - evidences.max())
    result = result_of_draws(
        target,
        positions,
        library="blackjax",
        seed=seed,
        attributes={
            "algorithm": "smc_from",
            "sampling_time": time.perf_counter() - begin,
            "log_evidence": float(evidences.max() + np.log(relative.mean())),
            "log_evidence_se": (
                float(relative.std(ddof=1) / np.sqrt(chains) / relative.mean())
                if chains > 1
                else None
            ),
            "num_temperatures": int(max(run.num_temperatures for run in runs)),
            "acceptance": float(np.mean([run.acceptance for run in runs])),
            "num_gradient_evaluations": int(sum(run.num_gradients for run in runs)),
            "fit_num_gradient_evaluations": attributes(idata).get("num_gradient_evaluations"),
        },
        sample_stats={"log_q": np.stack([mixture.log_prob(chain) for chain in positions])},
    )
    return result


@dataclass(frozen=True)
class _Run:
    particles: np.ndarray
    log_evidence: float
    num_temperatures: int
    acceptance: float
    num_gradients: int


def _tempering_step(
    target: Target,
    mixture: Any,
    covariance: np.ndarray,
    target_ess: float,
    num_moves: int,
) -> Callable[..., Any]:
    """``(key, state, step_size) -> (state, log mean weight, acceptance)``, compiled."""
    blackjax = require("blackjax", extra="blackjax")
    tempered = require("blackjax.smc.adaptive_tempered", extra="blackjax")
    resampling = require("blackjax.smc.resampling", extra="blackjax")
    density = jax_density(target)
    on_device = mixture.mapped(jnp.asarray)

    def log_ratio(position: jax.Array) -> jax.Array:
        value = density(position)
        # Outside the support: so small that such a particle never survives, yet finite.
        value = jnp.where(jnp.isfinite(value), value, -1e30)
        return value - on_device.log_prob(position)

    kernel = tempered.build_kernel(
        on_device.log_prob,
        log_ratio,
        functools.partial(blackjax.hmc.build_kernel(), num_integration_steps=LEAPFROGS),
        blackjax.hmc.init,
        resampling.systematic,
        target_ess,
    )
    inverse_mass = jnp.asarray(covariance)[None]

    def step(key: jax.Array, state: Any, step_size: jax.Array) -> Any:
        parameters = {"step_size": step_size[None], "inverse_mass_matrix": inverse_mass}
        state, info = kernel(key, state, num_moves, parameters)
        return state, info.log_likelihood_increment, jnp.mean(info.update_info.acceptance_rate)

    return jax.jit(step)


def _run(
    step: Callable[..., Any],
    mixture: Any,
    draws: int,
    generator: np.random.Generator,
    num_moves: int,
) -> _Run:
    tempered = require("blackjax.smc.tempered", extra="blackjax")
    particles, _ = mixture.sample(generator, draws)
    state = tempered.init(jnp.asarray(particles))
    state = state._replace(tempering_param=jnp.zeros_like(state.particles[0, 0]))
    key = jax.random.key(int(generator.integers(2**31)))
    # The leapfrog's stability limit shrinks as d^(-1/4).
    step_size = 1.0 / particles.shape[-1] ** 0.25
    log_evidence, temperatures, acceptances = 0.0, 0, []
    last = False
    while True:
        key, step_key = jax.random.split(key)
        state, increment, acceptance = step(step_key, state, jnp.asarray(step_size))
        acceptances.append(float(acceptance))
        step_size *= 0.6 if acceptance < 0.6 else 1.3 if acceptance > 0.9 else 1.0
        temperatures += 1
        if last:  # resampled and moved at the posterior itself
            break
        log_evidence += float(increment)
        last = float(state.tempering_param) >= 1.0 - 1e-9
        if temperatures > MAX_TEMPERATURES or not np.isfinite(log_evidence):
            raise OptionError(
                f"smc_from stopped at temperature {float(state.tempering_param):.3g} after "
                f"{temperatures} steps: the mixture is too far from the posterior. Fit again, or "
                "use nuts_from."
            )
    return _Run(
        np.asarray(state.particles, np.float64),
        log_evidence,
        temperatures,
        float(np.mean(acceptances)),
        temperatures * draws * num_moves * (LEAPFROGS + 1),
    )
