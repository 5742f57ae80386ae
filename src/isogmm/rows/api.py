"""The function that fits a model to data that are read in blocks of rows."""

import contextlib
import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.api import fit_isogmm
from isogmm.errors import FitWarning, IsogmmError, OptionError, warn_user
from isogmm.model.checks.keywords import explains_keywords
from isogmm.model.fit_target import FitTarget
from isogmm.progress.progress import Progress
from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm.results.building.fit_group import positions_from
from isogmm.results.groups import Result, add_attributes, attributes, get_group
from isogmm.results.interruption import interruptible
from isogmm.results.labeling.labels import Verdict
from isogmm.results.stop_reason import StopReason
from isogmm.rows.approximate import MAX_CENTERS, Approximation, approximate
from isogmm.rows.blocks import Blocks
from isogmm.rows.calibrate import calibrated
from isogmm.rows.judge import judged, log_density_of_rows
from isogmm.rows.read_model import read_model, with_rows
from isogmm.rows.sample import sampled
from isogmm.rows.surrogate import Surrogate
from isogmm.rows.terms import RowTerms
from isogmm.validation import seed_of, whole_number

#: Rows of the sample.
SAMPLE_ROWS = 10_000
#: Draws are far from a mode beyond this share of the radius of its correction, which is about √d
#: plus six standard deviations (a Gaussian has √d); and the largest share of such draws.
FAR_SHARE, MAX_SHARE_FAR = 0.7, 0.001
#: Options of ``fit_isogmm`` that need the posterior of all rows.
_WITHOUT = ("model_args", "resume", "checkpoint", "executor", "devices")


@functools.partial(explains_keywords, also=[fit_isogmm])
def fit_rows(
    model: object,
    rows: object = None,
    *,
    model_kwargs: Mapping[str, object] | None = None,
    sample_rows: int = SAMPLE_ROWS,
    block_rows: int | None = None,
    random_seed: object = None,
    progressbar: bool = True,
    idata_kwargs: Mapping[str, object] | None = None,
    **fit_options: Any,
) -> Result:
    r"""Fit a model to data that are read in blocks of rows, in a few passes over the data.

    Use it if the data do not fit into memory, or if their rows make each gradient costly.  The log
    density must be a sum over the rows, :math:`\log p(x) + \sum_i f(x, \text{row}_i)`.

    1. The first pass draws a random sample of the rows.
    2. A pass computes value, gradient and Hessian of all rows at the modes of the posterior of the
       sample.  They correct the log density of the sample.  This is repeated until the modes no
       longer move.
    3. :func:`isogmm.fit_isogmm` fits the corrected log density.
    4. The last pass computes the log density of all rows at the draws.  Importance weights correct
       the draws and decide the verdict.
    5. If the verdict is ``unreliable``, steps 3 and 4 are repeated with another correction: the
       rows of the sample have weights, chosen such that the weighted sample has the value, gradient
       and Hessian of all rows at the modes.  This is done for at most 60 parameters, if the
       sample has at least 1.5 rows for each entry of the Hessian on and above the diagonal.

    The memory is bounded by a block, the sample, and the draws.  All programs compute in double
    precision.

    Parameters
    ----------
    model
        A NumPyro model function, a ``pm.Model`` whose rows are ``pm.Data`` or ``pm.Minibatch``, or
        an :class:`isogmm.LogDensity` with ``data``, whose values are ignored.  The model is called
        with blocks of rows, and must not depend on their number.
    rows
        The data: a dict (keyword arguments of a NumPyro model, names of ``pm.Data``), a tuple
        (positional arguments), or what :class:`isogmm.LogDensity` takes as ``data``.  All arrays
        have the rows along the first axis; memory-mapped arrays are read in blocks.  Alternatively,
        a list of such blocks, or a function without arguments that returns an iterable of blocks,
        for example a generator function that reads files.  Leave it out for a model with
        ``pm.Minibatch``: the rows are its full data, and ``total_size`` is ignored.
    model_kwargs
        Keyword arguments of a NumPyro model that all rows share.
    sample_rows
        Rows of the sample.  If the posterior is not Gaussian, a larger sample makes the corrected
        log density more accurate.
    block_rows
        Rows of a block; chosen by the size of a row unless given.
    random_seed
        An int, a list of ints, a NumPy Generator or a JAX key.
    progressbar
        Show a line with the pass over the data, then that of the fit, on terminals and in
        notebooks only.
    idata_kwargs
        As in :func:`isogmm.fit_isogmm`, without ``log_likelihood``.
    **fit_options
        Options of :func:`isogmm.fit_isogmm`: ``draws``, ``chains``, ``num_components``,
        ``refine`` and others.

    Returns
    -------
    InferenceData or DataTree
        As from :func:`isogmm.fit_isogmm`, without data and log likelihood.  ``sample_stats.lp`` is
        the log density of all rows.  The attributes include ``num_rows``, ``sample_rows`` and
        ``passes_over_data``.  ``elbo`` is that of the corrected log density.

    Raises
    ------
    ModelError
        If the log density is not a sum over rows, if a row is not finite, or if blocks differ in
        their columns or are missing in a later pass: names the block or the row.
    OptionError
        If an option is invalid: names the option, its value and what is accepted.

    Warns
    -----
    FitWarning
        If the verdict is ``unreliable``.

    References
    ----------
    Baker, Fearnhead, Fox and Nemeth (2019). Control variates for stochastic gradient MCMC.
    Statistics and Computing 29; Jordan, Lee and Yang (2019). Communication-efficient distributed
    statistical inference. JASA 114; Deville and Särndal (1992). Calibration estimators in survey
    sampling. JASA 87.

    Examples
    --------
    >>> import numpy as np
    >>> import jax.numpy as jnp
    >>> import isogmm
    >>> model = isogmm.LogDensity(
    ...     lambda mu, y: -0.5 * mu**2 - 0.5 * jnp.sum((y - mu) ** 2),
    ...     np.zeros(()),
    ...     names="mu",
    ...     data=np.zeros(1),
    ... )
    >>> y = np.linspace(-1.0, 3.0, 20_000)
    >>> idata = isogmm.fit_rows(model, y, random_seed=0, progressbar=False)
    >>> idata.attrs["num_rows"], bool(abs(idata["posterior"]["mu"].mean() - 1.0) < 0.01)
    (20000, True)
    """
    begin = time.perf_counter()
    seed = seed_of(random_seed)
    sample_rows = whole_number("sample_rows", sample_rows, least=2)
    if block_rows is not None:
        block_rows = whole_number("block_rows", block_rows, least=2)
    options = _fit_options(fit_options, idata_kwargs)
    generator = np.random.default_rng(seed)
    with Progress(progressbar, "reading the data") as progress:
        model, rows = with_rows(model, rows)
        blocks = Blocks(rows, block_rows)
        progress.show("reading the data", lambda: f"pass {blocks.num_passes + 1}")
        target, density = read_model(model, model_kwargs or {}, blocks, seed)
        sample = sampled(blocks, sample_rows, generator)
        assert blocks.num_rows is not None
        surrogate = Surrogate(target, density, sample, blocks.num_rows)
        progress.show("correcting the sample", lambda: f"pass {blocks.num_passes + 1}")
        found = approximate(surrogate, density, blocks, sample, generator)

    def fit(found: Approximation) -> Result:
        """The fit of an approximation, judged on all rows."""
        with kept_filters():
            ignore(FitWarning, "isogmm: ")  # the advice of the judgement on all rows follows
            idata = fit_isogmm(found.target, random_seed=seed, progressbar=progressbar, **options)
        add_attributes(idata, {"num_rows": blocks.num_rows, "sample_rows": len(sample[0])})
        positions = positions_from(idata)
        flat = positions.reshape(-1, positions.shape[-1])
        with Progress(progressbar, "weighting the draws"):
            of_rows, problem = log_density_of_rows(found.target, density, blocks, flat)
        problem = problem or _problem(found, flat, len(sample[0]))
        return judged(idata, of_rows.reshape(positions.shape[:2]), problem, generator)

    idata = fit(found)
    if _may_repeat(idata):
        # Whatever happens in a second fit, the first one has a result.
        with (
            contextlib.suppress(IsogmmError),
            interruptible(FitTarget.of(found.target), has_result=True),
        ):
            weighted = calibrated(found, surrogate, RowTerms(density, sample), blocks.num_rows)
            other = idata if weighted is None else fit(weighted)
            if attributes(other)["verdict"] != Verdict.UNRELIABLE.value:
                idata = other
    known = attributes(idata)
    if known["verdict"] == Verdict.UNRELIABLE.value:
        warn_user(f"isogmm: {known['advice']}")
    return add_attributes(
        idata,
        {
            "passes_over_data": blocks.num_passes,
            "sampling_time": round(time.perf_counter() - begin, 4),
        },
    )


