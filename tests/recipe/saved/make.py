"""Saved results of an early version, that later versions must read.

Run with that version under both generations of ArviZ, in the folder of this file:

    python make.py      # ArviZ 0.x: isotropic_arviz0.nc, checkpoint.npz
    python make.py      # ArviZ 1.x: gaussian_arviz1.nc, factorized_arviz1.nc

Importing this file runs nothing: a test takes ``model``, ``X`` and ``Y`` from it.
"""

import functools
import os
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist

FOLDER = Path(__file__).resolve().parent
_rng = np.random.default_rng(0)
X = _rng.normal(size=(12, 3))
Y = 1.0 + X @ np.array([0.5, -1.0, 2.0]) + 0.7 * _rng.normal(size=12)


def model(x, y):
    """A scalar, a vector and a positive variable."""
    intercept = numpyro.sample("intercept", dist.Normal(0, 5))
    with numpyro.plate("covariate", x.shape[1]):
        slope = numpyro.sample("slope", dist.Normal(0, 2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2))
    with numpyro.plate("row", x.shape[0]):
        numpyro.sample("y", dist.Normal(intercept + x @ slope, sigma), obs=y)


#: Of every fit here.
OPTIONS = {"draws": 50, "chains": 2, "num_components": 4, "random_seed": 0}


def main() -> None:
    """Write the files of the installed generation of ArviZ."""
    import isogmm
    from isogmm.inference_data import save

    warnings.simplefilter("ignore", isogmm.FitWarning)  # one fit is ended early on purpose
    if int(version("arviz").split(".")[0]) < 1:
        fit = isogmm.fit_isogmm(model, X, Y, **OPTIONS, progressbar=False)
        # Small arrays take half of the space where they are not compressed.
        fit.to_netcdf = functools.partial(fit.to_netcdf, compress=False)
        save(fit, FOLDER / "isotropic_arviz0.nc")
        checkpoint = FOLDER / "checkpoint.npz"
        checkpoint.unlink(missing_ok=True)
        isogmm.fit_isogmm(
            model,
            X,
            Y,
            **OPTIONS,
            refine=0,
            progressbar=False,
            checkpoint=checkpoint,
            callback=lambda check: True,  # ends the fit at its first window
        )
    else:
        fit = isogmm.fit_gmmvi(model, X, Y, **OPTIONS, progressbar=False)
        save(fit, FOLDER / "gaussian_arviz1.nc")
        fit = isogmm.fit_factorized(model, X, Y, **OPTIONS, max_iterations=1000)
        save(fit, FOLDER / "factorized_arviz1.nc")


if __name__ == "__main__":
    os.environ["JAX_ENABLE_X64"] = "1"
    numpyro.enable_x64()
    main()
