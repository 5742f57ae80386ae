"""Hard models with simulated data, in NumPyro and PyMC, and where their references lie.

    model = models.load("growth_centered")
    fit_isogmm(model.numpyro_model, model_kwargs=model.numpyro_kwargs)
    metrics.compare(idata, model.reference)

The data are simulated from a fixed seed with normal and uniform numbers alone, whose streams
NumPy keeps from version to version; :func:`fingerprint` guards against a change.  Neither JAX nor
PyMC is imported before a model is asked for.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics import Reference

DATA = Path(__file__).resolve().parent / "data"

Data = dict[str, np.ndarray]


# --- data ------------------------------------------------------------------------------


def growth_data(num_groups: int = 30, seed: int = 240) -> Data:
    """Weights of ``num_groups`` animals on 5 days: near 240, intercepts with sd 10."""
    rng = np.random.default_rng(seed)
    day = np.array([-14.0, -7.0, 0.0, 7.0, 14.0])
    intercept = 240.0 + 10.0 * rng.standard_normal(num_groups)
    slope = 6.2 + 0.5 * rng.standard_normal(num_groups)
    noise = 6.0 * rng.standard_normal((num_groups, len(day)))
    return {"day": day, "weight": intercept[:, None] + slope[:, None] * day + noise}


def item_response_data(seed: int = 20) -> Data:
    """Answers of 100 people to 20 items, (items, people), with unlike difficulty and sharpness."""
    rng = np.random.default_rng(seed)
    ability = 1.2 * rng.standard_normal(100)
    discrimination = np.exp(0.5 * rng.standard_normal(20))
    difficulty = 0.5 + 1.0 * rng.standard_normal(20)
    logits = discrimination[:, None] * (ability[None, :] - difficulty[:, None])
    return {"answer": (rng.random((20, 100)) < 1.0 / (1.0 + np.exp(-logits))).astype(int)}


def counts_data(sigma: float, seed: int) -> Data:
    """Yearly counts over 40 years: a cubic trend and a random effect of sd ``sigma`` a year."""
    from scipy import stats  # a third of a second, which no fit shall find imported

    rng = np.random.default_rng(seed)
    year = (np.arange(40) - 19.5) / 20.0
    log_rate = 3.6 + 1.0 * year + 0.1 * year**2 - 0.6 * year**3 + sigma * rng.standard_normal(40)
    return {"year": year, "count": stats.poisson.ppf(rng.random(40), np.exp(log_rate)).astype(int)}


def varying_slopes_data(seed: int = 85) -> Data:
    """919 measurements in 85 groups of unlike size, intercepts and slopes correlated."""
    rng = np.random.default_rng(seed)
    share = np.exp(rng.standard_normal(85))
    edges = np.cumsum(share) / share.sum()
    group = np.concatenate([np.arange(85), np.searchsorted(edges, rng.random(834))])
    x = (rng.random(919) < 0.2).astype(float)
    effects = rng.standard_normal((85, 2)) @ np.array([[0.35, 0.0], [-0.12, 0.25]]).T
    y = 1.4 + effects[group, 0] + (effects[group, 1] - 0.7) * x + 0.75 * rng.standard_normal(919)
    return {"group": group, "x": x, "y": y}


def logistic_data(n: int = 10_000, dim: int = 50, seed: int = 50) -> Data:
    """A plain logistic regression, correlated covariates, intercept first."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((n, 1))
    x = 0.8 * rng.standard_normal((n, dim)) + 0.6 * common
    x[:, 0] = 1.0
    coefficients = 0.3 * rng.standard_normal(dim)
    y = rng.random(n) < 1.0 / (1.0 + np.exp(-x @ coefficients))
    return {"x": x, "y": y.astype(int)}


def fingerprint(data: Mapping[str, np.ndarray]) -> int:
    """A checksum of the data, rounded so that the last digits of a platform do not matter."""
    value = 0
    for name in sorted(data):
        # Adding zero turns -0.0 into 0.0.
        value = zlib.crc32((np.round(data[name].astype(float), 6) + 0.0).tobytes(), value)
    return value


# --- NumPyro ---------------------------------------------------------------------------


def growth_numpyro(day, weight, centered=True):
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def scale(name):
        support = dist.constraints.positive
        return numpyro.sample(name, dist.ImproperUniform(support, (), ()))

    mu_alpha = numpyro.sample("mu_alpha", dist.Normal(0, 100))
    mu_beta = numpyro.sample("mu_beta", dist.Normal(0, 100))
    sigma_alpha, sigma_beta, sigma_y = map(scale, ("sigma_alpha", "sigma_beta", "sigma_y"))
    with numpyro.plate("animal", weight.shape[0]):
        alpha = _effect("alpha", mu_alpha, sigma_alpha, centered)
        beta = _effect("beta", mu_beta, sigma_beta, centered)
    mean = jnp.expand_dims(alpha, -1) + jnp.expand_dims(beta, -1) * day
    numpyro.sample("obs", dist.Normal(mean, sigma_y).to_event(2), obs=weight)


