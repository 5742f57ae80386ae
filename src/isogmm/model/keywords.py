"""Errors for unknown keyword arguments, with the argument that was probably meant."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: Keyword arguments of other libraries, separated by blanks, and what stands for them here.
_EQUIVALENTS = (
    (
        "seed rng rng_key rng_seed key prng_key random_key random_state",
        "Use random_seed=..., which takes an int, a list of ints, a NumPy Generator or a JAX key.",
    ),
    (
        "tune warmup num_warmup n_tune n_warmup iter_warmup",
        "There is no warm-up to choose. The HMC chains of a fit have their own: "
        "refine=isogmm.Refine(min_warmup=...). For NUTS use isogmm.baselines.nuts(model, "
        "tune=...).",
    ),
    (
        "n_draws num_draws ndraws iter_sampling n_samples nsamples samples size",
        "Use draws=..., the number of draws of each chain.",
    ),
    (
        "n iter iterations n_iter num_iter niter maxiter max_iter num_iterations n_iterations "
        "steps num_steps n_steps max_steps epochs",
        "Use max_iterations=... for the number of iterations, and draws=... for that of draws. "
        "Without max_iterations the fit ends when the ELBO no longer improves.",
    ),
    ("num_chains n_chains nchains", "Use chains=..."),
    (
        "progress progress_bar show_progress progressbar_theme verbose quiet",
        "Use progressbar=False to switch the progress line off.",
    ),
    (
        "cores n_jobs num_cores parallel_chains chain_method parallel mp_ctx threads blas_cores",
        "All chains run together in one process, so there is nothing to choose. Leave it out.",
    ),
    (
        "nuts_sampler nuts_sampler_kwargs sampler step kernel nuts nuts_kwargs",
        "The fit has no sampler to choose. For NUTS use isogmm.baselines.nuts(model).",
    ),
    (
        "target_accept target_accept_prob adapt_delta max_tree_depth max_treedepth step_size "
        "stepsize dense_mass adapt_step_size",
        "The fit chooses its step sizes. For NUTS with its own settings use "
        "isogmm.baselines.nuts(model, ...).",
    ),
    (
        "initvals init_params initial_values inits start init_strategy init_loc_fn "
        "jitter_max_retries",
        "The fit finds its starting points. For others use init=..., or resume=... with an earlier "
        "result.",
    ),
    (
        "return_inferencedata keep_warning_stat compute_convergence_checks discard_tuned_samples",
        "The result always is an ArviZ object with its diagnostics. Leave it out.",
    ),
    (
        "data observed obs args kwargs model_args",
        "Pass data of a NumPyro model after the model, or as model_kwargs={...}.",
    ),
    (
        "log_likelihood log_prior include_transformed dims coords",
        "Use idata_kwargs={...} with this name as the key.",
    ),
    (
        "optimizer optim obj_optimizer learning_rate lr obj_n_mc num_particles loss",
        "There is no optimizer to choose; method=... takes one of the update rules.",
    ),
    ("guide", "There is no guide: the family is a mixture with num_components Gaussians."),
    ("k n_components components num_mixtures mixture_size", "Use num_components=..."),
    ("tol tol_rel_obj rtol eps", "Use tolerance=..., in nats."),
    ("timeout max_time time_limit", "Use max_seconds=..."),
    ("callbacks on_step", "Use callback=..., one function."),
    ("backend device", 'Use array_backend="numpy" or array_backend="jax".'),
    ("trace", "Use resume=... to continue an earlier result."),
    ("var_names", "The result has all variables. Select from it after the fit."),
)
#: What stands here for each keyword argument of another library.
HINTS: Mapping[str, str] = MappingProxyType(
    {name: hint for names, hint in _EQUIVALENTS for name in names.split()}
)


def explains_keywords(
    function: Callable[P, R], *, also: Iterable[Callable[..., object]] = ()
) -> Callable[P, R]:
    """A decorator: the error for an unknown keyword argument says what was probably meant.

    The signature that ``help`` and editors show is that of the function.

    Parameters
    ----------
    function
        A public function with a parameter ``model``.
    also
        Functions that take the keyword arguments which ``function`` passes on.

    Raises
    ------
    TypeError
        At a call with a keyword argument that none of the functions has.
    """
    known = [
        name
        for each in (function, *also)
        for name, parameter in inspect.signature(each).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]

    position = list(inspect.signature(function).parameters).index("model")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        unknown = [name for name in kwargs if name not in known]
        if unknown:
            model = args[position] if len(args) > position else kwargs.get("model")
            raise TypeError(_message(getattr(function, "__name__", ""), unknown, known, model))
        return function(*args, **kwargs)

    return checked


def _message(name: str, unknown: list[str], known: list[str], model: object) -> str:
    """The message for the unknown keyword arguments of a call."""
    listed = ", ".join(map(repr, unknown))
    which = "unexpected keyword arguments" if len(unknown) > 1 else "an unexpected keyword argument"
    message = f"{name}() got {which} {listed}."
    parameters, takes_any = parameters_of(model)
    of_model = [each for each in unknown if each in parameters]
    if of_model:
        entries = ", ".join(f"{each!r}: ..." for each in of_model)
        are = "is a parameter" if len(of_model) == 1 else "are parameters"
        message += (
            f" {', '.join(map(repr, of_model))} {are} of the model: pass "
            f"model_kwargs={{{entries}}}."
        )
    for each in unknown:
        if each not in of_model:
            message += _hint(each, known, takes_any)
    return message


def _hint(unknown: str, known: list[str], model_takes_any: bool) -> str:
    """A sentence about one unknown keyword argument, with a leading blank."""
    hint = HINTS.get(unknown.lower())
    if hint is not None:
        return f" For {unknown!r}: {hint}"
    close = difflib.get_close_matches(unknown.lower(), known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    if model_takes_any:
        return f" Pass it to the model as model_kwargs={{{unknown!r}: ...}}."
    names = ", ".join(name for name in known if name != "model")
    return (
        f" The keyword arguments are {names}; arguments of the model are passed as "
        "model_kwargs={...}."
    )


def parameters_of(model: object) -> tuple[list[str], bool]:
    """Names of the parameters of a model function, and whether it takes any keyword argument."""
    if not callable(model):
        return [], False
    try:
        parameters = inspect.signature(model).parameters
    except (TypeError, ValueError):  # built-in callables can lack a signature
        return [], False
    names = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return names, any(each.kind is each.VAR_KEYWORD for each in parameters.values())
