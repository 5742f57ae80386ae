"""Linear regressions of posteriordb in NumPyro; priors that Stan leaves out are flat."""

import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints


def flat_coefficients(size):
    """Coefficients without a prior."""
    return numpyro.sample("beta", dist.ImproperUniform(constraints.real_vector, (), (size,)))


def flat_scale():
    """A residual sd without a prior."""
    return numpyro.sample("sigma", dist.ImproperUniform(constraints.positive, (), ()))


def flat_regression(x, y):
    beta = flat_coefficients(x.shape[1])
    sigma = flat_scale()
    numpyro.sample("obs", dist.Normal(x @ beta, sigma), obs=y)


def cauchy_scale_regression(x, y):
    beta = flat_coefficients(x.shape[1])
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    numpyro.sample("obs", dist.Normal(x @ beta, sigma), obs=y)


def normal_prior_regression(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 10).expand([x.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    numpyro.sample("obs", dist.Normal(x @ beta, sigma), obs=y)


def kilpisjarvi(x, y, mean_alpha, sd_alpha, mean_beta, sd_beta):
    alpha = numpyro.sample("alpha", dist.Normal(mean_alpha, sd_alpha))
    beta = numpyro.sample("beta", dist.Normal(mean_beta, sd_beta))
    sigma = flat_scale()
    numpyro.sample("obs", dist.Normal(alpha + beta * x, sigma), obs=y)


def diamonds(x, y):
    b = numpyro.sample("b", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    intercept = numpyro.sample("Intercept", dist.StudentT(3, 8, 10))
    sigma = numpyro.sample("sigma", dist.FoldedDistribution(dist.StudentT(3.0, 0.0, 10.0)))
    numpyro.sample("obs", dist.Normal(intercept + x @ b, sigma), obs=y)