def _may_repeat(idata: Result) -> bool:
    """Whether the fit is unreliable, has not been stopped, and all rows could be read."""
    known = attributes(idata)
    was_stopped = StopReason(known["stop_reason"]).is_early
    has_weights = np.isfinite(get_group(idata, "sample_stats")["lp"].values).any()
    return known["verdict"] == Verdict.UNRELIABLE.value and has_weights and not was_stopped


def _fit_options(
    fit_options: Mapping[str, Any], idata_kwargs: Mapping[str, object] | None
) -> dict[str, Any]:
    """The options of the fit of the corrected log density."""
    for name in _WITHOUT:
        if fit_options.get(name) is not None:
            raise OptionError(f"isogmm.fit_rows has no option {name}")
    if (idata_kwargs or {}).get("log_likelihood"):
        raise OptionError(
            "isogmm.fit_rows does not store the log likelihood of all rows: leave out "
            "log_likelihood, or use isogmm.loo with the rows of interest"
        )
    return {**fit_options, "idata_kwargs": {**(idata_kwargs or {}), "log_likelihood": False}}


def _problem(found: Approximation, positions: Float[np.ndarray, "n d"], sample_rows: int) -> str:
    """What makes the approximation unreliable whatever the weights say, or an empty text."""
    if found.num_modes > MAX_CENTERS:
        return (
            f"The posterior of the sample of rows has {found.num_modes} modes, but isogmm.fit_rows "
            f"supports at most {MAX_CENTERS}. Use a larger sample: isogmm.fit_rows(model, rows, "
            f"sample_rows={4 * sample_rows:_}). If labels can be exchanged, impose an order on "
            "them."
        )
    if found.correction is None:
        return (
            "The log density of all rows is not finite at the posterior modes of the sample of "
            "rows. The draws describe the sample only. Use a larger sample, or a likelihood with "
            "heavier tails."
        )
    correction = found.correction
    is_far = (correction.distances(positions) > FAR_SHARE * correction.radii).all(axis=1)
    if is_far.mean() > MAX_SHARE_FAR:
        return (
            f"{is_far.mean():.1%} of the draws are too far from the posterior mode, where the "
            "approximation from the sample of rows is inaccurate: the posterior is far from a "
            "Gaussian. Fit all rows at once: isogmm.fit_isogmm(model)."
        )
    return ""
