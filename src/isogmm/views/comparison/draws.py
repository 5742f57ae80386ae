"""Draws of several methods as matrices with the same columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.groups import Result
from isogmm.views.comparison.align import aligned, common_names, only_counts
from isogmm.views.comparison.variables import DrawsLike, Variable, is_arviz, variables_of
from isogmm.views.selection import Coords, VarNames, as_list, is_exclusion, select

#: Name of a reference that is given as draws and not as a key of the results.
REFERENCE = "reference"
#: Fewest draws of a method, over all chains.
MIN_DRAWS = 10


@dataclass(frozen=True)
class Draws:
    """Draws of one method.

    Parameters
    ----------
    name
        The method.
    values
        (c, n, p): chains, draws, scalars.  All methods have the same scalars in the same order.
    labels
        One label per scalar: ``mu``, ``theta[school A]``.
    idata
        The ArviZ object of the method, or None for plain draws.
    """

    name: str
    values: Float[np.ndarray, "c n p"]
    labels: tuple[str, ...]
    idata: Result | None = None

    @property
    def rows(self) -> Float[np.ndarray, "m p"]:
        """The draws of all chains, one below the other."""
        return self.values.reshape(-1, self.values.shape[-1])


def read(
    results: Mapping[str, DrawsLike],
    reference: str | DrawsLike,
    var_names: VarNames = None,
    coords: Coords = None,
) -> tuple[list[Draws], str]:
    """Draws of all methods with equal columns, those of the reference included, and its name.

    Parameters
    ----------
    results
        Method to ArviZ object, ``xarray.Dataset`` of draws, or mapping from variable to an array
        (chain, draw, ...) or (draw, ...).
    reference
        A key of ``results``, or draws in any of these forms, which are then called
        ``reference``.
    var_names
        Variables to compare, or single entries of them; all by default.
    coords
        Labels by dimension to which the variables are restricted.

    Raises
    ------
    OptionError
        If the reference is unknown, or variables, shapes or labels differ.  The message names
        them.
    """
    methods, reference = with_reference(results, reference)
    found = {name: variables_of(name, result) for name, result in methods.items()}
    names = common_names(found, reference, _variables_in(var_names, found[reference]))
    var_names = _without_excluded(var_names, found[reference])
    # Plain arrays have no names of dimensions, and other libraries may have numbers in place of the
    # user's labels: the first method with the most labels gives the template.
    named = [name for name in (reference, *found) if _is_named(found[name], names)]
    source = max(named, key=lambda name: _num_labelled(found[name], names), default=reference)
    template = found[source]
    if not named:
        template = {name: v.with_chains(v.values.ndim - 2) for name, v in template.items()}
    columns, problems = {}, []
    for method, variables in found.items():
        parts = []
        for name in names:
            try:
                parts.append(aligned(variables[name], template[name], name))
            except OptionError as error:
                problems.append(f"{method!r}: {error}")
        columns[method] = parts
    if problems:
        raise OptionError(
            f"the results cannot be compared, because they differ from {source!r}. "
            + " ".join(problems)
        )
    entries = [template[name].entries(name) for name in names]
    columns_shown = select(entries, var_names, coords)
    all_labels = [label for one in entries for label in one.names()]
    labels = tuple(all_labels[column] for column in columns_shown)
    draws = []
    for method, parts in columns.items():
        values = _joined(method, parts)[..., columns_shown]
        draws.append(Draws(method, values, labels, _arviz_or_none(methods[method])))
    return draws, reference


def _variables_in(var_names: VarNames, known: Mapping[str, Variable]) -> list[str] | None:
    """The variables of names of variables and of single entries."""
    names = as_list(var_names)
    if names is None:
        return None
    if is_exclusion(names):
        return [name for name in known if f"~{name}" not in names]
    return list(dict.fromkeys(n if n in known else n.partition("[")[0] for n in names))


def _without_excluded(var_names: VarNames, known: Mapping[str, Variable]) -> VarNames:
    """The names that are left to select, once whole variables are excluded by ``~``."""
    names = as_list(var_names)
    if names is None or not is_exclusion(names):
        return names
    return [name for name in names if name[1:] not in known] or None


def with_reference(
    results: Mapping[str, DrawsLike], reference: str | DrawsLike
) -> tuple[dict[str, DrawsLike], str]:
    """All results by method, a reference given as draws among them, and the reference's name."""
    if not isinstance(results, Mapping) or is_arviz(results) or not results:
        raise OptionError('results must be a mapping such as {"isogmm": idata, "nuts": other}')
    methods = {str(name): result for name, result in results.items()}
    if isinstance(reference, str):
        if reference not in methods:
            raise OptionError(unknown_reference(reference, methods))
        return methods, reference
    if REFERENCE in methods:
        raise OptionError(
            f"the name {REFERENCE!r} is used twice: by a key of results and by the draws passed "
            f"as reference=. Rename the key, or pass reference={REFERENCE!r} to compare with the "
            "result of that name."
        )
    return {**methods, REFERENCE: reference}, REFERENCE


def unknown_reference(reference: str, methods: Mapping[str, DrawsLike]) -> str:
    """The message for a reference that is not among the results."""
    return f"reference={reference!r} is not a key of results. Use one of {list(methods)}."


def _num_labelled(variables: Mapping[str, Variable], names: Sequence[str]) -> int:
    """How many dimensions of these variables have labels other than 0, 1, 2, ..."""
    labels = [label for name in names for label in variables[name].labels.values()]
    return sum(not only_counts(label) for label in labels)


def _is_named(variables: Mapping[str, Variable], names: Sequence[str]) -> bool:
    """Whether all variables have names of dimensions."""
    return all(variables[name].dims is not None for name in names)


def _joined(method: str, parts: Sequence[np.ndarray]) -> Float[np.ndarray, "c n p"]:
    """The scalars of all variables side by side."""
    sizes = {part.shape[:2] for part in parts}
    if len(sizes) > 1:
        raise OptionError(
            f"the variables of {method!r} have different numbers of chains and draws, "
            f"{sorted(sizes)}. Give the same number for each, or choose variables with var_names."
        )
    values = np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=-1)
    if values.shape[0] * values.shape[1] < MIN_DRAWS:
        raise OptionError(
            f"{method!r} has {values.shape[0]} chains of {values.shape[1]} draws, too few to "
            f"compare. Give at least {MIN_DRAWS} draws."
        )
    return values


def _arviz_or_none(result: DrawsLike) -> Result | None:
    return result if is_arviz(result) else None
