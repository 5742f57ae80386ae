"""Adjusted MCLMC and LAPS of BlackJAX on a case of the benchmark, as alternatives to the fit.

Both are microcanonical samplers with a Metropolis step (Robnik, Cohn-Gordon, Seljak 2025,
arXiv:2503.01707 and 2601.16696).  Adjusted MCLMC runs few long chains, LAPS thousands of short ones
whose last states are the draws.
"""

from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.methods import Draws

#: Chains, transitions and recorded draws of each chain of adjusted MCLMC.  A transition has two
#: steps on average, the default of BlackJAX's adaptation, and two gradients for each step.
CHAINS, TRANSITIONS, DRAWS = 4, 10_000, 1_000
#: Transitions of the adaptation of one chain of adjusted MCLMC, whose result all chains use.
TUNING = 10_000
#: Chains of LAPS: each gives one draw.
ENSEMBLE = 4_000
#: Most steps of the unadjusted phase of LAPS, which ends earlier once it has converged, and
#: gradients of its adjusted phase.
UNADJUSTED, ADJUSTED = 1_000, 300
#: Steps of a transition of the adjusted phase, the default of BlackJAX.
STEPS = 15


def adjusted_mclmc(case: Case, seed: int) -> Draws:
    """Adjusted MCLMC with the adaptation of BlackJAX and 10,000 transitions of each chain."""
    import blackjax
    import jax
    from blackjax.mcmc.adjusted_mclmc import rescale

    target, density = _target(case, seed)

    def number_of_steps(key: Any, mean: Any) -> Any:
        return jax.numpy.ceil(jax.random.uniform(key) * rescale(mean)).astype(int)

    kernel = blackjax.adjusted_mclmc_dynamic.build_kernel(integration_steps_fn=number_of_steps)

    def start(key: Any, position: Any) -> Any:
        return blackjax.adjusted_mclmc_dynamic.init(position, density, key)

    @jax.jit
    def chains(key: Any, starts: Any) -> Any:
        tune_key, key = jax.random.split(key)
        state, found, tuning = blackjax.adjusted_mclmc_find_L_and_step_size(
            kernel, density, TUNING, start(tune_key, starts[0]), tune_key, target=0.9
        )
        steps_params = (found.L / found.step_size,)

        def one(key: Any, position: Any) -> Any:
            def step(state: Any, key: Any) -> Any:
                state, info = kernel(
                    rng_key=key,
                    state=state,
                    logdensity_fn=density,
                    step_size=found.step_size,
                    inverse_mass_matrix=found.inverse_mass_matrix,
                    integration_steps_params=steps_params,
                )
                return state, (state.position, info.num_integration_steps)

            first, rest = jax.random.split(key)
            keys = jax.random.split(rest, TRANSITIONS)
            return jax.lax.scan(step, start(first, position), keys)[1]

        # The chains begin at the last state of the adaptation.
        positions, steps = jax.vmap(one, (0, None))(jax.random.split(key, CHAINS), state.position)
        return positions, steps.sum() + tuning

    with target.precision():
        starts = jax.numpy.asarray(_starts(target, seed, 1))
        positions, steps = chains(jax.random.key(seed), starts)
    thinned = np.asarray(positions)[:, TRANSITIONS // DRAWS - 1 :: TRANSITIONS // DRAWS]
    return _draws(target, thinned, 2 * int(steps))


def laps(case: Case, seed: int) -> Draws:
    """LAPS with 4,000 chains; the last state of every chain is a draw."""
    import jax
    from blackjax.adaptation.laps import laps as run

    target, density = _target(case, seed)
    with target.precision():
        starts = jax.numpy.asarray(_starts(target, seed, ENSEMBLE))

        def sample_init(key: Any) -> Any:
            return starts[jax.random.randint(key, (), 0, ENSEMBLE)]

        info, gradients_per_step, _, final = run(
            density,
            sample_init,
            ndims=target.dim,
            num_steps1=UNADJUSTED,
            num_steps2=ADJUSTED,
            num_chains=ENSEMBLE,
            steps_per_sample=STEPS,
            mesh=jax.sharding.Mesh(jax.devices()[:1], "chains"),
            rng_key=jax.random.key(seed),
        )
        positions = np.asarray(final.position)
    unadjusted = len(jax.tree.leaves(info["phase_1"])[0])
    # BlackJAX makes as many whole transitions as this number of gradients allows.
    adjusted = ADJUSTED // (gradients_per_step * STEPS) * gradients_per_step * STEPS
    gradients = ENSEMBLE * (unadjusted + adjusted)
    return _draws(target, positions.reshape(CHAINS, -1, target.dim), gradients)


def _target(case: Case, seed: int) -> tuple[Any, Any]:
    """The target of a case and its log density for JAX."""
    from isogmm.model.to_target import to_target
    from isogmm.samplers.jax_density import jax_density

    model, model_kwargs = case.build()
    target = to_target(model, (), model_kwargs, seed)
    return target, jax_density(target)


def _starts(target: Any, seed: int, count: int) -> np.ndarray:
    from isogmm.samplers.jax_density import starting_points

    return starting_points(target, seed, count)


def _draws(target: Any, positions: np.ndarray, gradients: int) -> Draws:
    """Draws of the variables, on their own scale."""
    variables = target.constrain(positions.reshape(-1, target.dim), 0)["posterior"]
    shape = positions.shape[:2]
    posterior = {name: np.asarray(v).reshape(*shape, *v.shape[1:]) for name, v in variables.items()}
    return Draws(posterior, {"num_gradient_evaluations": gradients})
