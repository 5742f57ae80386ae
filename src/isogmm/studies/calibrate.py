"""Simulation-based calibration of a model of the user."""

import functools
import inspect
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from isogmm.api import fit_isogmm
from isogmm.arrays import entry_names
from isogmm.errors import ModelError, OptionError, warn_user
from isogmm.model.adapter import find_adapter
from isogmm.model.checks.keywords import explains_keywords
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.simulation import Simulations
from isogmm.model.target import Target
from isogmm.results.arviz.versions import from_groups
from isogmm.results.groups import SAMPLE_DIMS, Result, attributes, get_group
from isogmm.studies.datasets import jobs_of
from isogmm.studies.pit import PIT, PitOfTruth
from isogmm.studies.study import Study
from isogmm.studies.uniformity import LEVEL, POWER, Uniformity, detectable, direction, uniformity
from isogmm.studies.work import FailedFit, Work
from isogmm.validation import seed_of, whole_number

#: Options of the fits: their results are reduced to PIT values.
_IDATA = {"log_likelihood": False, "log_prior": False}
#: Fewest simulations, below which the tests detect next to nothing.
MIN_SIMULATIONS = 10
#: Quantities that a sentence names.
MAX_NAMES = 4


@functools.partial(explains_keywords, also=[fit_isogmm])
def calibrate(
    model: object = None,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    n: int = 100,
    conditional: bool = False,
    fit: Callable[..., Result] = fit_isogmm,
    executor: object = None,
    folder: str | os.PathLike[str] | None = None,
    random_seed: object = None,
    progressbar: bool = True,
    **fit_options: Any,
) -> Result:
    """Check the fits of a model by simulation-based calibration.

    Parameters are drawn from the prior, a data set is simulated from each, and each data set is
    fitted.  If the fits are correct, the share of posterior draws below the true value (its
    probability integral transform, PIT) is uniform on (0, 1) over the simulations, for every
    variable (Talts et al. 2018).

    Parameters
    ----------
    model, *model_args, model_kwargs
        As in :func:`isogmm.fit_isogmm`, with data.  Without ``conditional`` only the shapes of the
        data are used.
    n
        Number of simulations.
    conditional
        False draws the parameters from the prior.  True draws them from the posterior of the given
        data, and fits the simulated data together with the given ones (posterior SBC, Säilynoja
        et al. 2025).  Use it with vague priors.
    fit
        As in :func:`isogmm.fit_many`.
    executor, folder
        As in :func:`isogmm.fit_many`.
    random_seed
        As in :func:`isogmm.fit_isogmm`.
    progressbar
        Show a line with the number of fits, on terminals and in notebooks only.
    **fit_options
        Options of ``fit``.

    Returns
    -------
    InferenceData or DataTree
        The group ``prior_sbc``, or ``posterior_sbc`` with ``conditional=True``, has the PIT values
        with the dimensions ``chain`` (of length one) and ``draw`` (the simulations).
        :func:`isogmm.plot_calibration` and ``az.plot_ecdf_pit`` of ArviZ 1.x plot them.  The group
        ``uniformity`` has the p values of each quantity.  Attributes: ``calibration`` (a sentence),
        ``calibrated`` (0 or 1), ``verdicts`` (their numbers, as JSON), ``num_failed``,
        ``detectable_shift`` and ``detectable_ratio``.

    Raises
    ------
    ModelError
        If data cannot be simulated from the model, or no fit succeeds.
    OptionError
        If an option is invalid, or the model is no NumPyro, PyMC or Bambi model.

    Warns
    -----
    FitWarning
        If the PIT values are not uniform; also once with the numbers of failed and of unreliable
        fits.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari, Gelman (2018). Validating Bayesian inference algorithms
    with simulation-based calibration. arXiv:1804.06788; Säilynoja, Schmitt, Bürkner, Vehtari
    (2025). Posterior SBC: Simulation-based calibration checking conditional on data.
    arXiv:2502.03279.
    """
    n = whole_number("n", n, least=MIN_SIMULATIONS)
    if folder is not None and random_seed is None:
        raise OptionError(
            "folder= needs random_seed=, so that a later call simulates the same data"
        )
    seed = seed_of(random_seed)
    if isinstance(model, LogDensity | Target):
        raise OptionError(
            f"a {type(model).__name__} cannot simulate data: pass a NumPyro or a PyMC model"
        )
    options = {**fit_options}
    if "idata_kwargs" in inspect.signature(fit).parameters:  # the baselines do not have it
        options["idata_kwargs"] = {**_IDATA, **fit_options.get("idata_kwargs", {})}
    adapter = find_adapter(model)
    model = adapter.of_context(model)
    posterior = None
    if conditional:
        fitted = fit(
            model,
            *model_args,
            model_kwargs=model_kwargs,
            random_seed=seed,
            progressbar=progressbar,
            **options,
        )
        posterior = _chosen(get_group(fitted, "posterior"), n, seed)
    simulated = adapter.simulate(
        model, model_args, model_kwargs or {}, seed, n=n, posterior=posterior
    )
    return _result(_fits(simulated, fit, options, folder, seed, executor, progressbar), conditional)


