"""Validation of PyMC models: the messages name the problem and the remedy."""

import re
from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
import pymc as pm
from pymc.backends.arviz import find_observations
from pymc.distributions.simulator import SimulatorRV
from pymc.pytensorf import compile as compile_graph
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Constant
from pytensor.graph.rewriting.db import RewriteDatabaseQuery

from isogmm.errors import ModelError, warn_user
from isogmm_pymc._traversal import ancestors

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
                f"entries, the first at index {tuple(int(i) for i in where[0])}. Drop them, or "
                "pass the data as a NumPy masked array, not as pm.Data, so that PyMC imputes them."
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


def warn_without_data(model: pm.Model) -> tuple[str, ...]:
    """Warn if the posterior of the model is its prior.

    Returns
    -------
    tuple of str
        The warning, for the report; empty for a model with observed variables or potentials.
    """
    if model.observed_RVs or model.potentials:
        return ()
    used = ancestors([parent for rv in model.basic_RVs for parent in rv.owner.inputs])
    used = {*used, *ancestors([v.owner.inputs[0] for v in model.deterministics if v.owner])}
    last = [rv.name for rv in model.free_RVs if rv not in used]
    note = (
        "the PyMC model has no observed variable and no potential, so its posterior is the prior. "
        f"No other variable depends on {', '.join(last)}: if one of these stands for data, pass "
        "them as observed=."
    )
    warn_user(note + " Ignore this warning if you want the prior.")
    return (note[0].upper() + note[1:],)


def explain_non_finite(model: pm.Model, point: Mapping[str, np.ndarray]) -> str | None:
    """The terms of PyMC's log density that are not finite at a point, as a sentence.

    Returns None if PyMC finds every term finite.  The terms are evaluated in Python, without
    compilation.
    """
    variables = [*model.basic_RVs, *model.potentials]
    with model:
        function = compile_graph(
            model.value_vars,
            model.logp(vars=variables, sum=False),
            mode=Mode("py", RewriteDatabaseQuery(include=["fast_compile"])),
            on_unused_input="ignore",
        )
    with np.errstate(all="ignore"):
        terms = [np.asarray(term) for term in function(**point)]
    sentences = []
    for variable, term in zip(variables, terms, strict=True):
        is_bad = ~np.isfinite(term)
        if is_bad.any():
            share = "" if term.ndim == 0 else f" in {is_bad.sum()} of {term.size} entries"
            sentences.append(f"the term of '{variable.name}' is {term[is_bad].flat[0]}{share}")
    return "; ".join(sentences) + "." + _explain_nan_in_data(model) if sentences else None


def _explain_nan_in_data(model: pm.Model) -> str:
    """A sentence that names data and constants of the model with NaN, or an empty text."""
    names = [
        data.name
        for data in model.data_vars
        if hasattr(data, "get_value") and _has_nan(data.get_value(borrow=True))
    ]
    sentence = f" The data {', '.join(names)} contain NaN." if names else ""
    shapes = [
        np.shape(node.data)
        for node in ancestors([*model.basic_RVs, *model.potentials])
        if isinstance(node, Constant) and _has_nan(node.data)
    ]
    if shapes:
        listed = ", ".join(map(str, dict.fromkeys(shapes)))
        sentence += f" Arrays of the model (of shape {listed}) contain NaN."
    return sentence


def _has_nan(values: object) -> bool:
    """Whether the values are floating-point numbers with NaN among them."""
    if not isinstance(values, np.ndarray | np.generic | float):
        return False
    array = np.asarray(values)
    return array.dtype.kind == "f" and bool(np.isnan(array).any())
