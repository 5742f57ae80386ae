"""Both adapters keep the contract of a target, check by check; and the checks can fail."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from adapters import contract
from isogmm.model.functions.log_density import LogDensity

Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
X = np.random.default_rng(0).normal(size=(12, 2))
COUNTS = np.array([0, 2, 1, 0, 3, 1, 0, 0, 4, 2, 1, 1])


# --- models -----------------------------------------------------------------------------------


def numpyro_schools():
    import numpyro
    import numpyro.distributions as dist

    def model(sigma, y=None):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        with numpyro.plate("school", len(sigma)):
            offset = numpyro.sample("offset", dist.Normal(0, 1))
            theta = numpyro.deterministic("theta", mu + tau * offset)
            numpyro.sample("effect", dist.Normal(theta, sigma), obs=y)

    return model, (SIGMA,), {"y": Y}


def numpyro_counts():
    import numpyro
    import numpyro.distributions as dist

    def model(x, counts):
        beta = numpyro.sample("beta", dist.Normal(0, 1).expand([2]).to_event(1))
        share = numpyro.sample("share", dist.Dirichlet(np.ones(3)))
        rate = numpyro.deterministic("rate", np.exp(0.0) * share[0] + 0.1)
        log_mean = x @ beta + rate
        numpyro.sample("counts", dist.Poisson(jnp_exp(log_mean)), obs=counts)

    from jax.numpy import exp as jnp_exp

    return model, (X, COUNTS), {}


def pymc_schools():
    import pymc as pm

    with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
        sigma = pm.Data("sigma", SIGMA, dims="school")
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        offset = pm.Normal("offset", dims="school")
        theta = pm.Deterministic("theta", mu + tau * offset, dims="school")
        pm.Normal("effect", theta, sigma, observed=Y, dims="school")
    return model, (), {}


def pymc_counts():
    import pymc as pm

    with pm.Model(coords={"part": ["a", "b", "c"]}) as model:
        beta = pm.Normal("beta", 0, 1, shape=2)
        share = pm.Dirichlet("share", np.ones(3), dims="part")
        pm.Potential("pull", -0.5 * (beta**2).sum())
        pm.Poisson("counts", pm.math.exp(pm.math.dot(X, beta) + share[0]), observed=COUNTS)
    return model, (), {}


CASES = [
    pytest.param(
        "isogmm_numpyro",
        numpyro_schools,
        id="numpyro-schools",
        marks=[pytest.mark.numpyro, pytest.mark.stack],
    ),
    pytest.param(
        "isogmm_numpyro",
        numpyro_counts,
        id="numpyro-counts",
        marks=[pytest.mark.numpyro, pytest.mark.long],
    ),
    pytest.param("isogmm_pymc", pymc_schools, id="pymc-schools", marks=pytest.mark.pymc),
    pytest.param(
        "isogmm_pymc",
        pymc_counts,
        id="pymc-counts",
        marks=[pytest.mark.pymc, pytest.mark.long],
    ),
]
ADAPTERS = {"isogmm_numpyro": "NumPyroAdapter", "isogmm_pymc": "PyMCAdapter"}


@pytest.fixture(scope="module")
def makers():
    """Models are built once for the module, so that the checks share the compiled programs."""
    return {}


def maker(makers, package, build):
    if build not in makers:
        module = pytest.importorskip(package)
        adapter = getattr(module, ADAPTERS[package])()
        model, args, kwargs = build()
        makers[build] = lambda: adapter.to_target(model, args, kwargs, 0)
    return makers[build]


@pytest.mark.parametrize(("package", "build"), CASES)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_adapters_keep_the_contract(makers, package, build, check):
    check(maker(makers, package, build))


@pytest.mark.parametrize(
    ("package", "build", "dims", "observed", "deterministic"),
    [
        pytest.param(
            *CASES[0].values,
            {"school"},
            "effect",
            "theta",
            marks=[pytest.mark.numpyro, pytest.mark.stack],
        ),
        pytest.param(*CASES[2].values, {"school"}, "effect", "theta", marks=pytest.mark.pymc),
    ],
)
def test_adapters_carry_names_across(makers, package, build, dims, observed, deterministic):
    target = maker(makers, package, build)()
    assert {dim for names in target.dims.values() for dim in names} >= dims
    np.testing.assert_array_equal(target.observed_data[observed], Y)
    posterior = target.constrain(np.zeros((2, target.dim)), 0)["posterior"]
    assert set(posterior) == {"mu", "tau", "offset", deterministic}
    assert (posterior["tau"] > 0).all()


# --- the adapter of the manual ----------------------------------------------------------------


class StanModel:
    """The interface of BridgeStan's class of this name, for a normal with a bounded scale."""

    __module__ = "bridgestan.model"

    def param_unc_num(self):
        return 2

    def param_unc_names(self):
        return ["mu", "sigma"]

    def param_names(self):
        return ["mu", "sigma"]

    def param_constrain(self, theta_unc):
        return np.array([theta_unc[0], np.exp(theta_unc[1])])

    def log_density_gradient(self, theta_unc, *, propto=True, jacobian=True, out=None):
        mu, log_sigma = theta_unc
        if not abs(log_sigma) < 300:
            raise RuntimeError("log_density_gradient() failed with exception: Scale parameter")
        error = (Y - mu) * np.exp(-log_sigma)
        value = -0.5 * error @ error - 7 * log_sigma - np.exp(log_sigma)
        slope = error @ error - 7 - np.exp(log_sigma)
        return value, np.array([error.sum() * np.exp(-log_sigma), slope])


