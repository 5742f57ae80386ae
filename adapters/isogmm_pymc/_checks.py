"""Models that cannot be fitted, and the sentence that says why and what to do."""

import re
from importlib.metadata import version
from typing import Any

import numpy as np

from isogmm.errors import ModelError, warn_user
from isogmm_pymc._graphs import traversal


def check_model(model: Any) -> None:
    """Refuse what cannot be fitted, before any work is done.

    Raises
    ------
    ModelError
        If there is no free variable, if a variable has no density (pm.Simulator), if a latent
        variable is discrete, if observed data hold NaN, or if PyMC's density of a variable is
        known to be wrong in the installed version.
    """
    if not model.free_RVs:
        raise ModelError(
            "the PyMC model has no free variable: there is nothing to fit. Add a latent variable, "
            "or check that not all of them are observed."
        )
    _check_simulators(model)
    _check_discrete(model)
    _check_data(model)
    _check_known_errors(model)


def _check_simulators(model: Any) -> None:
    from pymc.distributions.simulator import SimulatorRV

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


def _check_discrete(model: Any) -> None:
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


def _check_data(model: Any) -> None:
    from pymc.backends.arviz import find_observations

    for name, values in find_observations(model).items():
        values = np.asarray(values)
        if values.dtype.kind == "f" and np.isnan(values).any():
            where = np.argwhere(np.isnan(values))
            raise ModelError(
                f"the observed data of '{name}' hold NaN in {len(where)} of {values.size} entries, "
                f"the first at index {tuple(int(i) for i in where[0])}. Drop them, or pass the "
                "data as a NumPy masked array, not as pm.Data, so that PyMC imputes them."
            )


def _check_known_errors(model: Any) -> None:
    installed = version("pymc")
    if tuple(map(int, re.findall(r"\d+", installed)[:2])) >= (6, 4):
        return
    kinds = {
        variable.name: type(variable.owner.op).__name__
        for variable in model.free_RVs
        if variable.owner is not None
    }
    wrong = [name for name, kind in kinds.items() if kind == "LKJCorrRV"]
    if wrong:
        raise ModelError(
            f"the density of LKJCorr is wrong in PyMC {installed} (right from 6.4 on), so any "
            f"posterior of {', '.join(wrong)} would be: update PyMC, or use pm.LKJCholeskyCov."
        )
    constant = [name for name, kind in kinds.items() if kind == "_LKJCholeskyCovRV"]
    if constant:
        warn_user(
            f"the density of LKJCholeskyCov ({', '.join(constant)}) has a wrong constant in PyMC "
            f"{installed} (right from 6.4 on): the posterior is right, but log_evidence is off "
            "by that constant."
        )


def explain_start(model: Any, point: dict[str, np.ndarray]) -> str | None:
    """Why the log density is not finite at a point, by PyMC's own account, variable by variable.

    None where PyMC finds every term finite.  The terms are evaluated without any compilation.
    """
    from pymc.pytensorf import compile as compile_graph
    from pytensor.compile.mode import Mode
    from pytensor.graph.rewriting.db import RewriteDatabaseQuery

    variables = [*model.basic_RVs, *model.potentials]
    with model:
        terms = compile_graph(
            model.value_vars,
            model.logp(vars=variables, sum=False),
            mode=Mode("py", RewriteDatabaseQuery(include=["fast_compile"])),
            on_unused_input="ignore",
        )
    with np.errstate(all="ignore"):
        values = terms(**point)
    bad = {
        variable.name: np.asarray(value)
        for variable, value in zip(variables, values, strict=True)
        if not np.isfinite(value).all()
    }
    if not bad:
        return None
    sentences = []
    for name, value in bad.items():
        count = int((~np.isfinite(value)).sum())
        share = "" if value.ndim == 0 else f" in {count} of {value.size} entries"
        first = value[~np.isfinite(value)].flat[0]
        sentences.append(f"that of '{name}' is {first}{share}")
    return "; ".join(sentences) + "." + _nan_in_data(model)


def _nan_in_data(model: Any) -> str:
    """A sentence where data or constants of the model hold NaN, else nothing."""
    from pytensor.graph.basic import Constant

    with_nan = [
        data.name
        for data in model.data_vars
        if hasattr(data, "get_value") and np.isnan(_floats(data.get_value(borrow=True))).any()
    ]
    sentence = f" The data {', '.join(with_nan)} hold NaN." if with_nan else ""
    shapes = [
        np.shape(node.data)
        for node in traversal().ancestors([*model.basic_RVs, *model.potentials])
        if isinstance(node, Constant) and np.isnan(_floats(node.data)).any()
    ]
    if shapes:
        listed = ", ".join(map(str, dict.fromkeys(shapes)))
        sentence += f" Arrays that the model computes with (of shape {listed}) hold NaN."
    return sentence


def _floats(values: Any) -> np.ndarray:
    if not isinstance(values, np.ndarray | np.generic | float):
        return np.zeros(0)
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else np.zeros(0)
