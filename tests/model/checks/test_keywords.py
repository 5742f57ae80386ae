"""Unknown keyword arguments: the error says what was probably meant."""

import inspect
import warnings

import numpy as np
import pytest

import isogmm
from isogmm import baselines
from isogmm.errors import FitWarning, OptionError
from isogmm.model.checks.keyword_hints import HINTS
from isogmm.model.checks.keywords import explains_keywords, names_of
from isogmm.samplers.density_methods import METHODS
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
        ({"tune": 1}, r"no warm-up. Leave it out. For NUTS use isogmm.baselines.nuts"),
        ({"cores": 1}, "one process"),
        ({"n": 1}, "max_iterations=.*draws="),
        ({"progress_bar": False}, "progressbar=False"),
        ({"nuts_sampler": "numpyro"}, r"baselines\.nuts"),
        ({"return_inferencedata": True}, "is always an ArviZ object"),
        ({"target_accept": 0.9}, r"baselines\.nuts"),
        ({"num_warmup": 9, "x": 1}, "'x' is a parameter of the model.*no warm-up"),
        ({"thinning": 2}, "are not thinned"),
        ({"save_warmup": True}, "is always an ArviZ object"),
        ({"adapt_mass_matrix": True}, "chooses its step sizes"),
        ({"jax_key": 1}, "random_seed="),
        ({"n_restarts": 4}, "finds its starting points"),
        ({"pbar": False}, "progressbar=False"),
        ({"priors": {}}, r"an argument of bambi\.Model"),
        ({"potential_fn": 1}, r"isogmm\.LogDensity\(function, example\)"),
        ({"covariance_type": "full"}, r"isogmm\.fit_gmmvi"),
        ({"batch_size": 32}, r"isogmm\.fit_rows"),
        ({"dtype": "float64"}, r"numpyro\.enable_x64\(\)"),
        ({"elbo_samples": 10}, "no optimizer to choose"),
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


@pytest.mark.usefixtures("unchecked", "short_search")
def test_arguments_of_another_type():
    with pytest.raises(OptionError, match=r"model_kwargs must be a dict .*, not list"):
        isogmm.fit_isogmm(regression, model_kwargs=[1])
    with pytest.raises(OptionError, match=r"callback must be one function .*, not list"):
        isogmm.fit_isogmm(regression, callback=[print])


