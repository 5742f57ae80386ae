"""The target of a PyMC model says what PyMC says: density, gradient, draws, pointwise terms."""

import numpy as np
import pytest

from isogmm.errors import FitWarning

pm = pytest.importorskip("pymc")
import pytensor.tensor as pt  # noqa: E402
import xarray as xr  # noqa: E402

from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._target import _initial_point  # noqa: E402

pytestmark = [
    pytest.mark.pymc,
    # Said of LKJCholeskyCov on older PyMC, rightly.
    pytest.mark.filterwarnings("ignore:.*wrong constant:UserWarning"),
    # PyTensor says so of an operation of PyMC itself when the reference gradient is built.
    pytest.mark.filterwarnings("ignore:SplineWrapper should implement:FutureWarning"),
]

DATA = np.random.default_rng(3)
X = DATA.normal(size=(12, 3))
Y = DATA.normal(size=12) + 1.0
GROUP = np.array([0, 1, 2] * 4)


def schools():
    with pm.Model(coords={"school": list("abcd")}) as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        z = pm.Normal("z", 0, 1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * z, dims="school")
        pm.Normal("obs", theta, [15.0, 10.0, 16.0, 11.0], observed=[28, 8, -3, 7], dims="school")
    return model


def bounded():
    with pm.Model() as model:
        a = pm.Uniform("a", -2, 3)
        b = pm.Beta("b", 2, 3)
        c = pm.Gamma("c", 2.0, 1.5)
        d = pm.TruncatedNormal("d", 0.3, 1, lower=0)
        pm.StudentT("obs", 4, mu=a * b + d, sigma=c, observed=Y)
    return model


def flat():
    with pm.Model() as model:
        beta = pm.Flat("beta", shape=3)
        sigma = pm.HalfFlat("sigma")
        pm.Normal("obs", pt.dot(X, beta), sigma, observed=Y)
    return model


def data_and_potential():
    with pm.Model(coords={"row": np.arange(12), "term": ["a", "b", "c"]}) as model:
        x = pm.Data("x", X, dims=("row", "term"))
        y = pm.Data("y", Y, dims="row")
        group = pm.Data("group", GROUP, dims="row")
        beta = pm.Normal("beta", 0, 2, dims="term")
        level = pm.Normal("level", 0, 1, shape=3)
        pm.Potential("soft_sum", -0.5 * (beta.sum() - 1) ** 2)
        pm.Normal("obs", x @ beta + level[group], 1, observed=y, dims="row")
    return model


def with_named_dimensions():
    """Variables with dimensions instead of axes, which the module ``pymc.dims`` defines."""
    pmd = pytest.importorskip("pymc.dims")
    with pm.Model(coords={"row": np.arange(12), "group": list("abc")}) as model:
        group = pmd.Data("group_of_row", GROUP, dims="row")
        y = pmd.Data("y", Y, dims="row")
        tau = pmd.HalfNormal("tau", 1)
        level = pmd.Normal("level", 0, tau, dims="group")
        contrast = pmd.ZeroSumNormal("contrast", core_dims="group")
        total = pmd.Deterministic("total", level + contrast)
        pmd.StudentT("obs", nu=4, mu=total.isel(group=group), sigma=1, observed=y)
    return model


def imputed():
    values = np.ma.masked_array(Y, mask=np.arange(12) % 5 == 0)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        with pytest.warns(UserWarning, match="imputed"):
            pm.Normal("y", mu, 1, observed=values)
    return model


def zero_sum():
    with pm.Model(coords={"group": list("xyz")}) as model:
        effect = pm.ZeroSumNormal("effect", sigma=1.5, dims="group")
        pm.Normal("obs", effect[GROUP], 1, observed=Y)
    return model


def correlated():
    with pm.Model() as model:
        chol, _, _ = pm.LKJCholeskyCov(
            "chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0, shape=2)
        )
        effect = pm.MvNormal("effect", np.zeros(2), chol=chol, shape=(3, 2))
        pm.Normal("obs", effect[GROUP, 0] + X[:, 0] * effect[GROUP, 1], 1, observed=Y)
    return model


def simplex_mixture():
    with pm.Model() as model:
        weights = pm.Dirichlet("weights", np.ones(3))
        centers = pm.Normal(
            "centers",
            0,
            3,
            shape=3,
            transform=pm.distributions.transforms.ordered,
            initval=np.array([-1.0, 0.0, 1.0]),
        )
        pm.Mixture("obs", w=weights, comp_dists=pm.Normal.dist(centers, 1), observed=Y)
    return model


def ordinal():
    with pm.Model() as model:
        cutpoints = pm.Normal(
            "cutpoints",
            0,
            2,
            shape=2,
            transform=pm.distributions.transforms.ordered,
            initval=np.array([-1.0, 1.0]),
        )
        slope = pm.Normal("slope", 0, 1)
        pm.OrderedLogistic("obs", eta=slope * X[:, 0], cutpoints=cutpoints, observed=GROUP)
    return model


