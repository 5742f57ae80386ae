"""Simulation-based calibration of conjugate models, and of fits that are wrong on purpose."""

import copy
import functools
import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import uniform

import isogmm
from isogmm.errors import FitWarning, ModelError, OptionError
from isogmm.model.adapter import find_adapter
from isogmm.results.arviz.versions import from_groups
from isogmm.results.groups import group_names
from isogmm.studies import calibrate as calibration
from isogmm.studies.calibrate import _attributes, _chosen
from isogmm.studies.uniformity import Detectable, Uniformity

pytestmark = [
    pytest.mark.usefixtures("unchecked", "short_search"),
    # PyMC's predictive functions warn of their own use of PyTensor.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

OPTIONS = {"random_seed": 1, "draws": 100, "chains": 2, "refine": 0, "progressbar": False}
Y = np.array([0.3, 1.1, 0.7, -0.2])


def normal(y):
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0, 2))
    numpyro.deterministic("twice", 2 * mu)
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def normal_pymc():
    import pymc as pm

    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        pm.Deterministic("twice", 2 * mu)
        pm.Normal("y", mu, 1, observed=Y)
    return model


def called(language):
    return (normal, (Y,)) if language == "numpyro" else (normal_pymc(), ())


@functools.cache
def calibrated(language, *, conditional):
    model, args = called(language)
    return isogmm.calibrate(model, *args, n=10, conditional=conditional, **OPTIONS)


each_language = pytest.mark.parametrize(
    "language",
    [
        pytest.param("numpyro", marks=pytest.mark.numpyro),
        pytest.param("pymc", marks=pytest.mark.pymc),
    ],
)


@pytest.mark.parametrize(
    ("language", "conditional"),
    [
        pytest.param("numpyro", False, marks=pytest.mark.numpyro),
        pytest.param("pymc", True, marks=[pytest.mark.pymc, pytest.mark.long]),
        pytest.param("numpyro", True, marks=[pytest.mark.numpyro, pytest.mark.long]),
        pytest.param("pymc", False, marks=[pytest.mark.pymc, pytest.mark.long]),
    ],
)
def test_a_conjugate_model_is_calibrated(language, conditional):
    result = calibrated(language, conditional=conditional)
    group = "posterior_sbc" if conditional else "prior_sbc"
    pit = result[group]
    assert tuple(pit["mu"].dims) == ("chain", "draw")
    assert pit["mu"].shape == (1, 10)
    np.testing.assert_array_equal(pit["twice"], pit["mu"])
    assert result.attrs["calibrated"] == 1
    assert "consistent with correct fits" in result.attrs["calibration"]
    assert json.loads(result.attrs["verdicts"]) == {"good": 10}
    assert set(result["uniformity"]["quantity"].values) == {"mu", "twice"}
    assert group in group_names(result)


@each_language
@pytest.mark.parametrize("conditional", [False, True])
def test_the_simulated_data_and_their_model(language, conditional):
    """The truths are draws of the prior or posterior; the fits are exact for the data."""
    model, args = called(language)
    posterior, n = None, 400
    if conditional:
        mu = np.random.default_rng(0).normal(0.5, 0.1, (1, n))
        posterior = xr.Dataset({"mu": (("chain", "draw"), mu)})
    simulated = find_adapter(model).simulate(model, args, {}, 3, n=n, posterior=posterior)
    truth, data = simulated.truth["mu"], simulated.datasets
    assert len(truth) == len(data) == n
    if conditional:
        np.testing.assert_array_equal(truth, mu[0])
    else:
        assert abs(truth.mean()) < 5 * 2 / np.sqrt(n)
        assert abs(truth.std() - 2) < 5 * 2 / np.sqrt(2 * n)
    y = np.array([np.ravel(next(iter(each.get("replicate", each).values()))) for each in data])
    noise = y - truth[:, None]
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.std() - 1) < 5 / np.sqrt(2 * noise.size)
    (fit,) = isogmm.fit_many(
        simulated.model, data[:1], model_kwargs=simulated.model_kwargs, **OPTIONS
    )
    seen = np.concatenate([y[0], Y]) if conditional else y[0]
    variance = 1 / (len(seen) + 1 / 4)
    draws = fit["posterior"]["mu"].values
    assert abs(draws.mean() - variance * seen.sum()) < 5 * np.sqrt(variance / draws.size)
    assert abs(draws.std() / np.sqrt(variance) - 1) < 5 / np.sqrt(2 * draws.size)


