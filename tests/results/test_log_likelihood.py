"""The limit of the pointwise log likelihood, and its computation after the fit."""

import functools
import re
import warnings

import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.errors import FitWarning, OptionError
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.results.building import constrained
from isogmm.results.building.fit_result import FitResult

X = np.linspace(-1.0, 1.0, 7)
Y = 0.5 + X
COORDS = {"row": list("abcdefg")}
OPTIONS = {"random_seed": 1, "draws": 60, "chains": 2, "refine": 0, "progressbar": False}
#: Bytes of the log likelihood of these fits in single precision.
SIZE = 4 * 60 * 2 * len(X)
SMALL = {"max_log_likelihood_bytes": SIZE - 1}


def numpyro_model(x, y=None):
    import numpyro
    import numpyro.distributions as dist

    a = numpyro.sample("a", dist.Normal(0, 10))
    b = numpyro.sample("b", dist.HalfNormal(10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(a + b * x, 1), obs=y)


def mixture_model(y):
    """Discrete labels, which the model draws for each draw."""
    import numpyro
    import numpyro.distributions as dist

    center = numpyro.sample("center", dist.Normal(0, 1).expand([2]).to_event(1))
    with numpyro.plate("row", len(y)):
        label = numpyro.sample("label", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(center[label], 1), obs=y)


@functools.cache
def pymc_model():
    """One model for all tests, whose programs are compiled once."""
    import pymc as pm

    with pm.Model(coords=COORDS) as model:
        a = pm.Normal("a", 0, 10)
        b = pm.HalfNormal("b", 10)
        pm.Normal("y", a + b * X, 1, observed=Y, dims="row")
        pm.Normal("z", a, 1, observed=1.0)
    return model


def case(language):
    pytest.importorskip(language)
    if language == "pymc":
        return (pymc_model(),)
    return numpyro_model, X, Y


LANGUAGES = [
    pytest.param("numpyro", marks=pytest.mark.numpyro),
    pytest.param("pymc", marks=pytest.mark.pymc),
]
#: The limit of both languages is tested with ``LANGUAGES``; the rest does not depend on them.
FIRST = [
    pytest.param("numpyro", marks=pytest.mark.numpyro),
    pytest.param("pymc", marks=[pytest.mark.pymc, pytest.mark.long]),
]


@pytest.fixture(autouse=True)
def _without_type_checks(unchecked, short_search):
    """Whole fits."""


def fit(*model, **idata_kwargs):
    return isogmm.fit_isogmm(*model, **OPTIONS, idata_kwargs=idata_kwargs)


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_above_the_limit_it_is_left_out_and_added_later(language):
    model = case(language)
    coords = COORDS if language == "numpyro" else {}
    with_it = fit(*model, coords=coords)
    expected = idt.get_group(with_it, "log_likelihood")
    with pytest.warns(FitWarning, match=r"max_log_likelihood_bytes.*isogmm\.log_likelihood\(idata"):
        idata = fit(*model, coords=coords, **SMALL)
    assert "log_likelihood" not in idt.group_names(idata)
    assert isogmm.log_likelihood(idata, *model) is idata
    found = idt.get_group(idata, "log_likelihood")
    assert set(found.data_vars) == set(expected.data_vars)
    np.testing.assert_allclose(found["y"], expected["y"], rtol=1e-5, atol=1e-5)
    assert found["y"].dims == expected["y"].dims
    assert list(found["row"].values) == COORDS["row"]
    assert found.attrs.keys() == expected.attrs.keys()
    assert np.isfinite(idt.loo(idata, var_name="y").elpd)


@pytest.mark.long
@pytest.mark.parametrize("language", FIRST)
def test_the_limit_and_requests_of_the_user(language):
    model = case(language)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        for options in ({"max_log_likelihood_bytes": None}, {"log_likelihood": ["y"]}):
            assert "log_likelihood" in idt.group_names(fit(*model, **options))
        assert "log_likelihood" not in idt.group_names(fit(*model, log_likelihood=False))
    with pytest.warns(FitWarning, match="is left out"):
        fit(*model, log_likelihood=["y"], **SMALL)


@pytest.mark.parametrize("rows", [2**20, 2**20 + 1])
def test_the_default_limit_is_one_gibibyte(rows):
    """128 draws of 2^20 numbers of 8 bytes are 1 GiB; nothing of this size is computed."""
    target = isogmm.LogDensity(lambda x: -0.5 * x["mu"] ** 2, {"mu": np.zeros(())}).to_target()
    one = np.broadcast_to(0.0, (1, rows))
    target.placeholder = lambda: {"posterior": {}, "log_likelihood": {"y": one}}
    result = FitResult(
        target=target,
        mixture=IsotropicMixture(np.zeros((1, 1, 1)), np.ones((1, 1)), np.zeros((1, 1))),
        positions=np.zeros((1, 128, 1)),
        log_density=np.zeros((1, 128)),
        log_q=np.zeros((1, 128)),
    )
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        idt.to_inference_data(result)
    texts = [str(warning.message) for warning in warned]
    if rows == 2**20:
        assert texts == []
    else:
        assert len(texts) == 1
        assert "log likelihood of 1.07 GB is left out" in texts[0]
        assert "{'max_log_likelihood_bytes': 1073741824}" in texts[0]


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.filterwarnings("ignore:isogmm. Pareto k")  # a few iterations only
def test_drawn_labels_are_those_of_the_posterior():
    pytest.importorskip("funsor")
    with pytest.warns(FitWarning, match="is left out"):
        idata = fit(mixture_model, Y, **SMALL)
    isogmm.log_likelihood(idata, mixture_model, Y)
    posterior = idt.get_group(idata, "posterior")
    center = np.take_along_axis(posterior["center"].values, posterior["label"].values, axis=2)
    expected = -0.5 * (Y - center) ** 2 - 0.5 * np.log(2 * np.pi)
    found = idt.get_group(idata, "log_likelihood")["y"].values
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.pymc
def test_chosen_variables_and_messages():
    model = case("pymc")
    idata = fit(*model, log_likelihood=False)
    isogmm.log_likelihood(idata, *model, var_names="z")
    assert list(idt.get_group(idata, "log_likelihood").data_vars) == ["z"]
    with pytest.raises(OptionError, match=r"var_names names 'q'.*\['y', 'z'\]"):
        isogmm.log_likelihood(idata, *model, var_names=["q"])
    other = isogmm.LogDensity(lambda x: -0.5 * x["mu"] ** 2, {"mu": np.zeros(())})
    with pytest.raises(OptionError, match="belongs to another model"):
        isogmm.log_likelihood(idata, other)
    with pytest.raises(OptionError, match="no observed variable"):
        isogmm.log_likelihood(fit(other), other)
    bare = fit(*model, log_likelihood=False, include_transformed=False)
    with pytest.raises(OptionError, match="no unconstrained draws of 'b'"):
        isogmm.log_likelihood(bare, *model)


@pytest.mark.long
@pytest.mark.parametrize("language", FIRST)
def test_a_loaded_result_gets_its_log_likelihood(language, tmp_path):
    model = case(language)
    idata = fit(*model)
    expected = idt.get_group(idata, "log_likelihood")["y"].values
    del idata["log_likelihood"]
    idt.save(idata, tmp_path / "fit.nc")
    again = isogmm.log_likelihood(idt.load(tmp_path / "fit.nc"), *model)
    found = idt.get_group(again, "log_likelihood")["y"].values
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        # Compiling NUTS takes six seconds; all methods of an adapter share the limit.
        pytest.param("nuts", "numpyro", marks=[pytest.mark.numpyro, pytest.mark.long]),
        pytest.param("laplace", "numpyro", marks=pytest.mark.numpyro),
        pytest.param("nuts", "pymc", marks=pytest.mark.pymc),
        pytest.param("laplace", "pymc", marks=pytest.mark.pymc),
    ],
)
def test_other_methods_have_the_same_limit(name, language, monkeypatch):
    model = case(language)
    remedy = {"numpyro": r"numpyro\.infer\.log_likelihood", "pymc": r"pm\.compute_log_likelihood"}
    is_own = (name, language) == ("laplace", "pymc")  # which PyMC does not have
    if is_own:
        module, message = "isogmm.results.building.from_draws", r"isogmm\.log_likelihood"
    else:
        module, message = f"isogmm_{language}._inference.results", remedy[language]

    def with_small_limit(size, **options):
        return constrained.is_left_out(size, 0.0, **options)

    monkeypatch.setattr(f"{module}.is_left_out", with_small_limit)
    options = {"random_seed": 0, "draws": 30, "chains": 2}
    if name == "nuts":
        options["tune"] = 30
    elif language == "numpyro":
        options["num_steps"] = 100
    run = getattr(isogmm.baselines, name)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        idata = run(*model, **options)
    texts = [str(warning.message) for warning in warned if warning.category is FitWarning]
    assert len(texts) == 1
    assert re.search(message, texts[0])
    assert "log_likelihood" not in idt.group_names(idata)
    if is_own:
        isogmm.log_likelihood(idata, *model)
        assert idt.get_group(idata, "log_likelihood")["y"].shape == (2, 30, len(X))
