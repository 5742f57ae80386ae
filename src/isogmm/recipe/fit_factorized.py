"""The function that fits factorized mixtures; its signature is the list of its options."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isogmm.model.checks.keywords import explains_keywords
from isogmm.optimize.check import Check
from isogmm.recipe.run import run
from isogmm.results.groups import Result


@explains_keywords
def fit_factorized(
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: Any = None,
    draws: int = 100,
    chains: int = 1,
    num_components: int | str = "auto",
    method: Any = "ibw",
    step_size: float = 0.1,
    spread: float = 0.3,
    variance: float = 0.01,
    center: Any = None,
    max_iterations: int | None = None,
    max_seconds: float | None = None,
    tolerance: float | None = None,
    num_samples: int = 1,
    dtype: Any = np.float32,
    progressbar: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    resume: Any = None,
    callback: Callable[[Check], Any] | None = None,
    checkpoint: Any = None,
    executor: Any = None,
    devices: Any = None,
) -> Result:
    """Fit a factorized mixture, K univariate Gaussians for each coordinate, to a posterior.

    It is for models with 10,000 parameters and more, for which :func:`isogmm.fit_isogmm` is too
    slow or needs too much memory.  Time and memory are O(K d) for each point.  The mixture has no
    dependence between coordinates, and nothing corrects its draws: use the ELBO and predictions
    rather than single parameters.

    Parameters
    ----------
    model, *model_args, model_kwargs, random_seed
        As in :func:`isogmm.fit_isogmm`.
    draws, chains
        Draws of each chain that the result stores, and number of chains: independent fits, one
        after another.  The draws take 4 ``draws`` ``chains`` d bytes; 0 stores the mixture alone.
    num_components
        K, univariate Gaussians for each coordinate; ``"auto"`` takes 5.
    method
        ``"ibw"``, ``"md"`` or another of the paper's rules by name, with steps in units of each
        variance; or a rule with its own step size, which then runs as in the paper.
    step_size
        γ relative to each variance.  It is reduced where the curvature along the direction of all
        means together requires it
        (:class:`isogmm.optimize.factorized.curvature.CollectiveCurvature`).
    spread, variance, center
        The initial mixture: means drawn from N(center, spread² I), and one variance for all.  The
        center is the origin of the unconstrained space by default.
    max_iterations
        Largest number of iterations of each chain.
    max_seconds
        Time limit of all chains in seconds.  Chains that have not started by then are left out.
    tolerance
        A chain stops when its ELBO improves by less than this, in nats, from one window of
        iterations to the next; 0.25 by default.
    num_samples
        Groups of K points in an iteration; an even number is split into antithetic pairs.
    dtype
        Type of the arithmetic and of the stored numbers.
    progressbar, callback
        As in :func:`isogmm.fit_isogmm`.
    idata_kwargs
        As in :func:`isogmm.fit_isogmm`; ``log_likelihood``, ``log_prior`` and
        ``include_transformed`` are False unless given.
    resume, checkpoint
        A result, or a path, of an earlier factorized fit of the same model, whose mixtures are
        continued.
    executor, devices
        As in :func:`isogmm.fit_isogmm`.

    Returns
    -------
    InferenceData or DataTree
        ``posterior`` and ``sample_stats`` (``lp``, ``log_q``) where there are draws; ``fit``
        (``means``, ``variances``: chain, component, coordinate; equal weights); ``fit_stats`` of
        each chain.  Attributes: ``elbo``, ``elbo_se`` of fresh draws, ``stop_reason``,
        ``iterations``, ``num_gradient_evaluations``, ``sampling_time``.  There is no verdict.

    Raises
    ------
    ModelError
        If the model cannot be fitted: names the site, the value and the remedy.
    OptionError
        If an option is invalid: names the option, its value and what is accepted.

    Warns
    -----
    FitWarning
        If a fit ended before its ELBO converged.
    """
    return run("factorized", locals())