def _fits(
    simulated: Simulations,
    fit: Callable[..., Result],
    options: Mapping[str, object],
    folder: str | os.PathLike[str] | None,
    seed: int,
    executor: object,
    progressbar: bool,
) -> list[Result | FailedFit]:
    """The PIT values of all simulated data sets."""
    reduce = PitOfTruth(simulated.truth)
    work = Work(simulated.model, fit, simulated.model_kwargs, options, reduce)
    jobs = jobs_of(simulated.datasets, seed)
    return Study(work, folder, seed).run(jobs, executor, progressbar)


def _chosen(posterior: xr.Dataset, n: int, seed: int) -> xr.Dataset:
    """``n`` draws of the posterior, as one chain."""
    chains, draws = (posterior.sizes[name] for name in SAMPLE_DIMS)
    if n > chains * draws:
        raise OptionError(
            f"n={n} simulations need {n} posterior draws, but the fit has {chains * draws}: "
            f"pass draws={-(-n // chains)}"
        )
    rows = np.random.default_rng(seed).choice(chains * draws, n, replace=False)
    taken = posterior.stack(sample=SAMPLE_DIMS).isel(sample=rows)
    taken = taken.drop_vars(["sample", *SAMPLE_DIMS]).rename(sample="draw")
    return (
        taken.assign_coords(draw=np.arange(n))
        .expand_dims(chain=[0])
        .transpose("chain", "draw", ...)
    )


def _result(fits: list[Result | FailedFit], conditional: bool) -> Result:
    """The PIT values of all simulations, the tests and the sentence."""
    good = {i: each for i, each in enumerate(fits) if not isinstance(each, FailedFit)}
    if len(good) < MIN_SIMULATIONS:
        failed = next(each for each in fits if isinstance(each, FailedFit))
        raise ModelError(
            f"only {len(good)} of {len(fits)} simulated data sets could be fitted; the error of "
            f"data set {failed.dataset!r}: {failed.error}"
        ) from failed.error
    index = xr.IndexVariable("draw", list(good))
    pit = xr.concat([get_group(each, PIT) for each in good.values()], index, join="override")
    pit = pit.expand_dims(chain=[0]).transpose(*SAMPLE_DIMS, ...)
    tests = {name: uniformity(values) for name, values in by_quantity(pit).items()}
    attrs = _attributes(pit, tests, list(good.values()), len(fits))
    if not attrs["calibrated"]:
        warn_user(f"isogmm.calibrate: {attrs['calibration']}")
    table = xr.Dataset(
        {
            "p_location": ("quantity", [each.p_location for each in tests.values()]),
            "p_scale": ("quantity", [each.p_scale for each in tests.values()]),
        },
        coords={"quantity": list(tests)},
    )
    name = "posterior_sbc" if conditional else "prior_sbc"
    return from_groups({name: pit, "uniformity": table}, attrs)


def by_quantity(pit: xr.Dataset) -> dict[str, np.ndarray]:
    """The PIT values of each scalar."""
    found: dict[str, np.ndarray] = {}
    for variable, values in pit.data_vars.items():
        flat = values.values.reshape(pit.sizes["draw"], -1)
        names = entry_names(str(variable), values.shape[len(SAMPLE_DIMS) :])
        found.update(zip(names, flat.T, strict=True))
    return found


def _attributes(
    pit: xr.Dataset, tests: Mapping[str, Uniformity], fits: list[Result], total: int
) -> dict[str, str | int | float]:
    """The sentence about the tests, and the numbers in it."""
    quantities, num = by_quantity(pit), len(fits)
    wrong = [name for name, each in tests.items() if each.p_value < LEVEL / len(tests)]
    verdicts = Counter(str(attributes(each).get("verdict", "none")) for each in fits)
    smallest = detectable(num, len(tests))
    if wrong:
        named = [f"{n} is {direction(quantities[n])}" for n in wrong[:MAX_NAMES]]
        more = f", and {len(wrong) - MAX_NAMES} more" if len(wrong) > MAX_NAMES else ""
        claim = f"the fits are not calibrated: the posterior of {', that of '.join(named)}{more}."
    else:
        claim = f"the PIT values of all {len(tests)} quantities are consistent with correct fits."
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    power = f"More than {num} simulations are needed to detect small errors."
    if np.isfinite(smallest.shift + smallest.ratio):
        power = (
            f"With probability {POWER:g} the tests detect a mean that is off by "
            f"{smallest.shift:.2f} posterior sd, and an sd that is too small by a factor of "
            f"{smallest.ratio:.2f}."
        )
    sentence = f"In {num} simulations {claim} {power}"
    if set(verdicts) != {"none"}:  # some functions that fit give no verdict
        sentence += f" Verdicts: {counts}."
    return {
        "calibration": sentence,
        "calibrated": int(not wrong),
        "verdicts": json.dumps(dict(verdicts)),
        "num_failed": total - num,
        "detectable_shift": smallest.shift,
        "detectable_ratio": smallest.ratio,
    }
