"""PyMC's predictions keep the variables of the result, whatever the labels of their dimension.

PyMC 5 draws a variable from the prior if the labels of its dimension seem to have changed.  The
draws of the posterior have an sd of 0.01 here, those of the prior an sd of 100.
"""

import warnings

import numpy as np
import pytest

from helpers.labels import LABELS, OF_PARTS, WITH_MISSING
from isogmm.errors import FitWarning
from isogmm.inference_data import (
    get_group,
    is_first_generation,
    load,
    save,
    with_original_labels,
    with_stored_labels,
)
from isogmm.model.to_target import to_target
from isogmm.results.arviz.versions import read_netcdf
from isogmm.results.building.from_draws import result_of_draws

pytestmark = pytest.mark.pymc
ALL = {**LABELS, **OF_PARTS, **WITH_MISSING}
LEVELS = np.array([0.0, 5.0, 10.0])
#: Labels that NumPy, pandas, xarray or a file change.
KINDS = [
    "text",
    "single precision",
    "booleans",
    "bytes",
    "mixed",
    "text and None",
    "mixed with None",
    "categories of intervals",
    "intervals",
    "periods",
    "dates",
    "dates in nanoseconds",
    "dates with a zone",
    "NumPy days",
    "Python dates",
    "durations",
    "NumPy hours",
    "Enum",
    "decimals",
]
#: One of each way in which labels are stored; the others are long tests.
STANDARD = ("text", "intervals", "dates", "Enum", "durations", "pairs", "MultiIndex", "NaN", "NA")
THROUGH_ZARR = ("text", "intervals", "dates with a zone")


@pytest.fixture(scope="module", autouse=True)
def _one_compilation():
    """All models of this file have the same programs, which do not depend on the labels."""
    pytest.importorskip("pymc")
    from isogmm_pymc._programs.compiled_models import CompiledModel

    found, compiled = [], CompiledModel.compile

    def compiled_once(self, model, shapes):
        if not found:
            found.append(compiled(self, model, shapes))
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompiledModel, "compile", compiled_once)
        yield


def some_of(kinds):
    """Parameters of a test for each kind; those outside ``STANDARD`` are marked as long."""
    return [k if k in STANDARD else pytest.param(k, marks=pytest.mark.long) for k in kinds]


def model_with(labels):
    pm = pytest.importorskip("pymc")
    with pm.Model(coords={"group": labels}) as model:
        level = pm.Normal("level", 0, 100, dims="group")
        pm.Normal("y", level, 0.1, observed=LEVELS)
    return model


def result_of(model):
    target = to_target(model, (), {}, 0)
    noise = 0.01 * np.random.default_rng(0).standard_normal((2, 20, 3))
    return result_of_draws(target, LEVELS + noise, library="isogmm", seed=0, attributes={})


def through(idata, medium, folder, model=None):
    if medium == "zarr":
        pytest.importorskip("zarr")
    path = folder / ("labels.zarr" if medium == "zarr" else "labels.nc")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the file stores the labels of 'group'")
        save(idata, path)
        warnings.filterwarnings("ignore", message="PyMC 5 cannot compare the labels of 'group'")
        return load(path, model)


def check_predictions(idata, model, kind):
    import pymc as pm

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        if kind in WITH_MISSING and not is_first_generation():
            # A missing label differs from itself; PyMC 6 says so, and keeps the variable.
            warnings.filterwarnings("ignore", message="The following trace variables")
        found = pm.sample_posterior_predictive(
            idata, model=model, var_names=["y"], random_seed=1, progressbar=False
        )
    values = get_group(found, "posterior_predictive")["y"].values
    np.testing.assert_array_less(values.std(axis=(0, 1)), 1.0)
    np.testing.assert_allclose(values.mean(axis=(0, 1)), LEVELS, atol=1.0)


@pytest.mark.long
@pytest.mark.parametrize("kind", some_of(KINDS))
def test_predictions_with_a_new_model_use_the_posterior(kind, tmp_path):
    model = model_with(LABELS[kind])
    idata = result_of(model)
    check_predictions(idata, model, kind)
    # A zarr store restores the same labels: see results/labeling/test_labels.py.
    for medium in ("netCDF", "zarr") if kind in THROUGH_ZARR else ("netCDF",):
        check_predictions(through(idata, medium, tmp_path), model_with(LABELS[kind]), kind)


@pytest.mark.long
@pytest.mark.parametrize("kind", some_of({**OF_PARTS, **WITH_MISSING}))
def test_labels_that_pymc_cannot_compare(kind, tmp_path):
    if "NA" in kind.split() and not is_first_generation():
        pytest.skip("PyMC 6 raises a TypeError of pandas when it compares pd.NA")
    model = model_with(ALL[kind])
    idata = result_of(model)
    check_predictions(idata, model, kind)
    check_predictions(through(idata, "zarr", tmp_path), model, kind)
    new = model_with(ALL[kind])
    check_predictions(through(idata, "netCDF", tmp_path, new), new, kind)


