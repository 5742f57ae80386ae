"""Removal of parameter checks that hold for every value of the parameters.

XLA finds that ``exp(x) >= 0`` is true, and then evaluates ``all(True)`` of a whole batch as a
constant while it compiles.  For a Poisson likelihood of 100,000 observations this took 90 s.
"""

import numpy as np
import pytensor.scalar as ps
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.raise_op import Assert
from pytensor.tensor.basic import MakeVector, ScalarFromTensor
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import All

#: Operations without negative results.
_NON_NEGATIVE = (ps.Exp, ps.Sqr, ps.Abs, ps.Sqrt, ps.Sigmoid, ps.Softplus, ps.Cosh)
#: Operations whose results are not negative if no input is.
_KEEP_SIGN = (ps.Add, ps.Mul, ps.TrueDiv, ps.ScalarMaximum, ps.ScalarMinimum, ps.Cast, ps.Identity)


def remove_known_checks(graph: FunctionGraph) -> None:
    """Remove from a graph the checks whose conditions are always true, where no value is NaN.

    A value of NaN makes the log density NaN, which counts as a density of zero.
    """
    for node in graph.toposort():
        if not isinstance(node.op, CheckParameterValue | Assert):
            continue
        value, *conditions = node.inputs
        unknown = [condition for condition in conditions if not _is_true(condition)]
        for condition in unknown:
            _replace_known_parts(graph, condition)
        if not unknown and value.type == node.outputs[0].type:
            graph.replace(node.outputs[0], value)


def _replace_known_parts(graph: FunctionGraph, condition: Variable) -> None:
    """Replace the parts of a condition that are always true by a constant."""
    node = condition.owner
    if node is None or not isinstance(node.op, All | MakeVector | ScalarFromTensor):
        return
    for part in node.inputs:
        if isinstance(part, Constant):
            continue
        if _is_true(part) and part.type.ndim == 0:
            graph.replace(part, part.type.make_constant(np.asarray(True, part.type.dtype)))
        else:
            _replace_known_parts(graph, part)


def _is_true(condition: Variable) -> bool:
    """Whether a condition holds for all values of its inputs."""
    if isinstance(condition, Constant):
        return bool(np.all(condition.data))
    node = condition.owner
    if node is None:
        return False
    if isinstance(node.op, All | DimShuffle | MakeVector | ScalarFromTensor):
        return all(_is_true(part) for part in node.inputs)
    if not isinstance(node.op, Elemwise):
        return False
    scalar = node.op.scalar_op
    if isinstance(scalar, ps.AND | ps.Mul | ps.Cast):
        return all(_is_true(part) for part in node.inputs)
    if isinstance(scalar, ps.GE | ps.GT):
        large, small = node.inputs
    elif isinstance(scalar, ps.LE | ps.LT):
        small, large = node.inputs
    else:
        return False
    lower, value = _constant(small), _constant(large)
    if lower is None:
        return False
    if value is not None:
        is_strict = isinstance(scalar, ps.GT | ps.LT)
        return bool(lower.max() < value.min() if is_strict else lower.max() <= value.min())
    return isinstance(scalar, ps.GE | ps.LE) and lower.max() <= 0 and _is_non_negative(large)


def _is_non_negative(variable: Variable) -> bool:
    """Whether a variable is not negative for all values of its inputs."""
    constant = _constant(variable)
    if constant is not None:
        return bool(constant.min() >= 0)
    node = variable.owner
    if node is None:
        return False
    if isinstance(node.op, DimShuffle):
        return _is_non_negative(node.inputs[0])
    if isinstance(node.op, CAReduce) and isinstance(node.op.scalar_op, ps.Add | ps.Mul):
        return _is_non_negative(node.inputs[0])
    if not isinstance(node.op, Elemwise):
        return False
    if isinstance(node.op.scalar_op, _NON_NEGATIVE):
        return True
    if isinstance(node.op.scalar_op, ps.Pow):
        base, exponent = node.inputs
        power = _constant(exponent)
        return _is_non_negative(base) or (power is not None and bool(np.all(power % 2 == 0)))
    is_kept = isinstance(node.op.scalar_op, _KEEP_SIGN)
    return is_kept and all(_is_non_negative(part) for part in node.inputs)


def _constant(variable: Variable) -> np.ndarray | None:
    """The numbers of a constant, whatever its axes; None for other variables."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    if not isinstance(variable, Constant):
        return None
    data = np.asarray(variable.data)
    return data if data.dtype.kind in "fiub" and data.size else None
