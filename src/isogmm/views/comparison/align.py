"""Draws of one variable with the axes and entries of another result, in the same order."""

from collections.abc import Mapping, Sequence

import numpy as np

from isogmm.errors import OptionError
from isogmm.views.comparison.variables import Variable

#: Labels that a message lists at most.
MAX_LISTED = 5


def common_names(
    found: Mapping[str, Mapping[str, Variable]], reference: str, wanted: Sequence[str] | None
) -> list[str]:
    """Names of the variables to compare.

    Parameters
    ----------
    found
        Variables by method and name.
    reference
        The method whose variables are compared if ``wanted`` is None.
    wanted
        Names that the user chose.

    Raises
    ------
    OptionError
        If a method does not have all of them, or has others and ``wanted`` is None.
    """
    names = list(found[reference]) if wanted is None else list(dict.fromkeys(wanted))
    problems = []
    for method, variables in found.items():
        missing = [name for name in names if name not in variables]
        extra = [name for name in variables if name not in names] if wanted is None else []
        if missing:
            problems.append(f"{method!r} does not have {missing}")
        if extra:
            problems.append(f"{method!r} has {extra}, which {reference!r} does not have")
    if problems:
        shared = [name for name in found[reference] if all(name in v for v in found.values())]
        raise OptionError(
            "the results contain different variables: " + "; ".join(problems) + ". "
            f"Compare the variables that all results have with var_names={shared}"
        )
    if not names:
        raise OptionError(
            f"there is no variable to compare: {reference!r} or var_names is empty. Give draws of "
            "at least one variable."
        )
    return names


def aligned(variable: Variable, template: Variable, name: str) -> np.ndarray:
    """Draws (chain, draw, ...) of a variable with axes and entries in the order of a template.

    Raises
    ------
    OptionError
        If the variable is not numeric, or its shape or labels differ from the template's.
    """
    shape = template.values.shape[2:]
    if variable.dims is None:
        variable = variable.with_chains(len(shape))
    values, dims = _with_dims_of(variable, template)
    if values.dtype.kind not in "biuf":
        raise OptionError(
            f"{name} contains {values.dtype}, not numbers: leave it out of var_names."
        )
    if values.ndim != len(shape) + 2:
        raise OptionError(f"{name} has shape {values.shape[2:]}, expected {shape}.")
    expected = template.dims
    for axis, size in enumerate(shape):
        labels = variable.labels.get(dims[axis]) if dims else None
        other = template.labels.get(expected[axis]) if expected else None
        where = f"{name}, dimension {expected[axis] if expected else axis!r}"
        order = _order(labels, other, where)
        if order is None:
            order = np.arange(values.shape[2 + axis])
        if len(order) != size:
            raise OptionError(f"{where}: {len(order)} entries, expected {size}.")
        values = np.take(values, order, axis=2 + axis)
    return np.asarray(values, dtype=np.float64)


def _with_dims_of(
    variable: Variable, template: Variable
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Values and dimension names, transposed to the order of the template's dimensions."""
    values, dims, expected = variable.values, variable.dims, template.dims
    if dims and expected and dims != expected and set(dims) == set(expected):
        return values.transpose(0, 1, *(2 + dims.index(dim) for dim in expected)), expected
    return values, dims


def _order(labels: np.ndarray | None, expected: np.ndarray | None, where: str) -> np.ndarray | None:
    """Positions of the expected labels among the labels of a method.

    None if entries correspond by position: one side has no labels, or its labels only count from
    zero and the two sets of labels differ.
    """
    if labels is None or expected is None:
        return None
    have, want = [str(label) for label in labels], [str(label) for label in expected]
    if (only_counts(labels) or only_counts(expected)) and sorted(have) != sorted(want):
        return None
    if have == want:
        return np.arange(len(have))
    missing = [label for label in want if label not in have]
    extra = [label for label in have if label not in want]
    if missing or extra or len(set(have)) < len(have):
        raise OptionError(
            f"{where}: missing labels {missing[:MAX_LISTED]}, unexpected labels "
            f"{extra[:MAX_LISTED]}."
        )
    return np.array([have.index(label) for label in want], dtype=int)


def only_counts(labels: np.ndarray) -> bool:
    """Whether labels are 0, 1, 2, ..., as libraries set them where the user gave none."""
    return np.array_equal(labels, np.arange(len(labels)))