def test_the_adapter_of_the_manual_works():
    manual = pathlib.Path(__file__).parents[2] / "adapters" / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", manual.read_text(), flags=re.DOTALL)
    code = next(block for block in blocks if "class StanAdapter" in block)
    module = {}
    exec(compile(code, str(manual), "exec"), module)
    adapter, model = module["StanAdapter"](), StanModel()
    assert adapter.recognizes(model)
    assert not adapter.recognizes(lambda: None)
    contract.check_target(lambda: adapter.to_target(model, (), {}, 0))


# --- the checks can fail ----------------------------------------------------------------------


def good():
    model = LogDensity(
        None,
        {"a": np.zeros(2), "b": 0.0},
        value_and_grad=lambda x: (
            -0.5 * np.sum(x["a"] ** 2) - 0.5 * x["b"] ** 2,
            {"a": -x["a"], "b": -x["b"]},
        ),
    )
    return model.to_target()


def broken(**changes):
    target = good()
    fields = {
        field.name: getattr(target, field.name)
        for field in dataclasses.fields(target)
        if field.init
    }
    return type(target)(**{**fields, **{k: change(target) for k, change in changes.items()}})


def scaled_gradient(target):
    def evaluate(positions):
        values, gradients = target.evaluate_batch(positions)
        return values, 1.01 * gradients

    return evaluate


def point_of(batch):
    return lambda target: lambda x: tuple(part[0] for part in batch(target)(x[None]))


def shifted_point(target):
    def evaluate(position):
        value, gradient = target.evaluate_point(position)
        return value + 1e-6, gradient

    return evaluate


def renamed(target):
    return lambda positions, seed: {"posterior": {"other": positions}}


def mixed_rows(target):
    def constrain(positions, seed):
        posterior = target.constrain(positions, seed)["posterior"]
        return {"posterior": {**posterior, "mean": np.tile(positions.mean(), len(positions))}}

    return constrain


def one_start(target):
    return lambda generator, n: np.ones((n, 3))


def one_prior(target):
    return lambda generator, n: np.ones((n, 3))


def fresh_draws(generator, n):
    return np.random.default_rng().normal(size=(n, 3))


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        (contract.check_starts, {"initial_positions": one_start}),
        (contract.check_point_and_batch, {"evaluate_point": shifted_point}),
        (
            contract.check_gradient,
            {"evaluate_batch": scaled_gradient, "evaluate_point": point_of(scaled_gradient)},
        ),
        (contract.check_constrain, {"constrain": renamed}),
        (contract.check_constrain, {"constrain": mixed_rows}),
        (contract.check_data_and_labels, {"dims": lambda target: {"c": ("k",)}}),
        (
            contract.check_data_and_labels,
            {"dims": lambda target: {"a": ("k",)}, "coords": lambda target: {"k": [1, 2, 3]}},
        ),
        (contract.check_prior, {"prior_positions": one_prior}),
        (contract.check_prior, {"prior_positions": lambda target: fresh_draws}),
        (contract.check_programs, {"num_programs": lambda target: lambda: 4}),
    ],
)
def test_a_broken_target_is_found_out(check, changes):
    check(good)
    with pytest.raises(AssertionError):
        check(lambda: broken(**changes))
