"""The terms of the log density of a PyMC model that are not finite or fail, in sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.backends.arviz import find_observations
from pymc.logprob.utils import CheckParameterValue
from pymc.pytensorf import compile as compile_graph
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.rewriting.db import RewriteDatabaseQuery

from isogmm.errors import in_words
from isogmm_pymc._traversal import ancestors

#: Entries of a value or a parameter that a sentence shows.
MAX_ENTRIES = 6


def explain_non_finite(model: pm.Model, point: Mapping[str, np.ndarray]) -> str | None:
    """The terms of PyMC's log density that are not finite at a point, as a sentence.

    Returns None if PyMC finds every term finite.  The terms are evaluated in Python, without
    compilation.
    """
    variables = [*model.basic_RVs, *model.potentials]
    terms = _evaluate(model, _terms(model, variables), point)
    sentences = [
        _describe(model, variable, term, point)
        for variable, term in zip(variables, terms, strict=True)
        if not np.isfinite(term).all()
    ]
    return "; ".join(sentences) + "." + _explain_data(model) if sentences else None


def explain_error(model: pm.Model, point: Mapping[str, np.ndarray] | None, error: Exception) -> str:
    """The variables whose term cannot be computed at a point, with the error, as a sentence.

    If the point is None, these are the variables whose term PyMC cannot write down.
    """
    names = []
    for variable in [*model.basic_RVs, *model.potentials]:
        try:
            if point is not None:
                _evaluate(model, _terms(model, [variable]), point)
            elif variable in model.rvs_to_values:  # model.logp writes down all terms
                pm.logp(variable, model.rvs_to_values[variable])
        except Exception:
            names.append(f"'{variable.name}'")
    where = f"the log density of {' and '.join(names)}" if names else "the log density"
    return (
        f"{where} cannot be computed. Check that the shapes of the data and of the variables fit. "
        f"The error was {in_words(error)}"
    )


def explain_initial_point(model: pm.Model, error: Exception) -> str:
    """The variable whose initial value cannot be computed, with the error, as a sentence."""
    where = "the initial point of the model"
    for variable in model.free_RVs:
        try:
            pm.draw(variable, random_seed=0, mode=_mode())
        except Exception:
            where = f"the initial value of '{variable.name}' ({_distribution(variable)})"
            break
    return (
        f"PyMC cannot compute {where}. Check the parameters of this distribution, or set initval=. "
        f"The error was {in_words(error)}"
    )


def _terms(model: pm.Model, variables: Sequence[Variable]) -> list[Variable]:
    terms = model.logp(vars=list(variables), sum=False)
    return list(terms) if isinstance(terms, list | tuple) else [terms]


def _mode() -> Mode:
    """The mode that evaluates in Python."""
    return Mode("py", RewriteDatabaseQuery(include=["fast_compile"]))


def _evaluate(
    model: pm.Model, outputs: Sequence[Variable], point: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The values of variables that depend on the unconstrained values of the model."""
    with model:
        function = compile_graph(
            model.value_vars, list(outputs), mode=_mode(), on_unused_input="ignore"
        )
    with np.errstate(all="ignore"):
        return [np.asarray(value) for value in function(**point)]


def _describe(
    model: pm.Model, variable: Variable, term: np.ndarray, point: Mapping[str, np.ndarray]
) -> str:
    """A sentence about a term with entries that are not finite."""
    is_bad = ~np.isfinite(term)
    share = "" if term.ndim == 0 else f" in {is_bad.sum()} of {term.size} entries"
    if variable in model.potentials:
        return f"the term of '{variable.name}' is {term[is_bad].flat[0]}{share}"
    index = tuple(map(int, np.argwhere(is_bad)[0])) if term.ndim else ()
    what = f"the term of '{variable.name}' ({_distribution(variable)}) is {term[index]}{share}"
    if failed := _failed_checks(model, variable, point):
        what += f", because its parameters do not satisfy {' and '.join(failed)}"
    value = find_observations(model).get(variable.name)
    parts = [] if value is None else [f"the value {_entry(value, term, index)}"]
    parameters = [_entry(each, term, index) for each in _parameters(model, variable, point)]
    if parameters:
        listed = ", ".join(parameters)
        parts.append(f"the parameter{'s' * (len(parameters) > 1)} {listed}")
    return f"{what}, for example with {' and '.join(parts)}" if parts else what


def _failed_checks(
    model: pm.Model, variable: Variable, point: Mapping[str, np.ndarray]
) -> list[str]:
    """The conditions on the parameters of a variable that do not hold, in PyMC's words."""
    nodes = dict.fromkeys(each.owner for each in ancestors(_terms(model, [variable])))
    checks = [node for node in nodes if node and isinstance(node.op, CheckParameterValue)]
    try:
        results = _evaluate(model, [pt.all(pt.stack(n.inputs[1:])) for n in checks], point)
    except Exception:  # of any operation of the model
        return []
    failed = [node.op.msg for node, holds in zip(checks, results, strict=True) if not holds]
    return list(dict.fromkeys(message for message in failed if message))


def _distribution(variable: Variable) -> str:
    """The name of the distribution of a variable."""
    operation = variable.owner.op
    return str(getattr(operation, "_print_name", [""])[0]) or type(operation).__name__


def _parameters(
    model: pm.Model, variable: Variable, point: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The values of the parameters of a variable; none if they cannot be read."""
    try:
        parameters = variable.owner.op.dist_params(variable.owner)
        return _evaluate(model, model.replace_rvs_by_values(list(parameters)), point)
    except Exception:  # not every distribution lists its parameters
        return []


def _entry(value: object, term: np.ndarray, index: tuple[int, ...]) -> str:
    """The entry of a value or a parameter that belongs to an entry of a term."""
    array = np.asarray(value)
    try:
        if array.ndim < term.ndim:
            array = np.broadcast_to(array, term.shape)
        array = array[tuple(i if n > 1 else 0 for i, n in zip(index, array.shape, strict=False))]
    except (IndexError, ValueError):
        pass
    return np.array2string(
        np.asarray(array), precision=6, separator=", ", threshold=MAX_ENTRIES, edgeitems=2
    )


def _explain_data(model: pm.Model) -> str:
    """A sentence that names data and constants with NaN or infinite numbers, or an empty text."""
    names = [
        data.name
        for data in model.data_vars
        if hasattr(data, "get_value") and _has_invalid(data.get_value(borrow=True))
    ]
    sentence = f" The data {', '.join(names)} contain NaN or infinite numbers." if names else ""
    shapes = [
        np.shape(node.data)
        for node in ancestors([*model.basic_RVs, *model.potentials])
        if isinstance(node, Constant) and np.ndim(node.data) and _has_invalid(node.data)
    ]
    if shapes:
        listed = ", ".join(map(str, dict.fromkeys(shapes)))
        sentence += f" Arrays of the model (of shape {listed}) contain NaN or infinite numbers."
    return sentence


def _has_invalid(values: object) -> bool:
    """Whether the values are floating-point numbers that are not all finite."""
    if not isinstance(values, np.ndarray | np.generic | float):
        return False
    array = np.asarray(values)
    return array.dtype.kind == "f" and not bool(np.isfinite(array).all())
