"""Check before a fit that its result can be built: names, dimensions, labels and shapes."""

from collections.abc import Mapping, Sequence

import numpy as np

from isogmm.errors import IsogmmError, ModelError, OptionError, warn_user
from isogmm.model.target import Groups, Target
from isogmm.results.building.from_draws import Labels, groups_of_draws
from isogmm.results.building.from_fit import labels_with
from isogmm.results.building.result_options import (
    OPTIONAL_GROUPS,
    ResultOptions,
    did_you_mean,
    known_names,
)
from isogmm.results.groups import SAMPLE_DIMS, arviz_name

NO_OPTIONS = ResultOptions()


def check_result(target: Target, options: ResultOptions = NO_OPTIONS) -> None:
    """Raise the error that building the result would raise after the fit.

    The groups are built from arrays with the shapes of one draw, which need no evaluation of the
    model.

    Parameters
    ----------
    target
        The target.
    options
        The options of the result.

    Raises
    ------
    OptionError
        If an option names a variable that the result does not have, or more dimensions than a
        variable has.
    ModelError
        If the labels of a dimension do not fit a variable that has it, or names conflict.
    """
    groups = _one_draw(target)
    if groups is None:
        return
    for group in OPTIONAL_GROUPS:
        names = options.groups.get(group, True)
        if not isinstance(names, bool):
            chosen = [names] if isinstance(names, str) else names
            known_names(f"idata_kwargs[{group!r}]", chosen, list(groups.get(group, {})))
    labels = labels_with(target, options)
    arrays = {**labels.constant_data, **labels.observed_data}
    arrays |= {name: array[0] for name, array in groups["posterior"].items()}
    _check_dims(options, labels.dims, {name: np.shape(value) for name, value in arrays.items()})
    _check_labels(groups, labels)
    _warn_unused(options, labels.dims)


def _one_draw(target: Target) -> Groups | None:
    """The groups of one draw, with any values; None if the shapes are not known."""
    if target.placeholder is not None:
        return target.placeholder()
    position = target.initial_positions(np.random.default_rng(0), 1)
    try:
        return target.constrain(position, 0)
    except Exception:  # a function of the user may fail outside the support
        return None


def _check_dims(
    options: ResultOptions,
    dims: Mapping[str, Sequence[str | None]],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Raise if dimension names belong to no variable, or are more than the variable has."""
    known_names("idata_kwargs['dims']", options.dims, {*shapes, *map(arviz_name, shapes)})
    shapes = {**{arviz_name(name): shape for name, shape in shapes.items()}, **shapes}
    for name, given in dims.items():
        if name in shapes and len(given) > len(shapes[name]):
            kind, source = (
                (OptionError, f"idata_kwargs['dims'][{name!r}]")
                if name in options.dims
                else (ModelError, f"dims of {name!r}")
            )
            raise kind(
                f"{source} has {len(given)} names, {list(given)}, but {name!r} has "
                f"{len(shapes[name])} dimensions, with shape {shapes[name]}: give one name for "
                "each dimension"
            )


def _warn_unused(options: ResultOptions, dims: Mapping[str, Sequence[str | None]]) -> None:
    """Warn of labels for a dimension that no variable has, if its name is probably misspelt."""
    known = {arviz_name(name) for names in dims.values() for name in names if name is not None}
    for name in options.coords:
        meant = did_you_mean(name, known)
        if arviz_name(name) not in known and meant:
            warn_user(
                f"idata_kwargs['coords'] has labels of {name!r}{meant}, a dimension that no "
                "variable has, and they are not used."
            )


def _check_labels(groups: Groups, labels: Labels) -> None:
    """Build the groups of one draw."""
    coords = {name: entries for name, entries in labels.coords.items() if name not in SAMPLE_DIMS}
    one = Labels(
        labels.library,
        labels.library_version,
        labels.dims,
        coords,
        labels.observed_data,
        labels.constant_data,
    )
    draws = {
        group: {name: np.asarray(array)[None] for name, array in arrays.items()}
        for group, arrays in groups.items()
    }
    try:
        groups_of_draws(draws, one, {})
    except IsogmmError:
        raise
    except ValueError as error:  # of xarray, for example if a variable is called like a dimension
        raise ModelError(
            f"the result cannot have these names, dims and coords: {str(error).splitlines()[0]}. "
            "Rename the variable or the dimension."
        ) from error
