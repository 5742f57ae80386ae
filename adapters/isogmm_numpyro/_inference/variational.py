"""NumPyro's automatic guides, fitted by stochastic gradients."""

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import jax
import numpy as np
from numpyro import handlers, optim
from numpyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO
from numpyro.infer.autoguide import AutoGuide
from numpyro.infer.elbo import ELBO

from isogmm.model.checks.keywords import passes_on
from isogmm.results.groups import Result
from isogmm_numpyro._inference.model_call import inference_arguments, inference_model
from isogmm_numpyro._inference.results import make_result
from isogmm_numpyro._reading.read import ReadModel, read_model
from isogmm_numpyro._types import Model

#: ``final_loss`` is the mean loss of the last steps, this share of all.
FINAL_LOSS_SHARE = 0.05

#: Docstring of a baseline.
_DOCUMENTATION = """{description}

    The guide is fitted once by Adam; its draws are arranged as ``chains`` x ``draws``.

    Parameters
    ----------
    model, *model_args, model_kwargs
        The model and its arguments.
    random_seed
        Seed of the optimization and of the draws.
    draws, chains
        Shape of the result.
    **options
        ``num_steps`` (20,000), ``step_size`` (0.01) and ``num_particles``, the number of samples
        in each step (1).

    Returns
    -------
    InferenceData or DataTree
        The draws, on the user's scale.
    """


@dataclass(frozen=True)
class _Optimization:
    """Options of the optimization by Adam.

    Parameters
    ----------
    num_steps
        Number of steps.
    step_size
        Step size.
    num_particles
        Samples of the guide in each step.
    """

    num_steps: int = 20_000
    step_size: float = 0.01
    num_particles: int = 1


def variational(
    name: str,
    make_guide: Callable[[Model], AutoGuide],
    description: str,
    make_loss: Callable[[int], ELBO] | None = None,
) -> Callable[..., Result]:
    """A baseline that fits one of NumPyro's automatic guides.

    Parameters
    ----------
    name
        Name of the baseline.
    make_guide
        From a model to its guide.
    description
        First line of the docstring.
    make_loss
        From the number of particles to the loss; the negative ELBO by default.
    """

    @passes_on(field.name for field in fields(_Optimization))
    def fit(
        model: Model,
        *model_args: object,
        model_kwargs: Mapping[str, object] | None = None,
        random_seed: int = 0,
        draws: int = 1000,
        chains: int = 4,
        **options: Any,
    ) -> Result:
        optimization = _Optimization(**options)
        read = read_model(model, model_args, dict(model_kwargs or {}))
        make = make_loss or _elbo_of(read)
        loss = make(optimization.num_particles)
        begin = time.perf_counter()
        samples, losses = _fit_and_draw(
            model, read, make_guide, loss, optimization, random_seed, (chains, draws)
        )
        num_final = max(1, int(FINAL_LOSS_SHARE * optimization.num_steps))
        attributes = {
            "sampling_time": time.perf_counter() - begin,
            "algorithm": name,
            "random_seed": random_seed,
            "final_loss": float(np.mean(losses[-num_final:])),
            "num_gradient_evaluations": optimization.num_steps * loss.num_particles,
        }
        return make_result(model, read, samples, attributes)

    fit.__name__ = fit.__qualname__ = name
    fit.__doc__ = _DOCUMENTATION.format(description=description)
    return fit


def _elbo_of(read: ReadModel) -> Callable[[int], ELBO]:
    """From the number of particles to the negative ELBO; discrete sites are summed out."""
    kind = TraceEnum_ELBO if read.sites.discrete else Trace_ELBO
    return lambda num_particles: kind(num_particles=num_particles)


def _fit_and_draw(
    model: Model,
    read: ReadModel,
    make_guide: Callable[[Model], AutoGuide],
    loss: ELBO,
    optimization: _Optimization,
    random_seed: int,
    shape: tuple[int, int],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draws ``(*shape, ...)`` of the free sites from the fitted guide, and the losses."""
    args, kwargs = inference_arguments(read)
    ready = inference_model(model, read)
    # The guide has the continuous sites only; the loss sums over the discrete ones.
    guide = make_guide(handlers.block(ready, hide=list(read.sites.discrete)))
    svi = SVI(ready, guide, optim.Adam(optimization.step_size), loss)
    fit_key, draw_key = jax.random.split(jax.random.key(random_seed))
    result = svi.run(fit_key, optimization.num_steps, *args, progress_bar=False, **kwargs)

    def draw(key: jax.Array, params: dict[str, object]) -> dict[str, jax.Array]:
        # Guides of early versions of NumPyro do not take the arguments of the model.
        parameters = inspect.signature(guide.sample_posterior).parameters.values()
        takes_arguments = any(one.kind is one.VAR_POSITIONAL for one in parameters)
        given, named = (args, kwargs) if takes_arguments else ((), {})
        return guide.sample_posterior(key, params, *given, sample_shape=shape, **named)

    samples = jax.jit(draw)(draw_key, result.params)
    return jax.tree.map(np.asarray, samples), np.asarray(result.losses)
