"""NumPyro's own inference, for comparison: NUTS and variational guides.

SVGD is not among them: NumPyro 0.22's SteinVI moves the particles of a constrained site without the
log determinant of its transform (a Gamma(3) prior gave the moments of a Gamma(2)).
"""

import inspect
import time
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from numpyro import handlers, optim
from numpyro.infer import MCMC, NUTS, SVI, RenyiELBO, Trace_ELBO, TraceEnum_ELBO, autoguide
from numpyro.infer.elbo import ELBO
from numpyro.infer.mcmc import MCMCKernel

from isogmm_numpyro._prepare import prepare
from isogmm_numpyro._results import make_result
from isogmm_numpyro._target import ReadModel, read_model

_CountedState = namedtuple("_CountedState", ["inner", "total_steps"])


class _CountedNUTS(MCMCKernel):
    """NUTS that adds up its leapfrog steps, those of the warm-up included."""

    sample_field = "inner.z"

    def __init__(self, nuts: NUTS) -> None:
        self._nuts = nuts

    def init(
        self,
        rng_key: jax.Array,
        num_warmup: int,
        init_params: Any,
        model_args: tuple[Any, ...],
        model_kwargs: dict[str, Any],
    ) -> _CountedState:
        state = self._nuts.init(rng_key, num_warmup, init_params, model_args, model_kwargs)
        return _CountedState(state, state.num_steps)

    def sample(
        self, state: _CountedState, model_args: tuple[Any, ...], model_kwargs: dict[str, Any]
    ) -> _CountedState:
        inner = self._nuts.sample(state.inner, model_args, model_kwargs)
        return _CountedState(inner, state.total_steps + inner.num_steps)

    def postprocess_fn(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
        return self._nuts.postprocess_fn(args, kwargs)


#: Names of the statistics of NUTS in NumPyro and in ArviZ.
_STATISTICS = {
    "inner.diverging": "diverging",
    "inner.num_steps": "n_steps",
    "inner.accept_prob": "acceptance_rate",
    "inner.energy": "energy",
    "inner.potential_energy": "lp",
    "inner.adapt_state.step_size": "step_size",
}


def _ready(model: Callable[..., Any], read: ReadModel) -> Callable[..., Any]:
    """The model that is fitted, with all rows of its plates, as NumPyro's inference takes it.

    Discrete sites are marked for enumeration, as NumPyro will ask for.
    """
    prepared = prepare(model, read.values.params, full_plates=read.full_plates)
    # SVI would maximize over the param sites that it sees: another posterior.
    prepared = handlers.block(prepared, hide=list(read.values.params))
    if not read.sites.discrete:
        return prepared
    from numpyro.contrib.funsor import config_enumerate

    return config_enumerate(prepared)


def _arguments(read: ReadModel) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Those of the model; where it indexes NumPy arrays by rows of a plate they must be JAX's."""
    return read.arguments.restore([jax.numpy.asarray(array) for array in read.arguments.arrays])


def nuts(
    model: Callable[..., Any],
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    chains: int = 4,
    tune: int = 1000,
    init_params: Mapping[str, Any] | None = None,
    **nuts_options: Any,
) -> Any:
    """The No-U-Turn sampler, chains vectorized, with the options of ``numpyro.infer.NUTS``.

    ``init_params`` are unconstrained starts by site, with a leading axis where there are several
    chains.  Returns an ArviZ object; its attribute ``num_gradient_evaluations`` counts the
    leapfrog steps of warm-up and sampling, ``num_warmup_gradient_evaluations`` the former.
    """
    read = read_model(model, model_args, dict(model_kwargs or {}))
    args, kwargs = _arguments(read)
    mcmc = MCMC(
        _CountedNUTS(NUTS(_ready(model, read), **nuts_options)),
        num_warmup=tune,
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    begin = time.perf_counter()
    mcmc.run(
        jax.random.key(random_seed),
        *args,
        extra_fields=tuple(_STATISTICS),
        init_params=init_params,
        **kwargs,
    )
    samples = jax.tree.map(np.asarray, mcmc.get_samples(group_by_chain=True))
    seconds = time.perf_counter() - begin
    extra = jax.tree.map(np.asarray, mcmc.get_extra_fields(group_by_chain=True))
    statistics = {_STATISTICS[name]: value for name, value in extra.items()}
    statistics["lp"] = -statistics["lp"]
    gradients = int(np.sum(mcmc.last_state.total_steps))
    attributes = {
        "sampling_time": seconds,
        "algorithm": "nuts",
        "tuning_steps": tune,
        "random_seed": random_seed,
        "num_gradient_evaluations": gradients,
        "num_warmup_gradient_evaluations": gradients - int(np.sum(statistics["n_steps"])),
    }
    return make_result(model, read, samples, attributes, statistics)


def _variational(
    name: str,
    make_guide: Callable[..., autoguide.AutoGuide],
    description: str,
    make_loss: Callable[[int], ELBO] | None = None,
) -> Callable[..., Any]:
    """A baseline that fits one of NumPyro's automatic guides by stochastic gradients."""

    def fit(
        model: Callable[..., Any],
        *model_args: Any,
        model_kwargs: Mapping[str, Any] | None = None,
        random_seed: int = 0,
        draws: int = 1000,
        chains: int = 4,
        num_steps: int = 20_000,
        step_size: float = 0.01,
        num_particles: int = 1,
    ) -> Any:
        read = read_model(model, model_args, dict(model_kwargs or {}))
        args, kwargs = _arguments(read)
        ready = _ready(model, read)
        # The guide covers the continuous sites; the loss sums the discrete ones out.
        guide = make_guide(handlers.block(ready, hide=list(read.sites.discrete)))
        loss = make_loss(num_particles) if make_loss else _elbo(read, num_particles)
        svi = SVI(ready, guide, optim.Adam(step_size), loss)
        fit_key, draw_key = jax.random.split(jax.random.key(random_seed))
        begin = time.perf_counter()
        result = svi.run(fit_key, num_steps, *args, progress_bar=False, **kwargs)

        def draw(key: jax.Array, params: Any) -> Any:
            # Guides of early versions of NumPyro do not take the arguments of the model.
            parameters = inspect.signature(guide.sample_posterior).parameters.values()
            takes_them = any(one.kind is one.VAR_POSITIONAL for one in parameters)
            given, named = (args, kwargs) if takes_them else ((), {})
            return guide.sample_posterior(
                key, params, *given, sample_shape=(chains, draws), **named
            )

        samples = jax.tree.map(np.asarray, jax.jit(draw)(draw_key, result.params))
        attributes = {
            "sampling_time": time.perf_counter() - begin,
            "algorithm": name,
            "random_seed": random_seed,
            "final_loss": float(np.mean(np.asarray(result.losses)[-max(1, num_steps // 20) :])),
            "num_gradient_evaluations": num_steps * loss.num_particles,
        }
        return make_result(model, read, samples, attributes)

    fit.__name__ = fit.__qualname__ = name
    fit.__doc__ = (
        f"{description}\n\n    One fit by Adam with ``num_steps`` steps of ``step_size`` and "
        "``num_particles`` samples each;\n    its draws are laid out as ``chains`` x ``draws``. "
        "Returns an ArviZ object.\n    "
    )
    return fit


def _elbo(read: ReadModel, num_particles: int) -> ELBO:
    kind = TraceEnum_ELBO if read.sites.discrete else Trace_ELBO
    return kind(num_particles=num_particles)


BASELINES: dict[str, Callable[..., Any]] = {
    "nuts": nuts,
    "advi": _variational(
        "advi",
        autoguide.AutoNormal,
        "Automatic differentiation variational inference with independent Gaussians.",
    ),
    "fullrank_advi": _variational(
        "fullrank_advi",
        autoguide.AutoMultivariateNormal,
        "Automatic differentiation variational inference with one Gaussian of any covariance.",
    ),
    "laplace": _variational(
        "laplace",
        autoguide.AutoLaplaceApproximation,
        "The Gaussian of the curvature at the mode.",
    ),
    "flow": _variational(
        "flow",
        autoguide.AutoIAFNormal,
        "An inverse autoregressive flow, on two dimensions or more.",
    ),
    "alpha_vi": _variational(
        "alpha_vi",
        autoguide.AutoNormal,
        "Independent Gaussians fitted by Rényi's divergence of order 0.5.",
        lambda num_particles: RenyiELBO(alpha=0.5, num_particles=max(num_particles, 10)),
    ),
}
