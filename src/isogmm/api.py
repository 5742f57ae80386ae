"""The functions that fit.  Their signatures are the list of options, which ``locals()`` passes."""

from collections.abc import Callable, Mapping
from typing import Any

from isogmm.model.checks.keywords import explains_keywords
from isogmm.optimize.check import Check
from isogmm.recipe.families.auto.family import read_family
from isogmm.recipe.fit_factorized import fit_factorized as fit_factorized
from isogmm.recipe.options import CHAINS
from isogmm.recipe.run import run
from isogmm.results.groups import Result


@explains_keywords
def fit_isogmm(
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: Any = None,
    draws: int = 1000,
    chains: int = CHAINS,
    num_components: int | str = "auto",
    family: str = "auto",
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
    executor: Any = None,
    devices: Any = None,
) -> Result:
    """Fit a mixture of Gaussians to the posterior of a model, check the fit, and return draws.

    All options have defaults, and no learning rate or starting point has to be chosen.

    Parameters
    ----------
    model
        A NumPyro model function, a ``pm.Model`` (or None inside ``with model:``), a
        ``bambi.Model``, an :class:`isogmm.LogDensity` or a :class:`isogmm.Target`.
    *model_args, model_kwargs
        Arguments of the model function.
    random_seed
        An int, a list of ints, a NumPy Generator or a JAX key; the same seed gives the same
        numbers on one machine.
    draws, chains
        Draws of each chain, and number of chains.  Each chain has its own mixture, and all share
        one search for the modes.  More than 4,000 draws in all make the HMC chains longer.
    num_components
        Number of components of each chain.  ``"auto"`` takes 1 if one Gaussian is accurate enough,
        and otherwise 16, or two for each mode if that is more.  It adds components while they
        improve the ELBO, up to 24, or 64 with ``refine=0``.
    family
        ``"isotropic"`` or ``"auto"``.  If there are several modes that isotropic components do not
        describe accurately, ``"auto"`` also fits full covariances, and takes the family with the
        higher ELBO.  If ``method``, ``num_components`` or ``init`` is given, the family is
        isotropic.
    method
        ``"auto"``; one of the paper's rules ``"ibw"``, ``"md"``, ``"ngd"``, ``"means_only"``,
        ``"ibw_s"``, ``"md_s"``; or a rule: ``isogmm.updates.BuresWasserstein(step_size=0.1)``.
        With a step size the rule runs exactly as in the paper.
    weights
        ``"uniform"``, ``"learned"``, or ``"auto"``: learned if there are several modes.
    whitening
        ``"auto"``, ``"none"`` (the paper), ``"diagonal"``, ``"dense"``, ``"low_rank"`` (in
        addition to a diagonal), or an array: a matrix (d, d) or scales (d,).  Beyond 500
        dimensions ``"auto"`` chooses between diagonal and low rank.
    init
        ``"auto"``, an :class:`isogmm.Locate` with other budgets, or an initialization such as
        ``isogmm.initialization.UniformMeans(...)``.
    max_iterations
        Largest number of iterations of the mixture; 10,000 by default.
    max_seconds
        Time limit in seconds, without the compilation.  The fit returns its current result at most
        30 % or 1.5 seconds later.
    tolerance
        The optimization stops when the ELBO improves by less than this, in nats, from one window
        of iterations to the next.  The default is 0.25, or 0.01 with ``refine=0``.
    num_samples
        Samples of each component in an iteration; 2 by default, an antithetic pair.
    importance
        Whether Pareto smoothed importance weights select the draws: True, False, or ``"auto"`` (if
        this improves the draws).
    refine
        Parallel HMC chains that start from the mixture.  ``"auto"`` runs them until they are
        independent of their starting points; 0 or False runs none.  A number is the smallest number
        of warm-up transitions and of recorded transitions.  :class:`isogmm.Refine` sets budgets.
    progressbar
        Show a line with the stage, budget and time, on terminals and in notebooks only.
    idata_kwargs
        A dict with ``log_likelihood``, ``log_prior``, ``include_transformed``, ``dims``, ``coords``
        or ``max_log_likelihood_bytes``: see :func:`isogmm.inference_data.to_inference_data`.
    resume
        An earlier result of the same model, whose mixture is continued with the same chains and
        components.
    callback
        Called after every window with a :class:`isogmm.optimize.check.Check`; returning True
        ends the fit.
    checkpoint
        A path.  The mixture is written there after every window of 25, 50, 100, ... iterations.
        If the file exists, the fit continues from it, also if ``resume`` is given.
    array_backend
        ``"numpy"``, or ``"jax"`` to run the arithmetic of the mixture on the device of JAX.
    executor
        A ``concurrent.futures.Executor`` whose workers evaluate the model, such as a
        ``ProcessPoolExecutor`` that spawns processes, or dask's ``client.get_executor()``.  The
        numbers do not depend on the number of workers.
    devices
        JAX devices that evaluate the points of a batch together, such as ``jax.devices()``.  Each
        gets a copy of the data.  None uses the device of the data.

    Returns
    -------
    InferenceData or DataTree
        Draws, statistics, log likelihood, the mixture, and a verdict in the attributes.

    Raises
    ------
    ModelError
        If the model cannot be fitted: names the site, the value and the remedy.
    OptionError
        If an option is invalid: names the option, its value and what is accepted.

    Warns
    -----
    FitWarning
        If the verdict is ``unreliable``, or the fit ended before it converged.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import isogmm
    >>> model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum((x - 3) ** 2), np.zeros(2), names="x")
    >>> idata = isogmm.fit_isogmm(model, random_seed=0, progressbar=False)
    >>> idata.attrs["verdict"], bool(abs(idata["posterior"]["x"].mean() - 3) < 0.1)
    ('good', True)
    """
    return run(read_family(family), locals())


