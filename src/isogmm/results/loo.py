"""Leave-one-out cross-validation without the log likelihood of all draws and observations."""

from collections.abc import Mapping

import numpy as np

from isogmm.errors import OptionError, warn_user
from isogmm.model.target import Groups
from isogmm.model.to_target import to_target
from isogmm.results.arviz.loo import Elpd, joined_loo, loo_of_rows
from isogmm.results.arviz.versions import ess
from isogmm.results.building.constrained import constrained, seed_of_model
from isogmm.results.groups import SAMPLE_DIMS, Result, attributes, get_group
from isogmm.results.log_likelihood import NO_LOG_LIKELIHOOD, UNWANTED, labelled, positions_of
from isogmm.validation import real_number

#: Bytes of the log likelihood of a block of observations.  PSIS needs three times as much.
MAX_BLOCK_BYTES = 2.0**29


def loo(
    idata: Result,
    model: object = None,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    var_name: str | None = None,
    pointwise: bool = True,
    reff: float | None = None,
    max_bytes: float = MAX_BLOCK_BYTES,
) -> Elpd:
    r"""Leave-one-out cross-validation of a result that does not store its log likelihood.

    .. math:: \text{elpd} = \sum_i \log \sum_s w_{is} \, p(y_i \mid \theta_s), \qquad
        w_{is} \propto 1 / p(y_i \mid \theta_s),

    with weights stabilized by Pareto smoothed importance sampling (PSIS).  The result is that of
    ``az.loo``, but the observations are processed in blocks.  The memory is a few times
    ``max_bytes``, and the model is evaluated once for each block.

    Parameters
    ----------
    idata
        The result of :func:`isogmm.fit_isogmm` or a related function, with its unconstrained draws.
    model, *model_args, model_kwargs
        The model and its arguments, as in the fit.
    var_name
        The observed variable, if the model has several.
    pointwise
        Whether the result has the terms and Pareto k of all observations, which ``az.compare`` and
        ``az.plot_khat`` need.
    reff
        Effective sample size of the draws divided by their number; None computes it from the
        posterior as ArviZ does.
    max_bytes
        Size of the log likelihood of a block; 512 MiB unless given.

    Returns
    -------
    ELPDData
        The result of ``az.loo`` in the installed generation of ArviZ.  In ArviZ 1.x its
        ``log_weights`` are None.

    Raises
    ------
    OptionError
        If the result has no unconstrained draws or belongs to another model, or if the model has
        no observed variable, or several and ``var_name`` names none of them.
    ModelError
        If the model cannot be read.

    Warns
    -----
    FitWarning
        If Pareto k of an observation is above ``good_k``, so that its term is not reliable.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC, Statistics and Computing 27.

    Examples
    --------
    >>> import numpy as np
    >>> import isogmm
    >>> def log_likelihood(x, data):
    ...     return {"y": -0.5 * (data["y"] - x["mu"]) ** 2}
    >>> model = isogmm.LogDensity(
    ...     lambda x, data: -0.5 * x["mu"] ** 2 + log_likelihood(x, data)["y"].sum(),
    ...     {"mu": np.zeros(())},
    ...     log_likelihood=log_likelihood,
    ...     data={"y": np.arange(5.0)},
    ... )
    >>> options = {"log_likelihood": False}
    >>> idata = isogmm.fit_isogmm(model, random_seed=0, progressbar=False, idata_kwargs=options)
    >>> found = isogmm.loo(idata, model)
    >>> found.n_data_points, found.pareto_k.shape
    (5, (5,))
    """
    max_bytes = real_number("max_bytes", max_bytes, above=0.0)
    seed = seed_of_model(attributes(idata))
    target = to_target(model, model_args, model_kwargs or {}, seed)
    positions = positions_of(idata, target)
    # One draw shows the variables and their shapes.
    one = constrained(target, positions[:1, :1], seed, UNWANTED).get("log_likelihood", {})
    name = observed_variable(one, var_name)
    labels = labelled({name: one[name]}, target, idata, all_draws=False)[name]
    observations = labels[0, 0].drop_vars(SAMPLE_DIMS)
    chains, draws = positions.shape[:2]
    if reff is None:
        reff = _relative_efficiency(idata, chains * draws)
    size = max(1, int(max_bytes / (positions.itemsize * chains * draws)))
    blocks = []
    for begin in range(0, observations.size, size):
        rows = slice(begin, begin + size)

        def block(groups: Groups, rows: slice = rows) -> Groups:
            values = np.asarray(groups["log_likelihood"][name])
            return {"log_likelihood": {name: values.reshape(len(values), -1)[:, rows]}}

        part = constrained(target, positions, seed, UNWANTED, select=block)
        blocks.append(loo_of_rows(part["log_likelihood"][name], reff))
    result = joined_loo(blocks, observations, pointwise=pointwise)
    if result.warning:
        count = sum(int((block.pareto_k > block.good_k).sum()) for block in blocks)
        warn_user(
            f"isogmm: Pareto k is above {result.good_k:.2f} for {count:,} of "
            f"{observations.size:,} observations of {name!r}: their terms of the sum are not "
            "reliable. Refit the model without these observations, or use k-fold cross-validation."
        )
    return result


def observed_variable(arrays: Mapping[str, object], var_name: str | None) -> str:
    """The observed variable of this name, or the only one.

    Raises
    ------
    OptionError
        If there is no such variable.
    """
    names = list(arrays)
    if not names:
        raise OptionError(NO_LOG_LIKELIHOOD)
    if var_name is None and len(names) > 1:
        raise OptionError(f"several observed variables, {names}: choose one with var_name=")
    if var_name is not None and var_name not in names:
        raise OptionError(
            f"var_name={var_name!r} is not an observed variable: choose one of {names}"
        )
    return names[0] if var_name is None else var_name


def _relative_efficiency(idata: Result, num_draws: int) -> float:
    """Mean effective sample size of all scalars of the posterior per draw, as in ``az.loo``."""
    # Discrete variables are integers, and ``ess`` takes floats.
    posterior = get_group(idata, "posterior").data_vars.values()
    arrays = [array.values.astype(np.float64) for array in posterior]
    if len(arrays[0]) == 1:
        return 1.0
    return float(np.hstack([np.ravel(ess(array, method="mean")) for array in arrays]).mean()) / (
        num_draws
    )
