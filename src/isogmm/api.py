"""``fit_isogmm``: the road from a model to an ArviZ object, line by line."""

import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from isogmm.checks import Check
from isogmm.models import seed_of, to_target
from isogmm.options import resolve
from isogmm.progress import Progress


def fit_isogmm(
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: Any = None,
    draws: int = 1000,
    chains: int = 4,
    num_components: int | str = "auto",
    method: Any = "auto",
    weights: Any = "auto",
    whitening: Any = "auto",
    init: Any = "auto",
    max_iterations: int | None = None,
    max_seconds: float | None = None,
    tolerance: float | None = None,
    num_samples: int | None = None,
    importance: str | bool = "auto",
    refine: Any = "auto",
    progressbar: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    resume: Any = None,
    callback: Callable[[Check], Any] | None = None,
    checkpoint: Any = None,
    array_backend: str = "numpy",
) -> Any:
    """Fit a mixture of isotropic Gaussians to the posterior of a model; nothing has to be tuned.

    Parameters
    ----------
    model
        A NumPyro model function, a ``pm.Model`` (or None inside ``with model:``), a
        ``bambi.Model``, an :class:`isogmm.LogDensity` or a :class:`isogmm.Target`.
    *model_args, model_kwargs
        What the model function is called with.
    random_seed
        An int, a NumPy Generator or a JAX key; the same seed gives the same numbers on one
        machine.
    draws, chains
        Draws of each chain, and chains: independent fits of one posterior, evaluated together,
        so that R-hat across chains compares fits.
    num_components
        K of each chain; ``"auto"`` takes 16, or two for each mode where that is more.
    method
        ``"auto"``, one of the paper's rules ``"ibw"``, ``"md"``, ``"ngd"``, ``"means_only"``,
        ``"ibw_s"``, ``"md_s"``, or a rule: ``isogmm.updates.BuresWasserstein(step_size=0.1)``.
        With a step size the rule runs exactly as in the paper.
    weights
        ``"uniform"``, ``"learned"``, or ``"auto"``: learned where there are several modes.
    whitening
        ``"auto"``, ``"none"`` (the paper), ``"diagonal"``, ``"dense"``, ``"low_rank"`` (beside a
        diagonal; what ``"auto"`` may choose beyond 500 dimensions), or a matrix or scales.
    init
        ``"auto"``, an :class:`isogmm.Locate` with other budgets, or a start such as
        ``isogmm.initialization.UniformMeans(...)``.
    max_iterations, max_seconds, tolerance
        Budgets of the mixture, and the gain of the ELBO in nats not worth another window.
    num_samples
        Samples a component and iteration; 2, an antithetic pair, unless given.
    importance
        Pareto smoothed importance resampling where it helps: ``"auto"``, True or False.
    refine
        ``"auto"`` (parallel chains until they have forgotten their starts), 0, a number of
        transitions, or an :class:`isogmm.Refine` with other budgets.
    progressbar
        A line with the ELBO; shown on terminals and in notebooks only.
    idata_kwargs
        ``log_likelihood``, ``log_prior``, ``dims``, ``coords``: see
        :func:`isogmm.inference_data.to_inference_data`.
    resume
        An earlier result of the same model: its mixture is continued.
    callback
        Called after every window with a :class:`isogmm.checks.Check`; returning True ends the
        fit.
    checkpoint
        A path: the mixture is written there after every window, and read back if it exists.
    array_backend
        ``"numpy"``, or ``"jax"`` to run the mixture's arithmetic on JAX's device.

    Returns
    -------
    InferenceData or DataTree
        Posterior, statistics, log likelihood, the fit itself and a verdict in its attributes.

    Raises
    ------
    ModelError
        If the model cannot be fitted: names the site, the value and the remedy.
    OptionError
        If an option makes no sense.
    """
    begin = time.perf_counter()
    options = resolve(
        draws=draws,
        chains=chains,
        num_components=num_components,
        method=method,
        weights=weights,
        whitening=whitening,
        init=init,
        max_iterations=max_iterations,
        max_seconds=max_seconds,
        tolerance=tolerance,
        num_samples=num_samples,
        importance=importance,
        refine=refine,
        array_backend=array_backend,
    )
    seed = seed_of(random_seed)
    target = to_target(model, model_args, model_kwargs or {}, seed)
    target.num_gradient_evaluations = 0
    target.prepare()
    from isogmm.checkpoints import Checkpoint
    from isogmm.fit import fit
    from isogmm.inference_data import resume_mixture, to_inference_data

    # The statistics take a third of a second to import: do it while the model compiles.
    Thread(target=_preload, daemon=True).start()

    saved = Checkpoint(checkpoint, target, seed) if checkpoint is not None else None
    start = resume_mixture(resume, target) if resume is not None else None
    if start is None and saved is not None:
        start = saved.mixture()
    # Threads of BLAS that spin between small products take the cores from the model's programs:
    # one thread was 1.4 times faster on logistic regression, 30 times in SciPy's L-BFGS.
    with Progress(progressbar) as progress, threadpool_limits(1, user_api="blas"):

        def observe(check: Check) -> bool:
            progress.update(check)
            return callback is not None and callback(check) is True

        result = fit(
            target,
            options,
            np.random.default_rng(seed),
            callback=observe,
            checkpoint=saved.write if saved is not None else None,
            start=start,
        )
        result.attributes = {
            **result.attributes,
            "random_seed": seed,
            "sampling_time": time.perf_counter() - begin,
        }
        return to_inference_data(result, idata_kwargs=idata_kwargs)


def _preload() -> None:
    from isogmm.inference_data import preload

    preload()
