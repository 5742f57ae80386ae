"""Mistakes in the options and shapes of a result are found before the search."""

import numpy as np
import pytest

import isogmm
from isogmm.errors import FitWarning, ModelError, OptionError

pytestmark = pytest.mark.usefixtures("unchecked")

DATA = np.arange(4.0)


def density(**changes):
    """Three coefficients and four observations of their sum; evaluating it is an error."""

    def fn(x, data):
        return -0.5 * (x["beta"] ** 2).sum()

    options = {
        "constrain": lambda x, data: {"total": x["beta"].sum(), "twice": 2 * x["beta"]},
        "log_likelihood": lambda x, data: {"y": -0.5 * (data["y"] - x["beta"].sum()) ** 2},
        "dims": {"beta": ["place"], "y": ["row"]},
        "coords": {"place": list("abc")},
        "data": {"y": DATA},
    }
    return isogmm.LogDensity(fn, {"beta": np.zeros(3)}, **{**options, **changes})


@pytest.fixture
def no_search(monkeypatch):
    def search(*args, **options):
        raise AssertionError("the search has begun")

    monkeypatch.setattr("isogmm.recipe.run.fit", search)


def fit(model, function="fit_isogmm", **idata_kwargs):
    return getattr(isogmm, function)(
        model, random_seed=0, progressbar=False, idata_kwargs=idata_kwargs
    )