def directions(y):
    """A direction on the sphere, labels, and a plate with a random subsample."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    direction = numpyro.sample("direction", dist.ProjectedNormal(jnp.zeros(2)))
    with numpyro.plate("row", len(y), subsample_size=2) as rows:
        label = numpyro.sample("label", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(direction[0] + 10 * label, 1e-3), obs=y[rows])


@pytest.mark.numpyro
def test_every_latent_variable_of_the_posterior_enters_the_data():
    rng = np.random.default_rng(0)
    normal, labels = rng.normal(size=(2, 3, 2)), rng.integers(0, 2, (3, 2, 4))
    variables = {
        "direction_normal": (("axis", "draw", "chain"), normal),
        "label": (("draw", "chain", "row"), labels),
    }
    simulated = find_adapter(directions).simulate(
        directions, (Y,), {}, 3, n=6, posterior=xr.Dataset(variables)
    )
    # The draws of the first chain come first.
    vectors, labels = normal.reshape(2, 6, order="F").T, labels.swapaxes(0, 1).reshape(6, 4)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_array_equal(simulated.truth["direction_normal"], vectors)
    np.testing.assert_allclose(simulated.truth["direction"], units, rtol=1e-12)
    y = np.array([each["replicate"]["y"] for each in simulated.datasets])
    assert np.abs(y - units[:, :1] - 10 * labels).max() < 5e-3  # five standard deviations


@pytest.mark.numpyro
@pytest.mark.parametrize("conditional", [False, True])
def test_a_scan_that_passes_its_data_to_the_next_step(conditional):
    import numpyro
    import numpyro.distributions as dist
    from numpyro.contrib.control_flow import scan

    def model(y):
        def step(last, y):
            y = numpyro.sample("y", dist.Normal(100.0 * last + rise, 1e-3), obs=y)
            return y, None

        rise = numpyro.sample("rise", dist.Normal(0, 1))
        scan(step, 0.0, y)

    rise = xr.Dataset({"rise": (("chain", "draw"), [[1.0, 2.0]])})
    simulated = find_adapter(model).simulate(
        model, (Y,), {}, 3, n=2, posterior=rise if conditional else None
    )
    y = np.array([each["replicate"]["y"] for each in simulated.datasets])
    # Data that replace those of the user depend on one another; added ones depend on the user's.
    before = np.insert(np.stack([Y, Y]) if conditional else y, 0, 0.0, axis=1)[:, :-1]
    noise = y - 100.0 * before - simulated.truth["rise"][:, None]
    assert np.abs(noise).max() < 5e-3  # five standard deviations
    assert len(np.unique(noise)) == noise.size


def labels_and_scales(y, z):
    import numpyro
    import numpyro.distributions as dist
    from numpyro import handlers

    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("row", len(y)):
        label = numpyro.sample("label", dist.Bernoulli(0.3), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(mu + 3 * label, 1), obs=y)
    with handlers.scale(scale=2.5):
        numpyro.sample("z", dist.Normal(mu, 1), obs=z)


@pytest.mark.numpyro
def test_a_label_is_summed_out_of_the_data_and_the_simulated_data_together():
    from scipy.stats import norm

    from isogmm_numpyro._simulate import ReplicatedModel

    model = ReplicatedModel(labels_and_scales, adds=True)
    kwargs = {"replicate": {"y": Y[::-1], "z": 0.2}, "args": (Y, 0.7), "kwargs": {}}
    value, _ = find_adapter(model).to_target(model, (), kwargs, 0).evaluate_point(np.full(1, 0.4))
    of_label = [
        weight * norm.pdf(Y, 0.4 + 3 * label) * norm.pdf(Y[::-1], 0.4 + 3 * label)
        for label, weight in enumerate([0.7, 0.3])
    ]
    expected = np.log(sum(of_label)).sum() + norm.logpdf(0.4)
    expected += 2.5 * (norm.logpdf(0.7, 0.4) + norm.logpdf(0.2, 0.4))
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@functools.cache
def one_result():
    """A result without a verdict, as baselines give it."""
    return isogmm.baselines.laplace(normal, Y, draws=100, chains=1, random_seed=1)


def exact(model, *, model_kwargs, random_seed, **options):
    """Draws of the posterior: in place of fits, whose quality is not tested here."""
    y = np.asarray(model_kwargs["replicate"]["y"])
    variance = 1 / (len(y) + 1 / 4)
    draws = np.random.default_rng(random_seed).normal(size=(1, 100))
    result = copy.deepcopy(one_result())
    posterior = result["posterior"]
    posterior["mu"].values[...] = variance * y.sum() + np.sqrt(variance) * draws
    posterior["twice"].values[...] = 2 * posterior["mu"].values
    return result


def narrow(*args, **kwargs):
    """A fit whose posterior has a third of the sd."""
    result = exact(*args, **kwargs)
    values = result["posterior"]["mu"].values
    values[...] = values.mean() + (values - values.mean()) / 3
    return result


def shifted(*args, **kwargs):
    """A fit whose posterior is too high by two sd."""
    result = exact(*args, **kwargs)
    values = result["posterior"]["mu"].values
    values[...] = values + 2 * values.std()
    return result


@pytest.mark.numpyro
@pytest.mark.parametrize(
    ("fit", "words"),
    [(narrow, "too narrow"), pytest.param(shifted, "too high", marks=pytest.mark.long)],
)
def test_a_wrong_fit_is_detected(fit, words):
    with pytest.warns(FitWarning, match=f"not calibrated: the posterior of mu is {words}"):
        result = isogmm.calibrate(normal, Y, n=15, fit=fit, random_seed=1)
    assert result.attrs["calibrated"] == 0
    # The errors are larger than the smallest ones that the tests detect.
    assert result.attrs["detectable_shift"] < 2
    assert result.attrs["detectable_ratio"] < 3


@pytest.mark.numpyro
def test_a_baseline_is_calibrated_and_has_no_verdicts():
    result = isogmm.calibrate(normal, Y, n=10, fit=exact, random_seed=1)
    assert result.attrs["calibrated"] == 1
    assert "Verdicts" not in result.attrs["calibration"]


def test_the_level_is_that_of_all_quantities_together(monkeypatch):
    """With ten quantities a p value of 0.005 is not small."""
    monkeypatch.setattr(calibration, "detectable", lambda *sizes: Detectable(1.0, 2.0))
    pit = xr.Dataset({"x": (("chain", "draw", "row"), np.full((1, 10, 10), 0.1))})
    for smallest, expected in ((0.0011, 1), (0.0009, 0)):
        p_values = [smallest / 2, *np.full(9, 0.5)]
        tests = {f"x[{row}]": Uniformity(0.5, p) for row, p in enumerate(p_values)}
        attrs = _attributes(pit, tests, [from_groups({"pit": pit})] * 10, 12)
        assert attrs["calibrated"] == expected
        assert attrs["num_failed"] == 2


def test_posterior_draws_are_chosen_without_repetition():
    x = xr.Dataset({"x": (("chain", "draw"), np.arange(20.0).reshape(2, 10))})
    assert sorted(_chosen(x, 20, 3)["x"].values.ravel()) == list(range(20))
    few = [_chosen(x, 10, seed)["x"].values.ravel() for seed in (3, 4)]
    assert all(len(set(each)) == 10 for each in few)
    assert set(few[0]) != set(few[1])
    with pytest.raises(OptionError, match="n=21 simulations need 21 posterior draws"):
        _chosen(x, 21, 3)


@pytest.mark.numpyro
def test_what_cannot_be_simulated_is_an_error():
    import numpyro
    import numpyro.distributions as dist
    from numpyro.contrib.control_flow import scan

    from isogmm_numpyro._reading.read import read_model
    from isogmm_numpyro._simulate import _check_scans

    def factor(y):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)
        numpyro.factor("term", -(mu**2))

    def improper(y):
        mu = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    def chain(y):
        def step(state, y):
            state = numpyro.sample("state", dist.Bernoulli(0.2 + 0.5 * state))
            numpyro.sample("y", dist.Normal(mu + state, 1), obs=y)
            return state, None

        mu = numpyro.sample("mu", dist.Normal(0, 1))
        scan(step, 0, y)

    with pytest.warns(FitWarning, match="cannot be drawn"):
        sites = read_model(chain, (Y,), {}).sites
    with pytest.raises(ModelError, match=r"sites state, y inside a scan.*conditional=False"):
        _check_scans(sites)
    with pytest.raises(ModelError, match=r"term is a numpyro\.factor"):
        isogmm.calibrate(factor, Y, **OPTIONS)
    with pytest.raises(ModelError, match="give every variable a proper prior"):
        isogmm.calibrate(improper, Y, **OPTIONS)
    with pytest.raises(OptionError, match="LogDensity cannot simulate data"):
        isogmm.calibrate(isogmm.LogDensity(lambda x: -(x**2).sum(), np.zeros(1)))
    with pytest.raises(OptionError, match="n must be a whole number of at least 10"):
        isogmm.calibrate(normal, Y, n=3, **OPTIONS)


@pytest.mark.pymc
def test_pymc_models_that_cannot_be_simulated():
    import pymc as pm

    with normal_pymc() as model:
        pm.Potential("term", -(model["mu"] ** 2))
    with pytest.raises(ModelError, match=r"term is a pm\.Potential"):
        isogmm.calibrate(model, **OPTIONS)
    values = np.ma.masked_array(Y, mask=[False, True, False, False])
    with pm.Model() as model, pytest.warns(UserWarning, match="imputed"):
        pm.Normal("y", pm.Normal("mu", 0, 2), 1, observed=values)
    with pytest.raises(ModelError, match="y_observed has missing values"):
        find_adapter(model).simulate(model, (), {}, 1, n=2)


@pytest.mark.pymc
def test_simulated_data_of_pymc_belong_to_their_draw_and_follow_the_seed():
    model = normal_pymc()
    model.set_initval(model["mu"], 0.3)
    mu = 100.0 * np.arange(6.0).reshape(3, 2)
    posterior = xr.Dataset({"mu": (("draw", "chain"), mu)})

    def simulated(seed):
        return find_adapter(model).simulate(model, (), {}, seed, n=6, posterior=posterior)

    first, again, other = (simulated(seed) for seed in (1, 1, 2))
    y, same, changed = (
        np.array([each["y_replicate"] for each in one.datasets]) for one in (first, again, other)
    )
    # Ten standard deviations of the noise.
    assert (np.abs(y - first.truth["mu"][:, None]) < 10.0).all()
    np.testing.assert_array_equal(y, same)
    assert (y != changed).all()
    assert first.model.rvs_to_initial_values[first.model["mu"]] == 0.3


@pytest.mark.stack
@pytest.mark.numpyro
def test_arviz_and_the_plot_take_the_result():
    import arviz as az

    result = calibrated("numpyro", conditional=False)
    axes = isogmm.plot_calibration(result)
    assert len(axes.lines) == 3  # the reference, mu and twice
    if hasattr(az, "plot_ecdf_pit"):
        az.plot_ecdf_pit(result)
    else:
        values = result["prior_sbc"]["mu"].values.ravel()
        points = np.linspace(0.01, 0.99, 50)
        az.plot_ecdf(
            values, cdf=uniform.cdf, eval_points=points, difference=True, confidence_bands=True
        )
    with pytest.raises(OptionError, match="no PIT values"):
        isogmm.plot_calibration(isogmm.fit_isogmm(normal, Y, **OPTIONS))
