"""Validation of PyMC models: the messages name the problem and the remedy."""

import re
from importlib.metadata import version

import numpy as np
import pymc as pm
from pymc.backends.arviz import find_observations
from pymc.distributions.simulator import SimulatorRV

from isogmm.errors import ModelError, warn_user

#: First version (major, minor) of PyMC in which LKJCorr and LKJCholeskyCov have the right density.
FIRST_VERSION_WITH_CORRECT_LKJ = (6, 4)


def validate_model(model: pm.Model) -> None:
    """Raise an error for a model that cannot be fitted, before anything is compiled.

    Raises
    ------
    ModelError
        If there is no free variable, if a variable has no density (pm.Simulator), if a latent
        variable is discrete, if observed data contain NaN, or if PyMC's density of a variable is
        known to be wrong in the installed version.
    """
    if not model.free_RVs:
        raise ModelError(
            "the PyMC model has no free variable: there is nothing to fit. Add a latent variable, "
            "or check that not all of them are observed."
        )
    _validate_densities(model)
    _validate_continuous(model)
    _validate_data(model)
    _validate_version(model)


def _validate_densities(model: pm.Model) -> None:
    """Raise an error if a variable has no density."""
    simulated = [
        variable.name
        for variable in model.basic_RVs
        if variable.owner is not None and isinstance(variable.owner.op, SimulatorRV)
    ]
    if simulated:
        raise ModelError(
            f"{', '.join(simulated)} is a pm.Simulator, which has no density: a mixture of "
            "Gaussians cannot be fitted. Use pm.sample_smc, or give the density in pm.CustomDist."
        )


def _validate_continuous(model: pm.Model) -> None:
    """Raise an error if a latent variable is discrete."""
    discrete = [model.values_to_rvs[value].name for value in model.discrete_value_vars]
    if not discrete:
        return
    imputed = [name for name in discrete if name.endswith("_unobserved")]
    remedy = (
        "Sum them out with pymc_extras.marginalize(model, "
        f"{discrete!r}), or write the mixture directly, for instance with pm.Mixture."
    )
    if imputed:
        remedy += (
            f" {', '.join(imputed)} stand for missing values in discrete data: drop those "
            "entries, or sum over them."
        )
    raise ModelError(
        f"the latent variables {', '.join(discrete)} are discrete, but a mixture of Gaussians "
        f"needs continuous ones. {remedy}"
    )


def _validate_data(model: pm.Model) -> None:
    """Raise an error if observed data contain NaN."""
    for name, values in find_observations(model).items():
        values = np.asarray(values)
        if values.dtype.kind == "f" and np.isnan(values).any():
            where = np.argwhere(np.isnan(values))
            raise ModelError(
                f"the observed data of '{name}' contain NaN in {len(where)} of {values.size} "
                f"entries, the first at index {tuple(map(int, where[0]))}. Drop them, or pass "
                "the data as a NumPy masked array, not as pm.Data, so that PyMC imputes them."
            )


def _validate_version(model: pm.Model) -> None:
    """Raise an error or warn if the installed PyMC has a wrong density for a variable."""
    installed = version("pymc")
    # Versions may end in "rc1" or ".dev2", so only their first two numbers are compared.
    if tuple(map(int, re.findall(r"\d+", installed)[:2])) >= FIRST_VERSION_WITH_CORRECT_LKJ:
        return
    operations = {
        variable.name: type(variable.owner.op).__name__
        for variable in model.free_RVs
        if variable.owner is not None
    }
    first = ".".join(map(str, FIRST_VERSION_WITH_CORRECT_LKJ))
    wrong = [name for name, operation in operations.items() if operation == "LKJCorrRV"]
    if wrong:
        raise ModelError(
            f"the density of LKJCorr is wrong in PyMC {installed} (correct from {first} on), so "
            f"the posterior of {', '.join(wrong)} would be wrong: update PyMC, or use "
            "pm.LKJCholeskyCov."
        )
    scaled = [name for name, operation in operations.items() if operation == "_LKJCholeskyCovRV"]
    if scaled:
        warn_user(
            f"the density of LKJCholeskyCov ({', '.join(scaled)}) has a wrong constant in PyMC "
            f"{installed} (correct from {first} on): the posterior is correct, but log_evidence is "
            "off by this constant. Update PyMC if you use the evidence."
        )