def censored():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        sigma = pm.HalfNormal("sigma", 1)
        latent = pm.Normal.dist(mu, sigma)
        pm.Censored("obs", latent, lower=None, upper=1.5, observed=np.minimum(Y, 1.5))
    return model


def truncated():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        pm.Truncated("obs", pm.Normal.dist(mu, 1), lower=-2.0, observed=np.maximum(Y, -1.9))
    return model


def custom():
    def logp(value, rate):
        return pt.switch(pt.ge(value, 0), pt.log(rate) - rate * value, -np.inf)

    with pm.Model() as model:
        rate = pm.LogNormal("rate", 0, 1)
        pm.CustomDist("obs", rate, logp=logp, observed=np.abs(Y))
    return model


def hilbert_space_process():
    points = np.linspace(-1, 1, 12)[:, None]
    with pm.Model() as model:
        scale = pm.HalfNormal("scale", 1)
        length = pm.InverseGamma("length", 3, 1)
        process = pm.gp.HSGP(m=[5], c=2.0, cov_func=scale**2 * pm.gp.cov.Matern52(1, ls=length))
        f = process.prior("f", X=points)
        pm.Poisson("obs", pt.exp(f), observed=np.arange(12) % 4)
    return model


def counts():
    with pm.Model() as model:
        p = pm.Beta("p", 1, 1)
        rate = pm.Exponential("rate", 0.5)
        alpha = pm.HalfNormal("alpha", 2)
        pm.ZeroInflatedNegativeBinomial("obs", p, rate, alpha, observed=np.arange(12) % 5)
        pm.Binomial("trials", n=7, p=p, observed=np.arange(6))
    return model


def series():
    with pm.Model() as model:
        rho = pm.Uniform("rho", -1, 1)
        sigma = pm.HalfNormal("sigma", 1)
        pm.AR("obs", rho, sigma=sigma, init_dist=pm.Normal.dist(0, 1), observed=Y)
        pm.GaussianRandomWalk("walk", sigma=sigma, init_dist=pm.Normal.dist(0, 1), steps=4)
    return model


def interpolated():
    grid = np.linspace(-3, 3, 30)
    with pm.Model() as model:
        mu = pm.Interpolated("mu", grid, np.exp(-0.5 * grid**2) + 0.1)
        pm.Normal("obs", mu, 1, observed=Y)
    return model


MODELS = [
    bounded,
    data_and_potential,
    with_named_dimensions,
    imputed,
    simplex_mixture,
    # Distributions that PyMC itself writes with the operations of the models above.
    *(
        pytest.param(build, marks=pytest.mark.long)
        for build in (
            schools,
            flat,
            zero_sum,
            correlated,
            censored,
            custom,
            interpolated,
            ordinal,
            truncated,
            hilbert_space_process,
            counts,
            series,
        )
    ),
]


class Case:
    """A model with its target, a few positions, and the same points in PyMC's words."""

    def __init__(self, build):
        self.model = build()
        self.target = PyMCAdapter().to_target(self.model, (), {}, 0)
        starts = self.target.initial_positions(np.random.default_rng(7), 3)
        # A point at the edge of the box can round to a probability of exactly one.
        center = self.target.initial_positions(np.random.default_rng(7), 400).mean(axis=0)
        self.positions = center + 0.5 * (starts - center)
        self.generated = self.target.constrain(self.positions, 0)
        # PyMC's pointwise functions copy the model, which it cannot do with initial values.
        values = self.model.rvs_to_initial_values
        values.update(dict.fromkeys(values))

    def points(self):
        names = [value.name for value in self.model.value_vars]
        for position in self.positions:
            parts = self.target.unravel(position).values()
            yield dict(zip(names, parts, strict=True))

    def idata(self):
        """The posterior as ArviZ holds it, for PyMC's own functions."""
        posterior = xr.Dataset(
            {
                name: (
                    ("chain", "draw", *(f"{name}_{i}" for i in range(array.ndim - 1))),
                    array[None],
                )
                for name, array in self.generated["posterior"].items()
            }
        )
        return {"posterior": posterior}


@pytest.fixture(scope="module", params=MODELS, ids=lambda build: build.__name__)
def case(request):
    return Case(request.param)


