"""Unknown keyword arguments: the error says what was probably meant."""

import inspect

import pytest

import isogmm
from isogmm import baselines
from isogmm.errors import OptionError
from isogmm.model.keywords import HINTS, explains_keywords
from isogmm.validation import OTHER_METHODS


def regression(x, y=None):
    raise AssertionError("the model is not called")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": 1, "y": 2}, r"'x', 'y' are parameters of the model: pass model_kwargs={'x': ..., "),
        ({"y": 2}, r"'y' is a parameter of the model: pass model_kwargs={'y': ...}"),
        ({"seed": 1}, "random_seed="),
        ({"rng_key": 1}, "random_seed="),
        ({"tune": 1}, r"Refine\(min_warmup"),
        ({"cores": 1}, "one process"),
        ({"n": 1}, "max_iterations=.*draws="),
        ({"progress_bar": False}, "progressbar=False"),
        ({"nuts_sampler": "numpyro"}, r"baselines\.nuts"),
        ({"return_inferencedata": True}, "always is an ArviZ object"),
        ({"target_accept": 0.9}, r"baselines\.nuts"),
        ({"num_warmup": 9, "x": 1}, "'x' is a parameter of the model.*min_warmup"),
        ({"random_sed": 1}, "Did you mean 'random_seed'"),
        ({"unheard_of": 1}, "keyword arguments are model_kwargs, random_seed, .*model_kwargs={"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_equivalent_is_named(given, message):
    with pytest.raises(TypeError, match=message) as caught:
        isogmm.fit_isogmm(regression, **given)
    assert all(f"'{name}'" in str(caught.value) for name in given)


@pytest.mark.parametrize("name", ["fit_gmmvi", "fit_factorized", "empirical_bayes"])
def test_other_functions_explain_too(name):
    with pytest.raises(TypeError, match=r"'x' is a parameter of the model.*random_seed="):
        getattr(isogmm, name)(regression, x=1, seed=2)


@pytest.mark.parametrize("name", ["nuts_from", "smc_from"])
def test_functions_with_another_first_argument_explain_too(name):
    with pytest.raises(TypeError, match="'x' is a parameter of the model"):
        getattr(isogmm, name)(None, regression, x=1)


def test_a_model_that_takes_any_keyword():
    with pytest.raises(TypeError, match=r"Pass it to the model as model_kwargs=.'unheard_of'"):
        isogmm.fit_isogmm(lambda **data: None, unheard_of=1)


def test_the_signature_stays_explicit():
    signature = inspect.signature(isogmm.fit_isogmm)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    assert "random_seed" in signature.parameters
    assert isogmm.fit_isogmm.__doc__.startswith("Fit a mixture")


def test_no_hint_is_for_an_argument_that_exists():
    parameters = inspect.signature(isogmm.fit_isogmm).parameters
    assert HINTS.keys() & parameters.keys() <= {"model_args"}  # *model_args is no keyword


def test_arguments_and_results_pass_through():
    @explains_keywords
    def function(model, *args, option=0):
        return model, args, option

    assert function(1, 2, option=3) == (1, (2,), 3)
    with pytest.raises(TypeError, match="Did you mean 'option'"):
        function(1, optoin=3)


@pytest.mark.parametrize(
    ("function", "method", "message"),
    [
        (isogmm.fit_isogmm, "advi", r"isogmm\.baselines\.advi\(model\)"),
        (isogmm.fit_isogmm, "NUTS", r"isogmm\.baselines\.nuts\(model\)"),
        (isogmm.fit_isogmm, "fullrank-advi", r"isogmm\.baselines\.fullrank_advi\(model\)"),
        (isogmm.fit_isogmm, "samtron", r"isogmm\.fit_gmmvi"),
        (isogmm.fit_gmmvi, "svgd", r"isogmm\.baselines\.svgd\(model\)"),
        (isogmm.fit_gmmvi, "ibw", r"isogmm\.fit_isogmm"),
        (isogmm.fit_factorized, "pathfinder", r"isogmm\.baselines\.pathfinder\(model\)"),
    ],
)
def test_methods_of_other_functions_are_pointed_out(function, method, message):
    with pytest.raises(OptionError, match=f"unknown method='{method}'.*{message}"):
        function(regression, method=method)


def test_every_baseline_is_pointed_out():
    assert set(baselines.__all__) <= OTHER_METHODS.keys()