@pytest.mark.usefixtures("unchecked", "short_search")
@pytest.mark.parametrize(("count", "is_warned"), [(1000, True), (64, False)])
def test_a_number_of_samples_as_large_as_one_of_draws(count, is_warned, monkeypatch):
    def stop():
        raise StopIteration

    monkeypatch.setattr("isogmm.recipe.run.preload", stop)
    model = isogmm.LogDensity(lambda x: -0.5 * x @ x, np.zeros(2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(StopIteration):
            isogmm.fit_isogmm(model, num_samples=count, progressbar=False)
    messages = [str(w.message) for w in caught if w.category is FitWarning]
    assert [f"num_samples={count}" in message for message in messages] == [True] * is_warned


def test_a_model_that_takes_any_keyword():
    with pytest.raises(TypeError, match=r"Pass it to the model as model_kwargs=.'unheard_of'"):
        isogmm.fit_isogmm(lambda **data: None, unheard_of=1)


def test_the_signature_stays_explicit():
    signature = inspect.signature(isogmm.fit_isogmm)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    assert "random_seed" in signature.parameters
    assert isogmm.fit_isogmm.__doc__.startswith("Fit a mixture")


def test_every_argument_that_a_hint_names_exists():
    functions = (isogmm.fit_isogmm, isogmm.fit_many, isogmm.nuts_from, *METHODS.values())
    known = {*names_of(*functions), "iterations", "obj_optimizer", "max_treedepth"}  # PyMC
    known |= {"max_tree_depth", "target_accept_prob"}  # NumPyro
    named = {argument for _, hints in HINTS for argument, _ in hints} - {None}
    assert named <= known


def test_every_name_has_one_row_of_hints():
    names = [name for row, _ in HINTS for name in row.split()]
    assert len(names) == len(set(names))


#: The sampler is called with valid options only; no fit runs.
BASELINE_CASES = [
    ("nuts", {"seed": 1}, "'seed': Use random_seed="),
    ("nuts", {"progress_bar": False}, "progressbar=False"),
    ("nuts", {"num_warmup": 5}, "Use tune="),
    ("nuts", {"n": 5}, r"Use draws=\.\.\. and tune="),
    ("advi", {"tune": 5}, "'tune': There is no warm-up"),
    ("advi", {"num_chains": 5}, "Use chains="),
    ("advi", {"drwas": 5}, "Did you mean 'draws'"),
]
OF_NUMPYRO = [
    (
        "nuts",
        {"y": 1, "target_accept": 0.9},
        "'y' is a parameter of the model.*target_accept_prob=",
    ),
    ("nuts", {"max_tree_dept": 5}, "Did you mean 'max_tree_depth'"),
    ("nuts", {"learning_rate": 5}, "There is no optimizer"),
    ("flow", {"iterations": 5}, "Use num_steps="),
    ("advi", {"learning_rate": 5}, "use step_size="),
    ("pathfinder", {"n": 5}, "Use maxiter="),
    ("svgd", {"cores": 5}, "cannot be chosen here"),
]
OF_PYMC = [
    ("nuts", {"target_accept_prob": 0.9}, "Use target_accept="),
    ("nuts", {"target_acept": 0.9}, "Did you mean 'target_accept'"),
    ("nuts", {"unheard_of": 1}, "The keyword arguments are .* and others"),
    ("advi", {"n": 5}, "Use iterations="),
    ("advi", {"learning_rate": 5}, "Use obj_optimizer="),
]


@pytest.mark.numpyro
@pytest.mark.parametrize(("name", "given", "message"), [*BASELINE_CASES, *OF_NUMPYRO])
def test_baselines_explain_keywords_with_numpyro(name, given, message):
    pytest.importorskip("numpyro")
    with pytest.raises(TypeError, match=message):
        getattr(baselines, name)(regression, 1, **given)


@pytest.mark.pymc
@pytest.mark.parametrize(("name", "given", "message"), [*BASELINE_CASES, *OF_PYMC])
def test_baselines_explain_keywords_with_pymc(name, given, message):
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        pm.Normal("x")
    with pytest.raises(TypeError, match=message):
        getattr(baselines, name)(model, draws=5, chains=1, **given)


@pytest.mark.pymc
@pytest.mark.parametrize(
    ("name", "options"),
    [
        (
            "nuts",
            {"target_accept": 0.9, "cores": 1, "tune": 5, "quiet": True, "initvals": {"x": 1}},
        ),
        ("nuts", {"nuts": {"max_treedepth": 3}, "tune": 5, "compute_convergence_checks": False}),
        ("advi", {"obj_n_mc": 2, "callbacks": [], "iterations": 5}),
    ],
)
def test_options_of_pymc_pass_through(name, options):
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        pm.Normal("x")
    result = getattr(baselines, name)(model, draws=5, chains=1, random_seed=0, **options)
    assert result["posterior"]["x"].shape == (1, 5)


@pytest.mark.numpyro
def test_studies_check_the_options_of_their_own_fit():
    pytest.importorskip("numpyro")

    def normal(y):
        import numpyro
        import numpyro.distributions as dist

        mu = numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    options = {"random_seed": 0, "progressbar": False, "draws": 5, "chains": 1}
    (result,) = isogmm.fit_many(normal, [(1.0,)], fit=baselines.laplace, **options)
    assert result["posterior"]["mu"].shape == (1, 5)
    with pytest.raises(OptionError, match="'num_warmup': Use tune="):
        isogmm.fit_many(normal, [(1.0,)], fit=baselines.nuts, num_warmup=5, **options)
    with pytest.raises(TypeError, match="'n_jobs': Use executor="):
        isogmm.fit_many(normal, [(1.0,)], n_jobs=2, **options)
    with pytest.raises(TypeError, match="'refine'"):
        isogmm.fit_many(normal, [(1.0,)], fit=isogmm.fit_factorized, refine=0, **options)


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
