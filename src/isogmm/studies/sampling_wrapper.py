"""Refits without some observations, in the form that ArviZ's cross-validation calls."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from isogmm.api import fit_isogmm
from isogmm.errors import OptionError, warn_user
from isogmm.model.checks.keywords import explains_keywords
from isogmm.model.to_target import to_target
from isogmm.model.with_data import bound
from isogmm.results.arviz.versions import sampling_wrapper_class
from isogmm.results.building.constrained import constrained, seed_of_model
from isogmm.results.groups import SAMPLE_DIMS, Result, attributes, get_group
from isogmm.results.labeling.labels import Verdict
from isogmm.results.log_likelihood import UNWANTED, positions_of
from isogmm.results.loo import observed_variable
from isogmm.validation import seed_of

#: Row numbers that a warning names.
MAX_ROWS = 5


@functools.partial(explains_keywords, also=[fit_isogmm])
def sampling_wrapper(
    idata: Result,
    model: object,
    data: Callable[[np.ndarray], object],
    *,
    model_kwargs: Mapping[str, object] | None = None,
    var_name: str | None = None,
    fit: Callable[..., Result] = fit_isogmm,
    random_seed: object = 0,
    **fit_options: Any,
) -> Any:
    r"""The refits of ``az.reloo`` and ``az.loo_kfold``: fits without some of the observations.

    ArviZ selects the observations :math:`I` to leave out.  The wrapper fits the other
    observations and returns :math:`\log p(y_i \mid \theta_s)`, :math:`i \in I`, of the draws
    :math:`\theta_s` of this fit.  ArviZ averages over the draws.

    Parameters
    ----------
    idata
        The result of a fit to all observations, with its log likelihood.
    model
        The model, as in :func:`isogmm.fit_many`.
    data
        ``rows -> data set``: the data of the observations with these numbers, as a data set of
        :func:`isogmm.fit_many`.
    model_kwargs
        NumPyro: keyword arguments of the model that do not depend on the observations.
    var_name
        The observed variable, where the model has several.
    fit
        The function that fits: :func:`isogmm.fit_isogmm`, :func:`isogmm.fit_gmmvi` or
        :func:`isogmm.fit_factorized`.
    random_seed
        Seed of the refits, the same for all.
    **fit_options
        Options of ``fit``.

    Returns
    -------
    SamplingWrapper
        A wrapper of the installed generation of ArviZ.  Its attribute ``verdicts`` is a list with
        the rows that were left out and the verdict, for each refit.

    Raises
    ------
    OptionError
        If ``data`` is no function, the result has no log likelihood, or the observations have
        several dimensions.  During a refit: if the parameters of the model depend on the number
        of observations.

    Warns
    -----
    FitWarning
        If a refit is unreliable; the warning names the rows that were left out.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC, Statistics and Computing 27.

    Examples
    --------
    >>> import arviz as az
    >>> import numpy as np
    >>> import isogmm
    >>> def log_likelihood(x, data):
    ...     return {"y": -0.5 * (data["y"] - x["mu"]) ** 2}
    >>> y = np.arange(5.0)
    >>> model = isogmm.LogDensity(
    ...     lambda x, data: -0.5 * x["mu"] ** 2 + log_likelihood(x, data)["y"].sum(),
    ...     {"mu": np.zeros(())},
    ...     log_likelihood=log_likelihood,
    ...     data={"y": y},
    ... )
    >>> idata = isogmm.fit_isogmm(model, random_seed=0, progressbar=False)
    >>> wrapper = isogmm.sampling_wrapper(idata, model, lambda rows: {"y": y[rows]})
    >>> left, held_out = wrapper.sel_observations([3])
    >>> refit = wrapper.get_inference_data(wrapper.sample(left))
    >>> wrapper.log_likelihood__i(held_out, refit).shape
    (4, 1000, 1)
    """
    if not callable(data):
        raise OptionError(
            "data must be a function from row numbers to a data set, such as "
            f"lambda rows: (x[rows], y[rows]), not an object of type {type(data).__name__}"
        )
    arrays = get_group(idata, "log_likelihood").data_vars
    name = observed_variable(arrays, var_name)
    shape = arrays[name].shape[2:]
    if len(shape) != 1:
        raise OptionError(
            f"the log likelihood of {name!r} has the shape {shape} for each draw, but the "
            "observations to leave out must have one dimension: write the model with one array "
            "of observations"
        )
    refits = type("SamplingWrapper", (Refits, sampling_wrapper_class()), {})
    wrapper = refits(model=model, idata_orig=idata)
    wrapper.name, wrapper.num_rows = name, shape[0]
    wrapper.data, wrapper.model_kwargs = data, model_kwargs or {}
    wrapper.fit = fit
    wrapper.options = {"progressbar": False, **fit_options, "random_seed": seed_of(random_seed)}
    wrapper.verdicts = []
    return wrapper


class Refits:
    """The methods that ArviZ calls.  It receives data sets as the numbers of their rows."""

    model: object
    name: str
    num_rows: int
    data: Callable[[np.ndarray], object]
    model_kwargs: Mapping[str, object]
    fit: Callable[..., Result]
    options: Mapping[str, object]
    verdicts: list[tuple[np.ndarray, str]]

    def sel_observations(self, idx: object) -> tuple[np.ndarray, np.ndarray]:
        """The other rows, and the rows to leave out."""
        held_out = np.atleast_1d(np.asarray(idx))
        return self._others(held_out), held_out

    def sample(self, modified_observed_data: np.ndarray) -> Result:
        """The fit to these rows."""
        data = self.data(modified_observed_data)
        with bound(self.model, data, self.model_kwargs) as (model, args, kwargs):
            found = self.fit(model, *args, model_kwargs=kwargs or None, **self.options)
        held_out = self._others(modified_observed_data)
        verdict = str(attributes(found).get("verdict", "none"))
        self.verdicts.append((held_out, verdict))
        if verdict == Verdict.UNRELIABLE.value:
            rows = ", ".join(map(str, held_out[:MAX_ROWS]))
            more = f" and {held_out.size - MAX_ROWS} more" if held_out.size > MAX_ROWS else ""
            warn_user(
                f"isogmm: the fit without the rows {rows}{more} is unreliable, so the terms of "
                "these rows are not reliable either."
            )
        return found

    def get_inference_data(self, fitted_model: Result) -> Result:
        """The result itself."""
        return fitted_model

    def log_likelihood__i(self, excluded_obs: np.ndarray, idata__i: Result) -> xr.DataArray:
        """The log likelihood (chain, draw, row) of the rows that were left out."""
        seed = seed_of_model(attributes(idata__i))
        data = self.data(excluded_obs)
        with bound(self.model, data, self.model_kwargs) as (model, args, kwargs):
            target = to_target(model, args, kwargs, seed)
            positions = positions_of(idata__i, target)
            groups = constrained(target, positions, seed, UNWANTED)
        values = groups["log_likelihood"][self.name]
        if values.shape[2:] != excluded_obs.shape:
            raise OptionError(
                f"data(rows) returned {values.shape[2:]} observations of {self.name!r} for "
                f"{excluded_obs.size} rows: it must select these rows of every array of the data"
            )
        return xr.DataArray(values, dims=(*SAMPLE_DIMS, "row"))

    def check_implemented_methods(self, methods: object) -> list[str]:
        """All methods exist.  The method of ArviZ 0.x would call each of them with a number."""
        return []

    def _others(self, rows: np.ndarray) -> np.ndarray:
        return np.setdiff1d(np.arange(self.num_rows), rows)