@explains_keywords
def fit_gmmvi(
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: Any = None,
    draws: int = 1000,
    chains: int = CHAINS,
    num_components: int | str = "auto",
    method: Any = "auto",
    covariance: str = "full",
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
    executor: Any = None,
    devices: Any = None,
) -> Result:
    """Fit a mixture of Gaussians with full covariances to the posterior of a model.

    A component with its own covariance follows a correlated or curved posterior better than an
    isotropic one, and has d² parameters.  Start, coordinates, stopping, verdict, refinement and
    result are those of :func:`isogmm.fit_isogmm`.

    Parameters
    ----------
    model, *model_args, model_kwargs, random_seed, draws, chains
        As in :func:`isogmm.fit_isogmm`.
    num_components
        Number of components of each chain at the start; ``"auto"`` takes 8, or two for each mode
        if that is more.  Methods with an adaptive number change it.
    method
        ``"auto"``; ``"samtron"``, ``"vips"``, ``"ibayes"`` (presets of
        :class:`isogmm.gmmvi.Gmmvi`); ``"bw"``, Bures-Wasserstein gradient steps; or an object:
        ``isogmm.gmmvi.samtron(number=isogmm.gmmvi.FixedNumber())``,
        ``isogmm.gaussian.FullBuresWasserstein(step_size=0.01)``.  With a step size the latter
        runs exactly as published.
    covariance
        ``"full"`` (up to 500 dimensions) or ``"diagonal"``, in the coordinates of the whitening.
    weights
        ``"auto"``, ``"learned"`` or ``"uniform"``; GMMVI always learns them.
    whitening, init, max_iterations, max_seconds, tolerance
        As in :func:`isogmm.fit_isogmm`.
    num_samples
        Samples of each component.  For GMMVI: the effective sample size of an estimate, which also
        uses earlier samples with importance weights.  For ``"bw"``: the number of samples in each
        iteration, by default 16.
    importance, refine, progressbar, idata_kwargs, resume, callback, checkpoint
        As in :func:`isogmm.fit_isogmm`; a result of that function can be continued here.
    array_backend
        ``"numpy"``; ``"jax"`` with ``method="bw"`` only.
    executor, devices
        As in :func:`isogmm.fit_isogmm`.

    Returns
    -------
    InferenceData or DataTree
        As from :func:`isogmm.fit_isogmm`.  The group ``fit`` holds ``covariances``, or for
        diagonal ones ``variances`` of every coordinate.

    Raises
    ------
    ModelError
        If the model cannot be fitted: names the site, the value and the remedy.
    OptionError
        If an option is invalid: names the option, its value and what is accepted.

    References
    ----------
    Arenz, Dahlinger, Ye, Volpp, Neumann (2023). A unified perspective on natural gradient
    variational inference with Gaussian mixture models. arXiv:2209.11533; Lambert, Chewi, Bach,
    Bonnabel, Rigollet (2022). Variational inference via Wasserstein gradient flows.
    arXiv:2205.15902.
    """
    return run("gaussian", locals())