@pytest.mark.parametrize("kind", ["intervals", "pairs"])
def test_labels_that_did_change_are_seen(kind):
    """New groups have no draws in the result: PyMC 5 draws their levels from the prior."""
    import pymc as pm

    labels = list(ALL[kind])
    idata = result_of(model_with(labels))
    other = model_with(labels[::-1])
    result_of(other)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pm.sample_posterior_predictive(
            idata, model=other, var_names=["y"], random_seed=1, progressbar=False
        )
    spread = get_group(found, "posterior_predictive")["y"].values.std(axis=(0, 1))
    assert bool((spread > 10.0).all()) == is_first_generation()


def test_the_labels_of_the_model_stay_equal():
    pairs = OF_PARTS["pairs"]
    model = model_with(pairs)
    result_of(model)
    assert model.coords["group"] == tuple(pairs)
    assert model.coords["group"] != tuple(pairs[:2])
    assert isinstance(model.coords["group"], tuple)
    assert hash(model.coords["group"]) == hash(tuple(pairs))


def test_missing_labels_are_equal_to_missing_labels():
    from isogmm_pymc._labels import ComparableLabels

    labels = ComparableLabels(("a", None, "c"))
    for missing in (None, np.nan, "nan", ""):
        same, other = (np.array([x, missing, "c"], dtype=object) for x in ("a", "b"))
        assert (labels == same).all()
        assert (labels != other).tolist() == [True, False, False]


def test_predictions_have_labels_of_several_parts():
    import pymc as pm

    model = model_with(OF_PARTS["pairs"])
    idata = result_of(model)
    prior = pm.sample_prior_predictive(3, model=model, random_seed=1)
    for found in (idata, prior):
        group = get_group(found, "posterior" if found is idata else "prior")
        assert group["group"].values.tolist() == [str(pair) for pair in OF_PARTS["pairs"]]


@pytest.mark.parametrize("kind", ["mixed with None", "intervals", "Enum", "dates with a zone"])
def test_saving_labels_as_text_warns_with_pymc_5_alone(kind, tmp_path):
    idata, path = result_of(model_with(LABELS[kind])), tmp_path / "labels.nc"
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        save(idata, path)
    messages = [str(w.message) for w in found if issubclass(w.category, FitWarning)]
    assert len(messages) == is_first_generation()
    assert all("labels of 'group' as text. Read it with isogmm" in text for text in messages)


@pytest.mark.parametrize("kind", ["intervals", "Enum"])
def test_files_of_xarray_warn_and_are_restored(kind, tmp_path):
    """``to_netcdf`` of ArviZ after ``with_stored_labels``, and a plain reader."""
    path = str(tmp_path / "labels.nc")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with_stored_labels(result_of(model_with(LABELS[kind]))).to_netcdf(path, engine="h5netcdf")
    messages = [str(w.message) for w in found if issubclass(w.category, FitWarning)]
    assert ["labels of 'group' as text" in text for text in messages] == (
        [True] if is_first_generation() else []
    )
    model = model_with(LABELS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        idata = with_original_labels(read_netcdf(path, "h5netcdf"), model)
    check_predictions(idata, model, kind)


@pytest.mark.parametrize("kind", ["intervals", "pairs", "text"])
def test_labels_that_differ_from_those_of_the_model_are_named(kind, tmp_path):
    path, labels = tmp_path / "labels.nc", list(ALL[kind])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the file stores the labels")
        save(result_of(model_with(labels)), path)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        load(path, model_with(labels[::-1]))
    messages = [str(w.message) for w in found if issubclass(w.category, FitWarning)]
    assert len(messages) == is_first_generation()
    assert all("labels of 'group' in the result differ" in text for text in messages)


@pytest.mark.parametrize(
    "kind",
    [
        "mixed",
        "dates",
        *(
            pytest.param(kind, marks=pytest.mark.long)
            for kind in ("text", "whole numbers", "booleans", "bytes")
        ),
    ],
)
def test_saving_labels_that_files_store_does_not_warn(kind, tmp_path):
    idata, path = result_of(model_with(LABELS[kind])), tmp_path / "labels.nc"
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        save(idata, path)
        again = load(path)
    found, expected = (get_group(each, "posterior")["group"].values for each in (again, idata))
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "kind",
    [
        "pairs",
        "NaN",
        pytest.param("MultiIndex", marks=pytest.mark.long),
        pytest.param("nullable NA", marks=pytest.mark.long),
    ],
)
def test_loading_incomparable_labels_without_the_model_warns_with_pymc_5(kind, tmp_path):
    model, path = model_with(ALL[kind]), tmp_path / "labels.nc"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the file stores the labels")
        save(result_of(model), path)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        load(path)
    messages = [str(w.message) for w in found if issubclass(w.category, FitWarning)]
    assert len(messages) == is_first_generation()
    assert all("load(path, model)" in text for text in messages)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        load(path, model)
