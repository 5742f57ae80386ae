"""Other inference methods on the same models, with results of the same form.

Each function takes the model as :func:`isogmm.fit_isogmm` does.  It returns an ArviZ object with
the groups posterior, log_likelihood and observed_data.  The attributes are ``sampling_time``,
``inference_library`` and, if it is known, ``num_gradient_evaluations``.  A method that the
modeling language has is run by the language.  Other methods run on the unconstrained log density
of the model with BlackJAX, SciPy (``laplace``) or NumPyro (``flow``, ``alpha_vi``).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from isogmm.model.adapter import find_adapter
from isogmm.model.checks.keywords import check_options
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.target import Target
from isogmm.model.to_target import to_target
from isogmm.progress.progress import Progress
from isogmm.results.building.check_result import check_result
from isogmm.results.groups import Result
from isogmm.samplers.density_methods import METHODS
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

#: Arguments that every method has.
_ARGUMENTS = ("model", "model_kwargs", "random_seed", "draws", "chains", "progressbar")


def _run(
    name: str,
    model: object,
    model_args: tuple[object, ...],
    model_kwargs: Mapping[str, object],
    random_seed: object,
    draws: int,
    chains: int,
    options: Mapping[str, object],
) -> Result:
    """Run a method by the modeling language if it has it, else on the log density."""
    seed = seed_of(random_seed)
    methods: Mapping[str, Callable[..., Any]] = {}
    if not isinstance(model, Target | LogDensity):
        methods = find_adapter(model).baselines()
    begin = time.perf_counter()
    method = methods[name] if name in methods else METHODS[name]
    check_options(name, method, options, _ARGUMENTS, model)
    if name in methods:
        result = method(
            model,
            *model_args,
            model_kwargs=dict(model_kwargs),
            random_seed=seed,
            draws=draws,
            chains=chains,
            **options,
        )
    else:
        target = to_target(model, model_args, model_kwargs, seed)
        check_result(target)
        result = method(target, seed, draws, chains, **options)
    for key, value in (("sampling_time", time.perf_counter() - begin), ("algorithm", name)):
        if key not in result.attrs:
            result.attrs[key] = value
    return result


def _method(name: str, summary: str, options: str) -> Callable[..., Result]:
    """The public function of a method, with its docstring."""

    def method(
        model: object = None,
        *model_args: object,
        model_kwargs: Mapping[str, object] | None = None,
        random_seed: object = 0,
        draws: int = 1000,
        chains: int = 4,
        progressbar: bool = True,
        **options: object,
    ) -> Result:
        with Progress(progressbar, f"running {name}"):
            return _run(
                name, model, model_args, model_kwargs or {}, random_seed, draws, chains, options
            )

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"""{summary}

    Parameters
    ----------
    model, *model_args, model_kwargs
        As in :func:`isogmm.fit_isogmm`.
    random_seed
        An int, a list of ints, a NumPy Generator or a JAX key.
    draws, chains
        Number of draws of each chain, and number of chains.
    progressbar
        Show a line with the elapsed time, on terminals and in notebooks only.
    **options
        {options}

    Returns
    -------
    InferenceData or DataTree
        The draws on the user's scale.

    Raises
    ------
    KeywordError
        If the method has no option of some name; the message names the one to use.
    MissingPackageError
        If the package that runs the method is not installed; the message names the extra.
    ModelError
        If no adapter recognizes the model, or the model cannot be fitted.
    """
    return method


nuts = _method(
    "nuts",
    "The No-U-Turn sampler of NumPyro or PyMC, and of BlackJAX for other models.",
    "``tune`` (number of warm-up transitions, 1000 by default) and those of the sampler.",
)
advi = _method(
    "advi",
    "Automatic differentiation variational inference with independent Gaussians.",
    "Those of the language's function; ``num_steps``, ``step_size`` in NumPyro and BlackJAX.",
)
fullrank_advi = _method(
    "fullrank_advi",
    "Automatic differentiation variational inference with a full-covariance Gaussian.",
    "As for :func:`advi`.",
)
laplace = _method(
    "laplace",
    "The Laplace approximation: the Gaussian with the mode and curvature of the density.",
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
    "An inverse autoregressive flow, by NumPyro; for two or more dimensions.",
    "``num_steps``, ``step_size``, ``num_particles``.",
)
alpha_vi = _method(
    "alpha_vi",
    "Independent Gaussians fitted with the Rényi divergence of order 0.5, by NumPyro.",
    "``num_steps``, ``step_size``, ``num_particles``.",
)
