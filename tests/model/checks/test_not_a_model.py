"""Objects that are no models: the message says what to pass instead."""

import functools
import importlib.util
import re

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import isogmm
from isogmm.errors import ModelError

X = np.linspace(0.0, 1.0, 5)


def message(model=None, *args, function=isogmm.fit_isogmm):
    with pytest.raises(ModelError) as caught:
        function(model, *args)
    text = str(caught.value)
    assert "builtins." not in text
    return text


def test_no_model():
    assert "no model was given and no PyMC context is open" in message()
    assert "no model was given" in message(function=isogmm.baselines.nuts)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (1000, r"number 1000: .*fit_isogmm\(draws=1000\)"),
        (2.5, "number 2.5: the first argument is the model"),
        (True, r"number True: .*draws="),
        (isogmm.Mixture, "IsotropicMixture, an object of this library.*GivenMixture"),
        (isogmm.Refine(), "Refine, an object of this library: .*refine="),
        (np, "module numpy: pass the model function"),
        ((print, X), r"cannot fit a tuple: .*fit_isogmm\(print, \.\.\.\)"),
        ({"model": print}, r"cannot fit a dict: .*fit_isogmm\(print, \.\.\.\)"),
        (int, "class int: pass an instance"),
        (jax.random.key(0), "random key.*random_seed="),
        (jax.random.PRNGKey(0), "random key.*random_seed="),
        (np.random.default_rng(0), "generator: .*random_seed="),
        (X, r"data \(ndarray\): the model comes first"),
        (jnp.ones(3), "data .*: the model comes first"),
        (pd.DataFrame({"x": X}), r"data \(DataFrame\): the model comes first"),
        ([X, X], r"data \(list\): the model comes first"),
        ({"x": X}, r"data \(dict\): the model comes first"),
        ("model.stan", "text 'model.stan': .*BridgeStan"),
        (xr.Dataset(), r"result or data set \(Dataset\): .*resume="),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_to_pass(thing, words):
    assert re.search(words, message(thing))


def test_a_stan_model():
    stan = type("CmdStanModel", (), {"__module__": "cmdstanpy.model"})
    assert "bridgestan.StanModel" in message(stan())


@pytest.mark.skipif(importlib.util.find_spec("arviz") is None, reason="needs ArviZ")
def test_a_result():
    from isogmm.inference_data import from_groups

    result = from_groups({"posterior": xr.Dataset({"x": (("chain", "draw"), np.ones((1, 2)))})}, {})
    assert re.search("cannot fit a result.*resume=", message(result))


@pytest.mark.numpyro
class TestNumPyro:
    @pytest.fixture(autouse=True)
    def _language(self):
        pytest.importorskip("numpyro")

    def test_samplers_and_guides_name_their_model(self):
        import numpyro
        from numpyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO, autoguide

        def regression(x, y=None):
            raise AssertionError("the model is not called")

        guide = autoguide.AutoNormal(regression)
        objects = [
            NUTS(regression),
            MCMC(NUTS(regression), num_warmup=1, num_samples=1),
            guide,
            SVI(regression, guide, numpyro.optim.Adam(0.1), Trace_ELBO()),
            Predictive(regression, num_samples=1),
        ]
        for one in objects:
            text = message(one, X)
            assert f"cannot fit {type(one).__name__}: " in text
            assert "fit_isogmm(regression, ...)" in text

    def test_distributions_and_classes(self):
        import numpyro.distributions as dist
        from numpyro.infer import NUTS

        for one in (dist.Normal(), dist.Normal):
            assert re.search("fit Normal, an object of .*: pass a model function", message(one))
        assert "cannot fit NUTS: pass the model function" in message(NUTS)

    def test_functions_that_make_a_model(self):
        def make():
            return lambda: None

        assert "fit_isogmm(make(...), ...)" in message(make)

    def test_statements(self):
        import numpyro

        assert "cannot fit sample of NumPyro" in message(numpyro.sample)
        assert "cannot fit plate of NumPyro" in message(numpyro.plate)

    @pytest.mark.parametrize("transform", [jax.jit, jax.vmap, functools.cache])
    def test_transformed_functions(self, transform):
        def regression(x):
            raise AssertionError("the model is not called")

        text = message(transform(regression), X)
        assert re.search("model regression (is transformed by JAX|caches its results)", text)

    def test_generators(self):
        def regression():
            yield

        assert "a generator and runs no statement" in message(regression)

    def test_the_arguments_of_mcmc_run(self):
        text = message(lambda x: None, jax.random.key(0), X)
        assert "The first of them is a JAX key: pass it as random_seed=" in text


@pytest.mark.pymc
class TestPyMC:
    def test_inside_and_outside_of_a_context(self):
        pm = pytest.importorskip("pymc")
        with pm.Model() as model:
            mu = pm.Normal("mu", 0, 1)
            assert "fit_isogmm(draws=1000)" in message(1000)
        assert "variable 'mu'" in message(mu)
        assert "class Model: pass an instance" in message(pm.Model)
        assert "pass the pm.Model itself" in message(pm.Normal)
        if importlib.util.find_spec("numpyro") is not None:

            def build():
                return model

            assert "fit_isogmm(build(...))" in message(build)
