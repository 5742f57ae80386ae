"""Gaussian processes and differential equations of posteriordb in NumPyro."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def covariance(x, alpha, rho):
    """The squared exponential kernel with amplitude ``alpha`` and length scale ``rho``."""
    return alpha**2 * jnp.exp(-0.5 * ((x[:, None] - x[None, :]) / rho) ** 2)


def gp_regression(x, y):
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    # As in the original, sigma is a variance.
    noisy = covariance(x, alpha, rho) + sigma * jnp.eye(len(x))
    numpyro.sample("obs", dist.MultivariateNormal(jnp.zeros(len(x)), noisy), obs=y)


def gp_poisson(x, k):
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    z = numpyro.sample("f_tilde", dist.Normal(0, 1).expand([len(x)]).to_event(1))
    factor = jnp.linalg.cholesky(covariance(x, alpha, rho) + 1e-10 * jnp.eye(len(x)))
    f = numpyro.deterministic("f", factor @ z)
    numpyro.sample("obs", dist.Poisson(jnp.exp(f)), obs=k)


def gp_acceleration(y, basis, frequency, basis_sigma, frequency_sigma):
    """Gaussian processes of the mean and of the log sd, by basis functions."""

    def process(suffix, basis, frequency):
        sdgp = numpyro.sample(
            f"sdgp{suffix}_1", dist.FoldedDistribution(dist.StudentT(3.0, 0.0, 36.0))
        )
        lscale = numpyro.sample(f"lscale{suffix}_1", dist.InverseGamma(1.124909, 0.0177))
        shape = [len(frequency)]
        z = numpyro.sample(f"zgp{suffix}_1", dist.Normal(0, 1).expand(shape).to_event(1))
        density = jnp.sqrt(2 * jnp.pi) * lscale * jnp.exp(-0.5 * (lscale * frequency) ** 2)
        return basis @ (sdgp * jnp.sqrt(density) * z)

    intercept = numpyro.sample("Intercept", dist.StudentT(3, -13, 36))
    intercept_sigma = numpyro.sample("Intercept_sigma", dist.StudentT(3, 0, 10))
    mean = intercept + process("", basis, frequency)
    log_sd = intercept_sigma + process("_sigma", basis_sigma, frequency_sigma)
    numpyro.sample("obs", dist.Normal(mean, jnp.exp(log_sd)), obs=y)


def solve(rate, start, times, substeps):
    """States at ``times`` of an equation that starts at time 0; Runge-Kutta of order 4."""

    def interval(state, edges):
        begin, end = edges
        h = (end - begin) / substeps

        def step(state, number):
            t = begin + number * h
            k1 = rate(state, t)
            k2 = rate(state + h / 2 * k1, t + h / 2)
            k3 = rate(state + h / 2 * k2, t + h / 2)
            k4 = rate(state + h * k3, t + h)
            return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        state, _ = jax.lax.scan(step, state, jnp.arange(substeps))
        return state, state

    edges = (jnp.concatenate([jnp.zeros(1), times[:-1]]), times)
    return jax.lax.scan(interval, start, edges)[1]


def michaelis_menten(times, concentration, dose, volume):
    k_a = numpyro.sample("k_a", dist.HalfCauchy(1))
    k_m = numpyro.sample("K_m", dist.HalfCauchy(1))
    v_m = numpyro.sample("V_m", dist.HalfCauchy(1))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(1))

    def rate(c, t):
        return jnp.exp(-k_a * t) * dose * k_a / volume - v_m / volume * c / (k_m + c)

    c = solve(rate, jnp.zeros_like(k_a), times, 20)
    numpyro.sample("obs", dist.LogNormal(jnp.log(c), sigma), obs=concentration)


def lotka_volterra(times, first, y):
    means, sds = jnp.array([1.0, 0.05, 1.0, 0.05]), jnp.array([0.5, 0.05, 0.5, 0.05])
    theta = numpyro.sample("theta", dist.TruncatedNormal(means, sds, low=0.0).to_event(1))
    start = numpyro.sample("z_init", dist.LogNormal(jnp.log(10), 1).expand([2]).to_event(1))
    sigma = numpyro.sample("sigma", dist.LogNormal(-1, 1).expand([2]).to_event(1))
    alpha, beta, gamma, delta = theta

    def rate(z, t):
        prey, predator = z
        return jnp.stack([(alpha - beta * predator) * prey, (delta * prey - gamma) * predator])

    z = solve(rate, start, times, 20)
    numpyro.sample("obs_first", dist.LogNormal(jnp.log(start), sigma).to_event(1), obs=first)
    numpyro.sample("obs", dist.LogNormal(jnp.log(z), sigma).to_event(2), obs=y)
