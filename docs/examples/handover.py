"""What a fit saves NUTS: warm-up gradients at equal effective sample size, on three models.

    python docs/examples/handover.py [seed]     # the numbers of docs/handover.md

Every model is sampled twice: by its language's NUTS as it comes, 4 chains of 1,000 draws after
1,000 of warm-up, and by ``isogmm.nuts_from``, whose warm-up adapts the step size alone.
"""

import os
import sys

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from jax.scipy.special import logsumexp

import isogmm
from isogmm.inference_data import attributes, ess, get_group, rhat

SCHOOLS = {
    "y": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
    "sigma": np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
}
COUNTS = {
    "x": np.arange(-10.0, 11.0, 2.0),
    "k": np.array([40, 37, 29, 12, 4, 3, 9, 19, 77, 82, 33]),
}


def eight_schools_centered(y, sigma):
    """Rubin (1981): a funnel."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=y)


def two_modes():
    """Two Gaussians far apart, of unlike scales and masses 0.7 and 0.3."""
    x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.real_vector, (), (5,)))
    centers = jnp.stack([jnp.full(5, -4.0), jnp.full(5, 4.0)])
    scales = jnp.array([[1.0], [0.5]])
    parts = dist.Normal(centers, scales).log_prob(x).sum(axis=-1)
    numpyro.factor("density", logsumexp(parts + jnp.log(jnp.array([0.7, 0.3]))))


def gp_pois_regr(x, k):
    """Counts with a Gaussian process as log rate; its two hyperparameters are free."""
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([len(x)]).to_event(1))
    covariance = alpha**2 * jnp.exp(-0.5 * ((x[:, None] - x) / rho) ** 2)
    factor = jnp.linalg.cholesky(covariance + 1e-10 * jnp.eye(len(x)))
    rate = numpyro.deterministic("f", factor @ z)
    numpyro.sample("obs", dist.Poisson(jnp.exp(rate)), obs=k)


def eight_schools_pymc():
    """The first model in PyMC."""
    import pymc as pm

    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", mu, tau, shape=8)
        pm.Normal("obs", theta, SCHOOLS["sigma"], observed=SCHOOLS["y"])
    return model


MODELS = {
    "eight_schools_centered": (eight_schools_centered, SCHOOLS),
    "two_modes": (two_modes, {}),
    "gp_pois_regr": (gp_pois_regr, COUNTS),
    "eight_schools_pymc": (eight_schools_pymc, {}),
}


def smallest_ess(idata):
    """Bulk effective sample size of the worst entry of the latent variables."""
    posterior = get_group(idata, "posterior")
    return min(float(np.min(ess(posterior[name].to_numpy()))) for name in posterior.data_vars)


def largest_rhat(idata):
    """R-hat of the worst entry."""
    posterior = get_group(idata, "posterior")
    return max(float(np.max(rhat(posterior[name].to_numpy()))) for name in posterior.data_vars)


def compare(name, seed=0, draws=1000, chains=4):
    """One row a sampler: gradients of warm-up and sampling, effective sample size, divergences."""
    model, data = MODELS[name]
    options = {}
    if model is eight_schools_pymc:
        # nutpie, PyMC's choice where it is installed, takes neither starts nor a mass matrix.
        model, options = model(), {"nuts_sampler": "pymc", "cores": 1}
    settings = {"model_kwargs": data, "draws": draws, "chains": chains, "random_seed": seed}
    fit = isogmm.fit_isogmm(model, model_kwargs=data, random_seed=seed, progressbar=False)
    rows = []
    for sampler, idata in (
        ("nuts", isogmm.baselines.nuts(model, **settings, **options)),
        ("nuts_from", isogmm.nuts_from(fit, model, **settings)),
    ):
        found = attributes(idata)
        warmup = int(found["num_warmup_gradient_evaluations"])
        sampling = int(found["num_gradient_evaluations"]) - warmup
        size = smallest_ess(idata)
        rows.append(
            {
                "model": name,
                "sampler": sampler,
                "warmup": warmup,
                "sampling": sampling,
                "ess": size,
                "sampling_per_ess": sampling / size,
                "rhat": largest_rhat(idata),
                "divergences": int(get_group(idata, "sample_stats")["diverging"].sum()),
                "seconds": float(found["sampling_time"]),
                "fit_gradients": int(attributes(fit)["num_gradient_evaluations"]),
            }
        )
    return rows


def main(seed=0):
    """Print the table."""
    rows = []
    for name in MODELS:
        rows += compare(name, seed)
        jax.clear_caches()
    print(pd.DataFrame(rows).round(2).to_string(index=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
