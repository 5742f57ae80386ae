"""Fit a model with the installed packages, report, save and load; run away from the checkout.

Usage: use_installed.py {numpyro,pymc} CHECKOUT.  The language that is not named must be missing, so
that an import of the other language is found.
"""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import numpy as np

import isogmm
from isogmm import inference_data as idt
from isogmm.model.adapter import installed_adapters

Y = np.array([1.0, 2.0, 3.0])
PRIOR_SD = 10.0


def numpyro_model() -> tuple[object, tuple[object, ...]]:
    """The mean of three numbers, in NumPyro."""
    import numpyro
    import numpyro.distributions as dist

    def model(y: np.ndarray) -> None:
        mean = numpyro.sample("mean", dist.Normal(0.0, PRIOR_SD))
        numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)

    return model, (Y,)


def pymc_model() -> tuple[object, tuple[object, ...]]:
    """The same model in PyMC."""
    import pymc as pm

    with pm.Model() as model:
        mean = pm.Normal("mean", 0.0, PRIOR_SD)
        pm.Normal("y", mean, 1.0, observed=Y)
    return model, ()


MODELS = {"numpyro": numpyro_model, "pymc": pymc_model}


def main(language: str, checkout: Path) -> None:
    """Use the public functions, and compare the posterior mean with its exact value."""
    assert checkout not in Path(isogmm.__file__).parents, isogmm.__file__
    others = {name for name in MODELS if importlib.util.find_spec(name)} - {language}
    assert not others, f"{others} must not be installed for this check"
    names = {entry.name for entry in importlib.metadata.entry_points(group="isogmm.adapters")}
    assert names == set(MODELS), names
    assert set(installed_adapters()) == names, installed_adapters()
    for name in isogmm.__all__:
        getattr(isogmm, name)

    model, arguments = MODELS[language]()
    idata = isogmm.fit_isogmm(model, *arguments, random_seed=0, progressbar=False)
    draws = np.asarray(idt.get_group(idata, "posterior")["mean"])
    precision = len(Y) + PRIOR_SD**-2
    error = np.sqrt(1.0 / precision / draws.size)
    assert abs(draws.mean() - Y.sum() / precision) < 5 * error, draws.mean()
    assert "good" in str(isogmm.report(idata)), isogmm.report(idata)
    isogmm.report(idata)._repr_html_()
    isogmm.compare({"isogmm": idata}, idata)
    idt.save(idata, "fit.nc")
    loaded = idt.load("fit.nc")
    np.testing.assert_array_equal(np.asarray(idt.get_group(loaded, "posterior")["mean"]), draws)
    isogmm.Mixture.from_idata(loaded).sample(1, 10)
    isogmm.plot_elbo(loaded)
    versions = ("arviz", "jax", language, "numpy", "xarray")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in versions), "work")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
