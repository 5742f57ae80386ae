"""Other methods on the same models, one call each, with results of the same shape.

Each function takes the model as :func:`isogmm.fit_isogmm` does and returns an ArviZ object with
the groups posterior, log_likelihood and observed_data and the attributes ``sampling_time``,
``inference_library`` and, where it can be known, ``num_gradient_evaluations``.  The language's
own inference is called where it has the method; what it lacks runs on the model's unconstrained
log density with BlackJAX, SciPy (``laplace``) or NumPyro (``flow``, ``alpha_vi``).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from isogmm.model.adapter import find_adapter
from isogmm.model.log_density import LogDensity
from isogmm.model.target import Target
from isogmm.model.to_target import to_target
from isogmm.validation import seed_of

__all__ = [
    "advi",
    "alpha_vi",
    "flow",
    "fullrank_advi",
    "laplace",
    "nuts",
    "pathfinder",
    "svgd",
]


def _run(
    name: str,
    model: Any,
    model_args: tuple[Any, ...],
    model_kwargs: Mapping[str, Any] | None,
    random_seed: Any,
    draws: int,
    chains: int,
    options: Mapping[str, Any],
) -> Any:
    seed = seed_of(random_seed)
    own: Mapping[str, Callable[..., Any]] = {}
    if not isinstance(model, Target | LogDensity):
        own = find_adapter(model).baselines()
    begin = time.perf_counter()
    if name in own:
        kwargs = {"model_kwargs": dict(model_kwargs or {})}
        result = own[name](
            model, *model_args, **kwargs, random_seed=seed, draws=draws, chains=chains, **options
        )
    else:
        from isogmm.samplers.density_methods import METHODS

        target = to_target(model, model_args, model_kwargs or {}, seed)
        result = METHODS[name](target, seed, draws, chains, **options)
    for key, value in (("sampling_time", time.perf_counter() - begin), ("algorithm", name)):
        if key not in result.attrs:
            result.attrs[key] = value
    return result


def _method(name: str, summary: str, options: str) -> Callable[..., Any]:
    def method(
        model: Any = None,
        *model_args: Any,
        model_kwargs: Mapping[str, Any] | None = None,
        random_seed: Any = 0,
        draws: int = 1000,
        chains: int = 4,
        **options: Any,
    ) -> Any:
        return _run(name, model, model_args, model_kwargs, random_seed, draws, chains, options)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"""{summary}

    Parameters
    ----------
    model, *model_args, model_kwargs
        As in :func:`isogmm.fit_isogmm`.
    random_seed
        An int, a NumPy Generator or a JAX key.
    draws, chains
        Shape of the result.
    **options
        {options}

    Returns
    -------
    InferenceData or DataTree
        The draws, on the user's scale.

    Raises
    ------
    MissingPackageError
        If the package that does the work is not installed: names the extra.
    ModelError
        If no adapter recognizes the model, or it cannot be fitted.
    """
    return method


nuts = _method(
    "nuts",
    "The No-U-Turn sampler: that of NumPyro, of PyMC, of BlackJAX elsewhere.",
    "``tune`` warm-up transitions, 1000 unless given, and those of the language's sampler.",
)
advi = _method(
    "advi",
    "Automatic differentiation variational inference with independent Gaussians.",
    "Those of the language's function; ``num_steps``, ``step_size`` in NumPyro and BlackJAX.",
)
fullrank_advi = _method(
    "fullrank_advi",
    "Automatic differentiation variational inference with one Gaussian of any covariance.",
    "As for :func:`advi`.",
)
laplace = _method(
    "laplace",
    "The Gaussian of the curvature at the mode.",
    "``num_steps`` and ``step_size`` in NumPyro, ``num_starts`` elsewhere.",
)
pathfinder = _method(
    "pathfinder",
    "Multi-path Pathfinder (Zhang et al. 2022) with Pareto smoothed importance resampling.",
    "``num_paths`` of each chain, ``num_elbo_draws``, ``maxiter``.",
)
svgd = _method(
    "svgd",
    "Stein variational gradient descent (Liu and Wang 2016).",
    "Those of the language's function; ``num_steps``, ``step_size``, ``num_particles``.",
)
flow = _method(
    "flow",
    "An inverse autoregressive flow, by NumPyro; on two dimensions or more.",
    "``num_steps``, ``step_size``, ``num_particles``.",
)
alpha_vi = _method(
    "alpha_vi",
    "Independent Gaussians fitted by Rényi's divergence of order 0.5, by NumPyro.",
    "``num_steps``, ``step_size``, ``num_particles``.",
)
