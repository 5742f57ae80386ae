"""PyMC's inference methods, for comparison."""

import functools
import time
from collections.abc import Callable, Mapping

import pymc as pm
import pytensor
from pymc.step_methods import STEP_METHODS

from isogmm.model.checks.keywords import check_keywords, names_of, passes_on
from isogmm.model.programs.precision import in_precision
from isogmm.results.groups import Result, get_group, group_names
from isogmm_pymc._data.minibatches import on_full_data
from isogmm_pymc._inference.results import add_log_likelihood, pymc_model_of, with_attributes
from isogmm_pymc._inference.variational import variational
from isogmm_pymc._languages import BambiModel, is_bambi

#: Values of ``nuts_sampler`` and ``inference_method`` for the samplers that run in JAX.
JAX_SAMPLERS = ("numpyro", "blackjax")


#: Keyword arguments of ``pm.sample``, which passes some of them on to the step methods.  It ignores
#: others without an error.
_SAMPLE_OPTIONS = frozenset(
    (
        *names_of(pm.sample),
        *(step.name for step in STEP_METHODS),
        *names_of(*(base.__init__ for step in STEP_METHODS for base in step.__mro__)),
    )
)


@passes_on(_SAMPLE_OPTIONS, is_complete=False)
def nuts(
    model: pm.Model | BambiModel | None = None,
    *,
    model_kwargs: Mapping[str, object] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    chains: int = 4,
    tune: int = 1000,
    **sample_options: object,
) -> Result:
    """The No-U-Turn sampler of PyMC.

    Calls ``pm.sample`` with its options, or ``model.fit`` of a Bambi model.

    Returns
    -------
    InferenceData or DataTree
        The result with the log likelihood.  Its attribute ``num_gradient_evaluations`` is the
        number of leapfrog steps of warm-up and sampling, if the sampler reports both.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    KeywordError
        If ``pm.sample`` does not have an option.
    """
    pymc_model = on_full_data(pymc_model_of(model, model_kwargs))
    options: dict[str, object] = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": random_seed,
        "progressbar": False,
        **sample_options,
    }
    # Bambi calls the option by another name.
    sampler = options.get("nuts_sampler", options.get("inference_method"))
    if sampler in (None, "pymc") and not is_bambi(model):
        known = ("random_seed", "draws", "chains", "tune", *sorted(_SAMPLE_OPTIONS))
        check_keywords("nuts", sample_options, known, model)
    is_jax_sampler = sampler in JAX_SAMPLERS
    if not is_jax_sampler:
        # The warm-up is kept to count its steps, and removed below.
        options.setdefault("discard_tuned_samples", False)
    # PyMC's JAX samplers use the precision of JAX's global switch, which may be 32 bits.
    x64 = pytensor.config.floatX == "float64" if is_jax_sampler else None
    begin = time.perf_counter()
    run = model.fit if is_bambi(model) else functools.partial(pm.sample, model=pymc_model)
    with in_precision(x64):
        result = run(**options)
    seconds = time.perf_counter() - begin
    attributes = {
        "algorithm": "nuts",
        "tuning_steps": tune,
        "random_seed": random_seed,
        **_gradient_counts(result, tune),
    }
    if "discard_tuned_samples" not in sample_options:
        for name in [name for name in group_names(result) if name.startswith("warmup_")]:
            del result[name]
    add_log_likelihood(result, model, pymc_model)
    return with_attributes(result, seconds, attributes)


def _gradient_counts(result: Result, tune: int) -> dict[str, int]:
    """Attributes with the numbers of leapfrog steps, if warm-up and sampling report them."""
    steps = [
        int(get_group(result, name)["n_steps"].sum())
        for name in ("warmup_sample_stats", "sample_stats")
        if name in group_names(result) and "n_steps" in get_group(result, name)
    ]
    expected = 1 if tune == 0 else 2
    if len(steps) < expected:
        return {}
    return {
        "num_gradient_evaluations": sum(steps),
        "num_warmup_gradient_evaluations": sum(steps[:-1]),
    }


#: PyMC's inference methods by name.
BASELINES: dict[str, Callable[..., Result]] = {
    "nuts": nuts,
    "advi": variational("advi", "A Gaussian with diagonal covariance"),
    "fullrank_advi": variational("fullrank_advi", "A Gaussian with full covariance"),
    "svgd": variational("svgd", "Particles moved by Stein variational gradient descent"),
}
