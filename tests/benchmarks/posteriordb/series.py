"""Time series and hidden Markov models of posteriordb in NumPyro."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from numpyro.distributions import constraints


def autoregression(lags, y):
    alpha = numpyro.sample("alpha", dist.Normal(0, 10))
    beta = numpyro.sample("beta", dist.Normal(0, 10).expand([lags.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    numpyro.sample("obs", dist.Normal(alpha + lags @ beta, sigma), obs=y)


def arma11(y):
    mu = numpyro.sample("mu", dist.Normal(0, 10))
    phi = numpyro.sample("phi", dist.Normal(0, 2))
    theta = numpyro.sample("theta", dist.Normal(0, 2))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))

    def step(error, pair):
        before, now = pair
        mean = mu + phi * before + theta * error
        return now - mean, mean

    first = mu + phi * mu
    _, means = jax.lax.scan(step, y[0] - first, (y[:-1], y[1:]))
    numpyro.sample("obs", dist.Normal(jnp.append(first, means), sigma), obs=y)


def garch11(y, sigma1):
    mu = numpyro.sample("mu", dist.ImproperUniform(constraints.real, (), ()))
    alpha0 = numpyro.sample("alpha0", dist.ImproperUniform(constraints.positive, (), ()))
    alpha1 = numpyro.sample("alpha1", dist.Uniform(0, 1))
    support = constraints.interval(0.0, 1.0 - alpha1)
    beta1 = numpyro.sample("beta1", dist.ImproperUniform(support, (), ()))

    def step(variance, before):
        variance = alpha0 + alpha1 * (before - mu) ** 2 + beta1 * variance
        return variance, variance

    first = jnp.asarray(sigma1) ** 2
    _, variances = jax.lax.scan(step, first, y[:-1])
    numpyro.sample("obs", dist.Normal(mu, jnp.sqrt(jnp.append(first, variances))), obs=y)


def log_forward(emission, transition):
    """Log likelihood of a hidden Markov model whose first state has weight one for each state.

    ``emission`` (N, K) are log densities of the observations, ``transition`` (K, K) has the
    probabilities of the next state in its rows.
    """

    def step(forward, log_density):
        return logsumexp(forward[:, None] + jnp.log(transition), axis=0) + log_density, None

    forward, _ = jax.lax.scan(step, emission[0], emission[1:])
    return logsumexp(forward)


def ordered(name, support, means):
    """Two ordered values with normal priors of sd 1, of which the ordering cuts off a part."""
    value = numpyro.sample(name, dist.ImproperUniform(support, (), (2,)))
    numpyro.factor(f"{name}_prior", dist.Normal(jnp.array(means), 1.0).log_prob(value).sum())
    return value


def hmm_example(y):
    rows = [numpyro.sample(f"theta{k}", dist.Dirichlet(jnp.ones(2))) for k in (1, 2)]
    mu = ordered("mu", constraints.positive_ordered_vector, [3.0, 10.0])
    emission = dist.Normal(mu, 1.0).log_prob(y[:, None])
    numpyro.factor("log_likelihood", log_forward(emission, jnp.stack(rows)))


def hmm_drive_0(u, v, alpha):
    rows = [numpyro.sample(f"theta{k + 1}", dist.Dirichlet(alpha[k])) for k in range(2)]
    phi = ordered("phi", constraints.positive_ordered_vector, [0.0, 3.0])
    rate = ordered("lambda", constraints.positive_ordered_vector, [0.0, 3.0])
    emission = dist.Exponential(phi).log_prob(u[:, None])
    emission += dist.Exponential(rate).log_prob(v[:, None])
    numpyro.factor("log_likelihood", log_forward(emission, jnp.stack(rows)))


def hmm_drive_1(u, v, alpha, tau, rho):
    rows = [numpyro.sample(f"theta{k + 1}", dist.Dirichlet(alpha[k])) for k in range(2)]
    phi = ordered("phi", constraints.ordered_vector, [0.0, 3.0])
    location = ordered("lambda", constraints.ordered_vector, [0.0, 3.0])
    emission = dist.Normal(phi, tau).log_prob(u[:, None])
    emission += dist.Normal(location, rho).log_prob(v[:, None])
    numpyro.factor("log_likelihood", log_forward(emission, jnp.stack(rows)))