def test_log_density_and_gradient_equal_those_of_pymc(case):
    density = case.model.compile_logp(mode="FAST_COMPILE")
    gradient = case.model.compile_dlogp(mode="FAST_COMPILE")
    values, gradients = case.target.evaluate(case.positions)
    for point, position, value, slope in zip(
        case.points(), case.positions, values, gradients, strict=True
    ):
        expected = float(density(point))
        assert np.isfinite(expected)
        np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(slope, gradient(point), rtol=1e-8, atol=1e-10)
        single, single_slope = case.target.evaluate(position)
        np.testing.assert_allclose(single, expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(single_slope, slope, rtol=1e-9, atol=1e-10)


def test_constrained_draws_equal_those_of_pymc(case):
    names = [v.name for v in case.model.unobserved_value_vars]
    function = case.model.compile_fn(case.model.unobserved_value_vars, mode="FAST_COMPILE")
    transformed = {value.name for value in case.model.value_vars} - {
        variable.name for variable in case.model.free_RVs
    }
    assert set(case.generated["posterior"]) == set(names) - transformed
    for row, point in enumerate(case.points()):
        expected = dict(zip(names, function(point), strict=True))
        for name, array in case.generated["posterior"].items():
            assert array[row].dtype == np.asarray(expected[name]).dtype
            np.testing.assert_allclose(array[row], expected[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("group", ["log_likelihood", "log_prior"])
def test_pointwise_terms_equal_those_of_pymc(case, group):
    compute = getattr(pm.stats, f"compute_{group}")
    expected = compute(
        case.idata(),
        model=case.model,
        extend_inferencedata=False,
        progressbar=False,
        compile_kwargs={"mode": "FAST_COMPILE"},
    )
    assert set(case.generated[group]) == set(expected.data_vars)
    for name, array in case.generated[group].items():
        np.testing.assert_allclose(array, expected[name].values[0], rtol=1e-9, atol=1e-9)


def test_coordinates_and_data_are_those_of_the_model():
    target = PyMCAdapter().to_target(data_and_potential(), (), {}, 0)
    assert target.dims["beta"] == ["term"]
    assert list(target.coords["term"]) == ["a", "b", "c"]
    assert dict(target.variables) == {"beta": (3,), "level": (3,)}
    np.testing.assert_array_equal(target.observed_data["obs"], Y)
    np.testing.assert_array_equal(target.constant_data["x"], X)
    assert target.library == "pymc"
    assert target.library_version == pm.__version__


def test_starts_surround_the_initial_point_of_the_model():
    with pm.Model() as model:
        pm.HalfNormal("scale", 1, initval=4.0)
        pm.Normal("mean", 0, 1, initval=-3.0)
    target = PyMCAdapter().to_target(model, (), {}, 0)
    starts = target.initial_positions(np.random.default_rng(0), 2000)
    center = np.array([np.log(4.0), -3.0])
    assert np.all(np.abs(starts - center) <= 2.0)
    # The probability that none of 4,000 is there is 0.95 to this power.
    assert np.abs(starts - center).max() > 1.9
    # A uniform variable on (-2, 2) has standard deviation 2/sqrt(3); five standard errors.
    error = 5 * 2 / np.sqrt(3 * 2000)
    np.testing.assert_allclose(starts.mean(axis=0), center, atol=error)


def test_random_initial_values_follow_the_seed():
    with pm.Model() as model:
        pm.Normal("x", initval="prior")
    first, again, other = (_initial_point(model, seed)["x"] for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.long
def test_minibatches_are_replaced_by_the_full_data():
    with pm.Model() as model:
        batch = pm.Minibatch(Y, batch_size=4)
        mu = pm.Normal("mu", 0, 1, initval=0.4)
        pm.Normal("obs", mu, 1, observed=batch, total_size=12)
    with pm.Model() as full:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("obs", mu, 1, observed=Y)
    with pytest.warns(FitWarning, match="full data"):
        target = PyMCAdapter().to_target(model, (), {}, 0)
    position = np.array([0.3])
    expected = full.compile_logp(mode="FAST_COMPILE")({"mu": 0.3})
    np.testing.assert_allclose(target.evaluate(position)[0], expected, rtol=1e-12)
    np.testing.assert_array_equal(target.observed_data["obs"], Y)
    assert target.constrain(position[None], 0)["log_likelihood"]["obs"].shape == (1, 12)
    assert model.rvs_to_initial_values[model["mu"]] == 0.4
    starts = target.initial_positions(np.random.default_rng(0), 500)
    assert abs(starts.mean() - 0.4) < 5 * 2 / np.sqrt(3 * 500)


@pytest.mark.long
def test_parameter_checks_hold_beyond_the_start():
    with pm.Model() as model:
        shape = pm.Normal("shape", 2, 1)
        pm.Gamma("obs", alpha=shape, beta=1.0, observed=np.abs(Y))
    target = PyMCAdapter().to_target(model, (), {}, 0)
    assert target.evaluate(np.array([-1.5]))[0] == -np.inf
    assert np.isfinite(target.evaluate(np.array([1.5]))[0])
    model.check_bounds = False
    unchecked = PyMCAdapter().to_target(model, (), {}, 0)
    assert np.isfinite(unchecked.evaluate(np.array([-1.5]))[0])