BAD_OPTIONS = {
    "unknown key": ({"log_likelyhood": False}, r"'log_likelyhood'\] \(did you mean 'log_lik"),
    "unknown observed variable": ({"log_likelihood": ["z"]}, r"names 'z', .*it has \['y'\]"),
    "unknown name in text": ({"log_likelihood": "yy"}, r"names 'yy' \(did you mean 'y'"),
    "unknown prior": ({"log_prior": ["z"]}, r"\['log_prior'\] names 'z'"),
    "number": ({"log_likelihood": 3.5}, "must be True, False or names of variables, not 3.5"),
    "unknown variable": ({"dims": {"betta": ["k"]}}, r"'betta' \(did you mean 'beta'\?\)"),
    "too many dims": ({"dims": {"beta": ["k", "l"]}}, r"2 names, .*shape \(3,\)"),
    "dims of a scalar": ({"dims": {"total": ["k"]}}, r"'total' has 0 dimensions"),
    "dims of data": ({"dims": {"y": ["k", "l"]}}, r"\['y'\] has 2 names"),
    "dims of another type": ({"dims": ["k"]}, r"\['dims'\] must be a dict, not list"),
    "name of another type": ({"dims": {"beta": 1}}, r"must be a list of dimension names, not 1"),
    "labels of another type": ({"coords": {"place": 3}}, "must be a list of labels, not 3"),
    "no flag": ({"include_transformed": "no"}, "must be True or False, not 'no'"),
    "limit": ({"max_log_likelihood_bytes": -1}, "number of bytes, or None for no limit, not -1"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_are_found_before_the_search(case, no_search):
    options, message = BAD_OPTIONS[case]
    with pytest.raises(OptionError, match=message):
        fit(density(), **options)


BAD_SHAPES = {
    "labels of a variable": ({"coords": {"place": list("ab")}}, {}),
    "labels of data": ({"coords": {"row": range(3)}}, {}),
    "labels by option": ({}, {"coords": {"place": list("ab")}}),
    "a deterministic": ({"dims": {"twice": ["row"]}, "coords": {"row": range(4)}}, {}),
    "a name of a dimension and a variable": ({"dims": {"beta": ["beta"]}, "coords": {}}, {}),
    "too many dims": ({"dims": {"beta": ["place", "other"]}}, {}),
}


@pytest.mark.parametrize("case", BAD_SHAPES)
@pytest.mark.parametrize("function", ["fit_isogmm", "fit_gmmvi", "fit_factorized"])
def test_shapes_that_contradict_labels_are_found_before_the_search(case, function, no_search):
    changes, options = BAD_SHAPES[case]
    with pytest.raises(ModelError, match=r"beta|twice|'y'"):
        fit(density(**changes), function, **options)


def test_plain_functions_are_checked_too(no_search):
    model = isogmm.LogDensity(
        None,
        {"beta": np.zeros(3)},
        value_and_grad=lambda x: (-0.5 * (x["beta"] ** 2).sum(), {"beta": -x["beta"]}),
        dims={"beta": ["place"]},
        coords={"place": [1, 2]},
    )
    with pytest.raises(ModelError, match=r"'beta' has 3 entries along .*'place'.* 2 labels"):
        fit(model)
    target = isogmm.LogDensity(
        lambda x: -0.5 * (x["beta"] ** 2).sum(), {"beta": np.zeros(3)}
    ).to_target()
    target.dims, target.coords, target.placeholder = {"beta": ["place"]}, {"place": [1]}, None
    with pytest.raises(ModelError, match="'beta' has 3 entries"):
        fit(target)


def test_labels_of_an_unknown_dimension(no_search):
    message = r"labels of 'plac' \(did you mean 'place'\?\), a dimension that no variable has"
    with pytest.warns(FitWarning, match=message), pytest.raises(AssertionError):
        fit(density(), coords={"plac": list("abc")})


@pytest.mark.parametrize("name", ["laplace", "pathfinder"])
def test_other_methods_check_the_result_first(name, monkeypatch):
    def method(*args, **options):
        raise AssertionError("the method has begun")

    monkeypatch.setitem(isogmm.baselines.METHODS, name, method)
    with pytest.raises(ModelError, match="'beta' has 3 entries"):
        getattr(isogmm.baselines, name)(density(coords={"place": [1, 2]}), random_seed=0)


def test_good_options_start_the_search(no_search):
    for options in (
        {},
        {"log_likelihood": ["y"], "log_prior": False},
        {"dims": {"beta": "k"}, "coords": {"k": [1, 2, 3], "unused": [1]}},
        {"coords": {"draw": range(1000)}},
        {"max_log_likelihood_bytes": None},
    ):
        with pytest.raises(AssertionError, match="the search has begun"):
            fit(density(), **options)


@pytest.mark.pymc
def test_a_deterministic_of_pymc_that_contradicts_its_dims(no_search):
    pm = pytest.importorskip("pymc")
    with pm.Model(coords={"group": list("abcde")}) as model:
        x = pm.Normal("x", dims="group")
        pm.Deterministic("first", x[:3], dims="group")
        pm.Normal("y", x, 1, observed=np.zeros(5), dims="group")
    with pytest.raises(ModelError, match=r"'first' has 3 entries along dimension 'group'.* 5 lab"):
        fit(model)


@pytest.mark.long
@pytest.mark.pymc
def test_a_transform_that_changes_the_size_of_a_dimension_without_labels(no_search):
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        model.add_coord("group", length=4)
        x = pm.ZeroSumNormal("x", dims="group")
        z = pm.LogNormal("z", dims="group")
        pm.Normal("y", x + z, 1, observed=np.zeros(4), dims="group")
    with pytest.raises(AssertionError, match="the search has begun"):
        fit(model)


@pytest.mark.numpyro
def test_a_numpyro_model_is_checked(no_search):
    numpyro = pytest.importorskip("numpyro")
    dist = numpyro.distributions

    def model(y):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.plate("row", len(y)):
            numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    with pytest.raises(ModelError, match=r"'y' has 4 entries along dimension 'row'.* 3 labels"):
        isogmm.fit_isogmm(
            model, DATA, progressbar=False, idata_kwargs={"coords": {"row": list("abc")}}
        )


def test_labels_of_an_unknown_dimension_beside_one_without_a_name(no_search):
    """A dimension without a name is no candidate for a misspelt one."""
    model = isogmm.LogDensity(
        lambda x: -0.5 * (x["m"] ** 2).sum(), {"m": np.zeros((2, 3))}, dims={"m": [None, "place"]}
    )
    with pytest.warns(FitWarning, match="did you mean 'place'"), pytest.raises(AssertionError):
        fit(model, coords={"plac": list("abc")})