def growth_vague_numpyro(day, weight):
    """As BUGS had it: vague priors of the variances, which let the ELBO pool all animals."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def scale(name):
        return jnp.sqrt(numpyro.sample(name, dist.InverseGamma(0.001, 0.001)))

    mu_alpha = numpyro.sample("mu_alpha", dist.Normal(0, 100))
    mu_beta = numpyro.sample("mu_beta", dist.Normal(0, 100))
    sigmas = map(scale, ("variance_alpha", "variance_beta", "variance_y"))
    sigma_alpha, sigma_beta, sigma_y = sigmas
    with numpyro.plate("animal", weight.shape[0]):
        alpha = numpyro.sample("alpha", dist.Normal(mu_alpha, sigma_alpha))
        beta = numpyro.sample("beta", dist.Normal(mu_beta, sigma_beta))
    mean = jnp.expand_dims(alpha, -1) + jnp.expand_dims(beta, -1) * day
    numpyro.sample("obs", dist.Normal(mean, sigma_y).to_event(2), obs=weight)


def _effect(name, loc, scale, centered):
    import numpyro
    import numpyro.distributions as dist

    if centered:
        return numpyro.sample(name, dist.Normal(loc, scale))
    offset = numpyro.sample(f"{name}_offset", dist.Normal(0, 1))
    return numpyro.deterministic(name, loc + scale * offset)


def item_response_numpyro(answer):
    import numpyro
    import numpyro.distributions as dist

    sigma_theta = numpyro.sample("sigma_theta", dist.HalfCauchy(2))
    sigma_a = numpyro.sample("sigma_a", dist.HalfCauchy(2))
    mu_b = numpyro.sample("mu_b", dist.Normal(0, 5))
    sigma_b = numpyro.sample("sigma_b", dist.HalfCauchy(2))
    with numpyro.plate("person", answer.shape[1]):
        theta = numpyro.sample("theta", dist.Normal(0, sigma_theta))
    with numpyro.plate("item", answer.shape[0]):
        a = numpyro.sample("a", dist.LogNormal(0, sigma_a))
        b = numpyro.sample("b", dist.Normal(mu_b, sigma_b))
    logits = a[:, None] * (theta[None, :] - b[:, None])
    numpyro.sample("obs", dist.BernoulliLogits(logits).to_event(2), obs=answer)


def counts_numpyro(year, count, centered=True):
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    alpha = numpyro.sample("alpha", dist.Uniform(-20, 20))
    beta = numpyro.sample("beta", dist.Uniform(-10, 10).expand([3]).to_event(1))
    sigma = numpyro.sample("sigma", dist.Uniform(0, 5))
    with numpyro.plate("years", len(count)):
        effect = _effect("effect", 0.0, sigma, centered)
        log_rate = alpha + beta @ jnp.stack([year, year**2, year**3]) + effect
        numpyro.sample("obs", dist.Poisson(jnp.exp(log_rate)), obs=count)


def varying_slopes_numpyro(group, x, y):
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0, 5).expand([2]).to_event(1))
    tau = numpyro.sample("tau", dist.HalfNormal(1).expand([2]).to_event(1))
    factor = numpyro.sample("factor", dist.LKJCholesky(2, 2.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2))
    with numpyro.plate("groups", 85):
        offset = numpyro.sample("offset", dist.Normal(0, 1).expand([2]).to_event(1))
    numpyro.deterministic("correlation", factor[1, 0])
    effect = numpyro.deterministic("effect", mu + offset @ (tau[:, None] * factor).T)
    mean = effect[group, 0] + effect[group, 1] * x
    numpyro.sample("obs", dist.Normal(jnp.asarray(mean), sigma), obs=y)


def logistic_numpyro(x, y):
    import numpyro
    import numpyro.distributions as dist

    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    numpyro.sample("obs", dist.BernoulliLogits(x @ beta), obs=y)


# --- PyMC ------------------------------------------------------------------------------


def growth_pymc(day, weight):
    import pymc as pm

    with pm.Model(coords={"animal": range(len(weight)), "day": day}) as model:
        mu_alpha = pm.Normal("mu_alpha", 0, 100)
        mu_beta = pm.Normal("mu_beta", 0, 100)
        sigma_alpha = pm.HalfFlat("sigma_alpha")
        sigma_beta = pm.HalfFlat("sigma_beta")
        sigma_y = pm.HalfFlat("sigma_y")
        alpha = pm.Normal("alpha", mu_alpha, sigma_alpha, dims="animal")
        beta = pm.Normal("beta", mu_beta, sigma_beta, dims="animal")
        mean = alpha[:, None] + beta[:, None] * day
        pm.Normal("obs", mean, sigma_y, observed=weight, dims=("animal", "day"))
    return model


def item_response_pymc(answer):
    import pymc as pm

    with pm.Model(coords={"item": range(20), "person": range(100)}) as model:
        sigma_theta = pm.HalfCauchy("sigma_theta", 2)
        sigma_a = pm.HalfCauchy("sigma_a", 2)
        mu_b = pm.Normal("mu_b", 0, 5)
        sigma_b = pm.HalfCauchy("sigma_b", 2)
        theta = pm.Normal("theta", 0, sigma_theta, dims="person")
        a = pm.LogNormal("a", 0, sigma_a, dims="item")
        b = pm.Normal("b", mu_b, sigma_b, dims="item")
        logits = a[:, None] * (theta[None, :] - b[:, None])
        pm.Bernoulli("obs", logit_p=logits, observed=answer, dims=("item", "person"))
    return model


def counts_pymc(year, count):
    import pymc as pm

    with pm.Model(coords={"years": range(len(count))}) as model:
        alpha = pm.Uniform("alpha", -20, 20)
        beta = pm.Uniform("beta", -10, 10, shape=3)
        sigma = pm.Uniform("sigma", 0, 5)
        effect = pm.Normal("effect", 0, sigma, dims="years")
        log_rate = alpha + beta[0] * year + beta[1] * year**2 + beta[2] * year**3 + effect
        pm.Poisson("obs", pm.math.exp(log_rate), observed=count, dims="years")
    return model


def logistic_pymc(x, y):
    import pymc as pm

    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 1, shape=x.shape[1])
        pm.Bernoulli("obs", logit_p=pm.math.dot(x, beta), observed=y)
    return model


# --- the table -------------------------------------------------------------------------


@dataclass(frozen=True)
class HardModel:
    """A model with its data, ready to be fitted and judged.

    ``reference_kwargs`` are further arguments for the run that made the reference: the
    non-centered form of the same model, where NUTS does not mix on the centered one.
    """

    name: str
    dim: int
    numpyro_model: Callable[..., None]
    make_data: Callable[[], Data]
    variables: tuple[str, ...]
    build_pymc: Callable[..., Any] | None = None
    reference_kwargs: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @cached_property
    def numpyro_kwargs(self) -> Data:
        return self.make_data()

    @property
    def pymc_model(self) -> Callable[[], Any] | None:
        """A function that builds the PyMC model, or None where there is none."""
        if self.build_pymc is None:
            return None
        return lambda: self.build_pymc(**self.numpyro_kwargs)

    @property
    def reference_path(self) -> Path:
        return DATA / f"{self.name}.npz"

    @cached_property
    def reference(self) -> Reference:
        return Reference.read(self.reference_path)


_TABLE = (
    HardModel(
        "growth_centered",
        65,
        growth_numpyro,
        growth_data,
        ("mu_alpha", "mu_beta", "sigma_alpha", "sigma_beta", "sigma_y", "alpha", "beta"),
        growth_pymc,
        tags=("hierarchical", "centered", "scales"),
    ),
    HardModel(
        "growth_vague",
        65,
        growth_vague_numpyro,
        lambda: growth_data(seed=30),
        ("mu_alpha", "mu_beta", "variance_alpha", "variance_beta", "variance_y", "alpha", "beta"),
        tags=("hierarchical", "centered", "scales"),
    ),
    HardModel(
        "item_response_2pl",
        144,
        item_response_numpyro,
        item_response_data,
        ("sigma_theta", "sigma_a", "mu_b", "sigma_b", "theta", "a", "b"),
        item_response_pymc,
        tags=("hierarchical", "centered"),
    ),
    HardModel(
        "counts_uniform",
        45,
        counts_numpyro,
        lambda: counts_data(sigma=0.25, seed=4),
        ("alpha", "beta", "sigma", "effect"),
        counts_pymc,
        {"centered": False},
        ("hierarchical", "centered", "uniform"),
    ),
    HardModel(
        "counts_uniform_funnel",
        45,
        counts_numpyro,
        lambda: counts_data(sigma=0.1, seed=40),
        ("alpha", "beta", "sigma", "effect"),
        counts_pymc,
        {"centered": False},
        ("hierarchical", "centered", "uniform", "funnel"),
    ),
    HardModel(
        "varying_slopes",
        176,
        varying_slopes_numpyro,
        varying_slopes_data,
        ("mu", "tau", "correlation", "sigma", "effect"),
        tags=("hierarchical", "correlation", "speed"),
    ),
    HardModel(
        "logistic_large",
        50,
        logistic_numpyro,
        logistic_data,
        ("beta",),
        logistic_pymc,
        tags=("regression", "heavy", "speed"),
    ),
)

MODELS: dict[str, HardModel] = {model.name: model for model in _TABLE}


def names() -> list[str]:
    """Names of the hard models."""
    return list(MODELS)


def load(name: str) -> HardModel:
    """The hard model of that name."""
    return MODELS[name]
