"""NumPyro models that cover what the adapter must read; a case is a model with its arguments."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints
from numpyro.infer.reparam import CircularReparam, LocScaleReparam


@dataclass(frozen=True)
class Case:
    model: Callable[..., Any]
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    discrete: bool = False


_rng = np.random.default_rng(0)
Y = _rng.normal(1.0, 2.0, size=12)
X = _rng.normal(size=(12, 3))
GROUP = np.arange(12) % 3
COUNTS = _rng.poisson(3.0, size=12)


def hierarchy(y, sigma=1.0):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(y)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * z)
        numpyro.sample("results", dist.Normal(theta, sigma), obs=y)


def supports():
    numpyro.sample("real", dist.StudentT(5, 0, 1))
    low = numpyro.sample("low", dist.Gamma(2, 2))
    numpyro.sample("above", dist.TruncatedNormal(0.0, 1.0, low=low))
    numpyro.sample("below", dist.TruncatedNormal(0.0, 1.0, high=-0.5))
    numpyro.sample("between", dist.Uniform(low, low + 2))
    numpyro.sample("unit", dist.Beta(2, 3))
    numpyro.sample("simplex", dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])))
    numpyro.sample("cholesky", dist.LKJCholesky(3, 2.0))
    numpyro.sample("correlation", dist.LKJ(3, 2.0))
    numpyro.sample("circular", dist.VonMises(0.5, 2.0))
    numpyro.sample("pareto", dist.Pareto(jnp.array([1.0, 2.0]), 3.0))
    numpyro.sample("zero_sum", dist.ZeroSumNormal(1.0, event_shape=(4,)))


def improper():
    ordered = numpyro.sample("ordered", dist.ImproperUniform(constraints.ordered_vector, (), (3,)))
    positive = numpyro.sample(
        "positive_ordered", dist.ImproperUniform(constraints.positive_ordered_vector, (), (2,))
    )
    scale = numpyro.sample("lower", dist.ImproperUniform(constraints.lower_cholesky, (), (2, 2)))
    covariance = numpyro.sample(
        "covariance", dist.ImproperUniform(constraints.positive_definite, (), (2, 2))
    )
    loose = numpyro.sample("loose", dist.ImproperUniform(constraints.real, (2,), (3,)))
    numpyro.factor("ordered_prior", dist.Normal(0, 2).log_prob(ordered).sum())
    numpyro.factor("positive_prior", -positive.sum())
    numpyro.factor("scale_prior", -(scale**2).sum() - jnp.trace(covariance))
    numpyro.factor("loose_prior", dist.Normal(0, 1).log_prob(loose))


def regression(x, y, *, group, scales):
    intercept = numpyro.sample("intercept", dist.Normal(0, 10))
    beta = numpyro.sample("beta", dist.Normal(0, scales["beta"]).expand([3]).to_event(1))
    with numpyro.plate("group", 3):
        offset = numpyro.sample("offset", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(scales["sigma"]))
    with numpyro.plate("rows", x.shape[0]):
        numpyro.sample("y", dist.Normal(intercept + x @ beta + offset[group], sigma), obs=y)


def two_plates(y):
    with numpyro.plate("columns", y.shape[1], dim=-1):
        column = numpyro.sample("column", dist.Normal(0, 1))
    with numpyro.plate("rows", y.shape[0], dim=-2):
        row = numpyro.sample("row", dist.Normal(0, 1))
        with numpyro.plate("columns", y.shape[1], dim=-1):
            cell = numpyro.deterministic("cell", row + column)
            numpyro.sample("table", dist.Normal(cell, 1.0), obs=y)


def multivariate(y):
    scale = numpyro.sample("scale", dist.HalfNormal(1).expand([2]).to_event(1))
    chol = numpyro.sample("chol", dist.LKJCholesky(2, 1.0))
    with numpyro.plate("unit", 3):
        effect = numpyro.sample(
            "effect",
            dist.MultivariateNormal(jnp.zeros(2), scale_tril=scale[:, None] * chol),
            infer={"event_dims": ["coefficient"]},
        )
    with numpyro.plate("rows", y.shape[0]):
        numpyro.sample(
            "pairs", dist.MultivariateNormal(effect[jnp.arange(6) % 3], jnp.eye(2)), obs=y
        )


def time_series(y):
    rho = numpyro.sample("rho", dist.Uniform(-1, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    start = numpyro.sample("start", dist.Normal(0, 1))

    def transition(level, y_now):
        level = numpyro.sample("level", dist.Normal(rho * level, sigma))
        numpyro.deterministic("doubled", 2 * level)
        numpyro.sample("y", dist.Normal(level, 0.5), obs=y_now)
        return level, level

    scan(transition, start, y)


def positive_series(y):
    def transition(level, y_now):
        level = numpyro.sample("level", dist.LogNormal(jnp.log(level), 0.3))
        numpyro.sample("y", dist.Gamma(2.0, 2.0 / level), obs=y_now)
        return level, level

    start = numpyro.sample("start", dist.Gamma(2, 2))
    scan(transition, start, y)


def masked(y, known):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    with numpyro.plate("rows", len(y)), handlers.mask(mask=known):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)
    with handlers.scale(scale=2.5):
        numpyro.sample("twice", dist.Normal(mu, 1), obs=0.3)


def subsampled(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 1))
    with numpyro.plate("rows", len(y), subsample_size=4) as index:
        local = numpyro.sample("local", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(beta * x[index] + local, 1), obs=y[index])


def full(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 1))
    with numpyro.plate("rows", len(y)):
        local = numpyro.sample("local", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(beta * x + local, 1), obs=y)


def with_params(y):
    scale = numpyro.param("scale", 2.0, constraint=constraints.positive)
    shift = numpyro.param("shift", jnp.array([0.5, -0.5]))
    theta = numpyro.sample("theta", dist.Normal(shift, scale).to_event(1))
    numpyro.sample("y", dist.Normal(theta[0] + theta[1], 1), obs=y)


def control_flow_on_data(y, group, flip):
    number = len(np.unique(group))
    with numpyro.plate("levels", number):
        level = numpyro.sample("level", dist.Normal(0, 1))
    sign = -1.0 if flip[0] > 0 else 1.0
    numpyro.sample("y", dist.Normal(sign * level[group], 1), obs=y)


def scoped(y):
    def part():
        return numpyro.sample("effect", dist.Normal(0, 1))

    first = handlers.scope(part, prefix="first")()
    second = handlers.scope(part, prefix="second")()
    numpyro.sample("y", dist.Normal(first + second, 1), obs=y)


def centered(y):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("rows", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1), obs=y)


def circular(y):
    angle = numpyro.sample("angle", dist.VonMises(0.0, 1.0))
    numpyro.sample("y", dist.VonMises(angle, 3.0), obs=y)


def mixture(y):
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(3)))
    means = numpyro.sample("means", dist.Normal(0, 3).expand([3]).to_event(1))
    with numpyro.plate("rows", len(y)):
        member = numpyro.sample("member", dist.Categorical(weight), infer={"enumerate": "parallel"})
        mean = numpyro.deterministic("mean_of_row", means[member])
        numpyro.sample("y", dist.Normal(mean, 1), obs=y)


def hidden_markov(y):
    stay = numpyro.sample("stay", dist.Beta(2, 2).expand([2]).to_event(1))
    means = numpyro.sample("means", dist.Normal(0, 3).expand([2]).to_event(1))
    rows = jnp.stack([jnp.stack([stay[0], 1 - stay[0]]), jnp.stack([1 - stay[1], stay[1]])])
    move = numpyro.deterministic("move", rows)

    def transition(state, y_now):
        state = numpyro.sample(
            "state", dist.Categorical(move[state]), infer={"enumerate": "parallel"}
        )
        numpyro.sample("y", dist.Normal(means[state], 1), obs=y_now)
        return state, None

    scan(transition, 0, y)


def coin(y):
    """Two discrete sites, one global and unmarked."""
    fair = numpyro.sample("fair", dist.Bernoulli(0.5))
    bias = numpyro.sample("bias", dist.Beta(2, 2))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Bernoulli(jnp.where(fair == 1, 0.5, bias)), obs=y)


def mixture_by_hand(y):
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(3)))
    means = numpyro.sample("means", dist.Normal(0, 3).expand([3]).to_event(1))
    parts = jnp.log(weight) + dist.Normal(means, 1).log_prob(y[:, None])
    numpyro.factor("y", logsumexp(parts, axis=1).sum())


def hidden_markov_by_hand(y):
    stay = numpyro.sample("stay", dist.Beta(2, 2).expand([2]).to_event(1))
    means = numpyro.sample("means", dist.Normal(0, 3).expand([2]).to_event(1))
    move = jnp.stack([jnp.stack([stay[0], 1 - stay[0]]), jnp.stack([1 - stay[1], stay[1]])])
    forward = jnp.log(jnp.array([1.0, 0.0]))
    for y_now in y:
        ahead = logsumexp(forward[:, None] + jnp.log(move), axis=0)
        forward = ahead + dist.Normal(means, 1).log_prob(y_now)
    numpyro.factor("y", logsumexp(forward))


def coin_by_hand(y):
    bias = numpyro.sample("bias", dist.Beta(2, 2))
    either = jnp.stack([dist.Bernoulli(p).log_prob(y).sum() for p in (0.5, bias)])
    numpyro.factor("y", logsumexp(either) + jnp.log(0.5))


BY_HAND = {
    "mixture": mixture_by_hand,
    "hidden_markov": hidden_markov_by_hand,
    "coin": coin_by_hand,
}

CASES: dict[str, Case] = {
    "hierarchy": Case(hierarchy, (Y,)),
    "jax_arguments": Case(hierarchy, (), {"y": Y, "sigma": np.full(12, 2.0)}),
    "supports": Case(supports),
    "improper": Case(improper),
    "regression": Case(
        regression, (X, Y), {"group": GROUP, "scales": {"beta": 2.0, "sigma": np.float64(3.0)}}
    ),
    "two_plates": Case(two_plates, (Y.reshape(4, 3),)),
    "multivariate": Case(multivariate, (Y.reshape(6, 2),)),
    "time_series": Case(time_series, (Y,)),
    "positive_series": Case(positive_series, (np.exp(Y / 4),)),
    "masked": Case(masked, (np.where(GROUP == 1, np.nan, Y), GROUP != 1)),
    "with_params": Case(with_params, (Y,)),
    "control_flow_on_data": Case(control_flow_on_data, (Y, GROUP, np.array([1.0]))),
    "scoped": Case(scoped, (Y,)),
    "reparam": Case(handlers.reparam(centered, config={"theta": LocScaleReparam(0)}), (Y,)),
    "circular": Case(handlers.reparam(circular, config={"angle": CircularReparam()}), (np.sin(Y),)),
    "conditioned": Case(handlers.condition(centered, data={"tau": 0.7}), (Y,)),
    "counts": Case(
        lambda n, y: numpyro.sample(
            "y", dist.Poisson(numpyro.sample("rate", dist.Gamma(2, 1)) * n), obs=y
        ),
        (3,),
        {"y": COUNTS},
    ),
    "mixture": Case(mixture, (Y,), discrete=True),
    "hidden_markov": Case(hidden_markov, (Y,), discrete=True),
    "coin": Case(coin, ((Y > 1).astype(int),), discrete=True),
}


def random_positions(dim: int, n: int = 4, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, size=(n, dim))
