"""Fits of one model to many data sets."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from isogmm.api import fit_isogmm
from isogmm.errors import OptionError
from isogmm.model.checks.keywords import explains_keywords
from isogmm.results.groups import Result
from isogmm.studies.combine import combine as combined
from isogmm.studies.datasets import jobs_of
from isogmm.studies.study import Study
from isogmm.studies.work import FailedFit, Work
from isogmm.validation import seed_of


@functools.partial(explains_keywords, also=[fit_isogmm])
def fit_many(
    model: object = None,
    datasets: Iterable[object] | Mapping[str, object] = (),
    *,
    model_kwargs: Mapping[str, object] | None = None,
    fit: Callable[..., Result] = fit_isogmm,
    executor: object = None,
    folder: str | os.PathLike[str] | None = None,
    combine: bool = False,
    random_seed: object = None,
    progressbar: bool = True,
    **fit_options: Any,
) -> list[Result | FailedFit] | Result:
    """Fit one model to many data sets; data of equal shapes share the compiled programs.

    Use it for simulation studies, cross-validation, and one model for each store.

    Parameters
    ----------
    model
        A NumPyro model function, a ``pm.Model`` whose data are ``pm.Data`` (or None inside
        ``with model:``), or an :class:`isogmm.LogDensity` with ``data=``.
    datasets
        A list of data sets, or a mapping from names to data sets.  A data set is

        - NumPyro: a tuple of positional arguments, a dict of keyword arguments, or one array;
        - PyMC: a dict from names of ``pm.Data`` to values, or a pair of such a dict and the new
          coords, as in ``pm.set_data``;
        - LogDensity: the ``data`` of :meth:`isogmm.LogDensity.with_data`.
    model_kwargs
        NumPyro: keyword arguments that all data sets share.
    fit
        The function that fits: :func:`isogmm.fit_isogmm`, :func:`isogmm.fit_gmmvi`,
        :func:`isogmm.fit_factorized`, or one of :mod:`isogmm.baselines`.
    executor
        Workers, each of which fits whole data sets: a number of processes, or any
        ``concurrent.futures.Executor``.  The data sets of a lost worker are fitted again.  None
        fits one data set after another in this process.
    folder
        A folder with one netCDF file for each result.  A later call with the same model, data and
        options fits only the data sets that have no file.
    combine
        Whether to return one result with the leading dimension ``dataset`` instead of a list.
        The group ``dataset_stats`` has the verdict and the numbers of each fit.
    random_seed
        As in :func:`isogmm.fit_isogmm`.  The seed of a data set depends on this and on the place
        of the data set, not on the workers.
    progressbar
        Show a line with the number of fitted data sets, on terminals and in notebooks only.
    **fit_options
        Options of ``fit``, the same for all data sets.

    Returns
    -------
    list or InferenceData or DataTree
        The results in the order of the data sets.  A data set that cannot be fitted has a
        :class:`isogmm.FailedFit` in place of a result.  With ``combine=True`` one ArviZ object
        without those data sets.

    Raises
    ------
    OptionError
        If an option is invalid, or the folder belongs to another study.
    WorkersLostError
        If the executor cannot continue.

    Warns
    -----
    FitWarning
        Once, with the numbers of failed and of unreliable fits.
    """
    if fit_options.get("checkpoint") is not None:
        raise OptionError(
            "fit_many takes no checkpoint=: pass folder=, which stores the result of each data "
            "set; a later call skips these data sets"
        )
    if not callable(fit):
        raise OptionError(f"fit must be a function such as isogmm.fit_gmmvi, not {fit!r}")
    seed = None if random_seed is None else seed_of(random_seed)
    study = Study(Work(model, fit, model_kwargs or {}, fit_options), folder, seed)
    jobs = jobs_of(datasets, study.seed)
    results = study.run(jobs, executor, progressbar)
    if combine:
        return combined([job.label for job in jobs], results)
    return results
