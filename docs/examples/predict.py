"""Predictions for new data, scores, and statistics with importance weights.

    python docs/examples/predict.py [numpyro|pymc]

A line through 25 points, whose posterior is known exactly: every number printed has its exact
value beside it.
"""

import os
import sys
import warnings

os.environ.setdefault("JAX_ENABLE_X64", "1")

import arviz as az
import numpy as np

import isogmm
from isogmm.inference_data import get_group, loo

rng = np.random.default_rng(0)
X = rng.uniform(-3, 7, 25)
Y = 3.0 + 0.5 * X + rng.normal(size=25)
X_NEW = np.array([10.0, 20.0])


def numpyro_model(x, y=None):
    """Observed where y is given."""
    import numpyro
    import numpyro.distributions as dist

    intercept = numpyro.sample("intercept", dist.Normal(0, 10))
    slope = numpyro.sample("slope", dist.Normal(0, 10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(intercept + slope * x, 1.0), obs=y)


def pymc_model():
    """What changes is ``pm.Data``, and its dimension that of the observed variable."""
    import pymc as pm

    with pm.Model(coords={"row": np.arange(len(X))}) as model:
        x = pm.Data("x", X, dims="row")
        intercept, slope = pm.Normal("intercept", 0, 10), pm.Normal("slope", 0, 10)
        pm.Normal("y", intercept + slope * x, 1.0, observed=Y, dims="row")
    return model


def fit(language, **options):
    """The model and its fit."""
    model, data = (numpyro_model, (X, Y)) if language == "numpyro" else (pymc_model(), ())
    return model, isogmm.fit_isogmm(model, *data, random_seed=1, progressbar=False, **options)


def predicted(language, model, idata):
    """Draws of y at ``X_NEW``: (draws, 2)."""
    if language == "numpyro":
        import jax
        from numpyro.infer import Predictive

        latents = {name: idata["posterior"][name].values for name in idata["log_prior"]}
        draws = Predictive(model, latents, batch_ndims=2)(jax.random.key(0), X_NEW)["y"]
        return np.asarray(draws).reshape(-1, len(X_NEW))
    import pymc as pm

    with model:
        pm.set_data({"x": X_NEW}, coords={"row": np.arange(len(X_NEW))})
        found = pm.sample_posterior_predictive(
            idata, predictions=True, var_names=["y"], random_seed=0, progressbar=False
        )
        pm.set_data({"x": X}, coords={"row": np.arange(len(X))})
    return get_group(found, "predictions")["y"].values.reshape(-1, len(X_NEW))


def exact():
    """Posterior mean and covariance, and the sums over the rows of log p(y_i | the others)."""
    design = np.column_stack([np.ones_like(X), X])

    def posterior(rows):
        covariance = np.linalg.inv(design[rows].T @ design[rows] + np.eye(2) / 100)
        return covariance @ design[rows].T @ Y[rows], covariance

    elpd = 0.0
    for row in range(len(X)):
        mean, covariance = posterior(np.arange(len(X)) != row)
        variance = 1.0 + design[row] @ covariance @ design[row]
        error = Y[row] - design[row] @ mean
        elpd -= 0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)
    return (*posterior(np.full(len(X), True)), elpd)


def main(language="numpyro"):
    """Found and exact values by name."""
    mean, covariance, elpd = exact()
    design = np.column_stack([np.ones_like(X_NEW), X_NEW])
    model, idata = fit(language)
    draws = predicted(language, model, idata)
    values = {
        "mean of y at 20": (draws[:, 1].mean(), (design @ mean)[1]),
        "sd of y at 20": (draws[:, 1].std(), np.sqrt(1 + design @ covariance @ design.T)[1, 1]),
        "elpd": (loo(idata).elpd, elpd),
    }
    print(az.loo(idata, pointwise=True))

    # A mixture that is too crude on purpose, its draws as they are: the weights make up for it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isogmm.FitWarning)
        options = {"num_components": 1, "whitening": "diagonal", "refine": 0, "importance": False}
        _, crude = fit(language, **options)
    stats = get_group(crude, "sample_stats")
    weighted = get_group(crude, "posterior").weighted(np.exp(stats["log_weight"]))
    values["weighted mean of slope"] = (float(weighted.mean()["slope"]), mean[1])
    values["weighted sd of slope"] = (float(weighted.std()["slope"]), np.sqrt(covariance[1, 1]))
    values["elpd from crude draws"] = (loo(crude).elpd, elpd)
    for name, (found, truth) in values.items():
        print(f"{name:24} {found:9.4f}   exact {truth:9.4f}")
    plain = float(get_group(crude, "posterior")["slope"].std())
    print(f"{'sd without weights':24} {plain:9.4f}")
    return values


if __name__ == "__main__":
    main(*sys.argv[1:2])
