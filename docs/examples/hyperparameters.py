"""Empirical Bayes: the scales of a regression maximized with the ELBO, beside their exact values.

python docs/examples/hyperparameters.py [numpyro|pymc]
"""

import os
import sys

os.environ.setdefault("JAX_ENABLE_X64", "1")

import numpy as np
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import isogmm
from isogmm.inference_data import get_group

rng = np.random.default_rng(4)
X = rng.normal(size=(50, 6))
Y = X @ (2.0 * rng.normal(size=6)) + 0.5 * rng.normal(size=50)


def numpyro_model(x, y):
    """What is maximized is a ``param`` site with its support."""
    import numpyro
    import numpyro.distributions as dist

    tau = numpyro.param("tau", 1.0, constraint=dist.constraints.positive)
    sigma = numpyro.param("sigma", 1.0, constraint=dist.constraints.positive)
    beta = numpyro.sample("beta", dist.Normal(0, tau).expand([x.shape[1]]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def pymc_model():
    """What is maximized is ``pm.Data``."""
    import pymc as pm

    with pm.Model() as model:
        tau, sigma = pm.Data("tau", 1.0), pm.Data("sigma", 1.0)
        beta = pm.Normal("beta", 0.0, tau, shape=X.shape[1])
        pm.Normal("y", X @ beta, sigma, observed=Y)
    return model


def exact():
    """Type-II maximum likelihood: the covariance of y is σ² I + τ² X Xᵀ."""

    def loss(logs):
        tau, sigma = np.exp(logs)
        covariance = sigma**2 * np.eye(len(Y)) + tau**2 * X @ X.T
        return -multivariate_normal(np.zeros(len(Y)), covariance).logpdf(Y)

    return dict(zip(("tau", "sigma"), np.exp(minimize(loss, np.zeros(2)).x), strict=True))


def main(language="numpyro"):
    """Found and exact values by name."""
    if language == "numpyro":
        idata = isogmm.empirical_bayes(numpyro_model, X, Y, random_seed=1, progressbar=False)
    else:
        supports = {"tau": "positive", "sigma": "positive"}
        idata = isogmm.empirical_bayes(
            pymc_model(), maximize=supports, random_seed=1, progressbar=False
        )
    found = get_group(idata, "empirical_bayes")
    values = {name: (float(found[name]), truth) for name, truth in exact().items()}
    for name, (value, truth) in values.items():
        print(f"{name:6} {value:.4f}   exact {truth:.4f}")
    return values


if __name__ == "__main__":
    main(*sys.argv[1:2])
