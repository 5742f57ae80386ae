"""Seeds, order, errors and the folder of a study, with a function in place of a fit."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import isogmm
from isogmm.errors import FitWarning, OptionError
from isogmm.model.with_data import bound
from isogmm.results.arviz.versions import from_groups
from isogmm.results.groups import attributes
from isogmm.studies.datasets import jobs_of
from isogmm.studies.work import Work
from isogmm.studies.worker import task_of

MODEL = isogmm.LogDensity(lambda x, data: -0.5 * jnp.sum((data - x) ** 2), 0.0, data=np.zeros(2))


def result_of(model, random_seed, verdict="good"):
    posterior = xr.Dataset({"x": (("chain", "draw"), np.zeros((1, 4)))})
    attrs = {"size": model.data.size, "first": float(model.data[0]), "random_seed": random_seed}
    return from_groups({"posterior": posterior}, {**attrs, "verdict": verdict})


def quick(model, *, model_kwargs, random_seed, progressbar):
    """Tells its data and its seed."""
    return result_of(model, random_seed)


def other(model, *, model_kwargs, random_seed, progressbar):
    """Another function that fits."""
    return result_of(model, random_seed)


def refuses_negative(model, *, model_kwargs, random_seed, progressbar):
    """An option that does not go with one data set."""
    if model.data[0] < 0:
        raise OptionError("the option needs data above zero")
    return result_of(model, random_seed)


def unreliable_below_zero(model, *, model_kwargs, random_seed, progressbar):
    return result_of(model, random_seed, "unreliable" if model.data[0] < 0 else "good")


def values(results, name):
    return [attributes(each)[name] for each in results]


def test_results_are_in_the_order_of_the_data_sets():
    """Data sets of equal shapes are fitted one after another."""
    sizes = [3, 5, 3, 5]
    sets = [np.full(size, float(index)) for index, size in enumerate(sizes)]
    results = isogmm.fit_many(MODEL, sets, fit=quick, random_seed=0)
    assert values(results, "size") == sizes
    assert values(results, "first") == [0.0, 1.0, 2.0, 3.0]


def test_every_data_set_has_its_own_seed():
    sets = [np.zeros(2)] * 4
    fits = [isogmm.fit_many(MODEL, sets, fit=quick, random_seed=seed) for seed in (0, 0, 1)]
    seeds = [values(results, "random_seed") for results in fits]
    assert seeds[0] == seeds[1]
    assert len({*seeds[0], *seeds[2]}) == 8
    # Further data sets leave the seeds of the others, and so do names.
    names = dict(zip("abcdef", sets + sets[:2], strict=True))
    assert [job.seed for job in jobs_of(names, 0)][:4] == seeds[0]


def test_an_option_that_fails_for_one_data_set_does_not_end_the_study():
    sets = [np.ones(2), -np.ones(2), np.ones(2)]
    with pytest.warns(FitWarning, match="1 of 3 data sets could not be fitted"):
        results = isogmm.fit_many(MODEL, sets, fit=refuses_negative, random_seed=0)
    assert isinstance(results[1].error, OptionError)
    assert values([results[0], results[2]], "first") == [1.0, 1.0]
    with pytest.raises(OptionError, match="data set 0: the option needs data above zero"):
        isogmm.fit_many(MODEL, sets[1:], fit=refuses_negative, random_seed=0)


def test_unreliable_fits_are_named():
    sets = {"a": np.ones(2), "b": -np.ones(2)}
    with pytest.warns(FitWarning, match=r"verdict of 1 of 2 fits is unreliable \('b'\)"):
        isogmm.fit_many(MODEL, sets, fit=unreliable_below_zero, random_seed=0)


def test_the_folder_knows_the_data_of_earlier_calls(tmp_path):
    sets = {"a": np.ones(2), "b": np.zeros(2)}
    options = {"fit": quick, "random_seed": 0, "folder": tmp_path / "study"}
    isogmm.fit_many(MODEL, sets, **options)
    isogmm.fit_many(MODEL, {"a": sets["a"]}, **options)
    with pytest.raises(OptionError, match="results of other data for 1 data sets, among them 'b'"):
        isogmm.fit_many(MODEL, {"b": np.full(2, 5.0)}, **options)


def test_the_folder_knows_the_function_that_fits(tmp_path):
    options = {"random_seed": 0, "folder": tmp_path / "study"}
    isogmm.fit_many(MODEL, [np.ones(2)], fit=quick, **options)
    with pytest.raises(OptionError, match="other settings: fit="):
        isogmm.fit_many(MODEL, [np.ones(2)], fit=other, **options)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (isogmm.LogDensity(lambda x: -0.5 * x**2, 0.0), "has no data that could be replaced"),
        (MODEL.to_target(), "a Target contains its data"),
    ],
)
def test_a_model_without_replaceable_data_is_refused(model, words):
    with pytest.raises(OptionError, match=words), bound(model, np.zeros(2), {}):
        raise AssertionError("the model has been fitted")


def one_site(y):
    """A NumPyro model."""


@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked")
def test_workers_know_the_language_of_the_model():
    for model, language in ((MODEL, ""), (one_site, "numpyro")):
        with task_of(Work(model, isogmm.fit_isogmm, {}, {})) as task:
            assert task.language == language
