"""The model of a fit in blocks: its log density as a sum over rows, and its names and labels."""

from collections.abc import Mapping
from dataclasses import replace

import jax
import numpy as np

from isogmm.errors import FitWarning, ModelError, OptionError
from isogmm.model.adapter import find_adapter
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.programs.precision import in_precision
from isogmm.model.target import Groups, Target
from isogmm.model.to_target import to_target
from isogmm.model.with_data import bound
from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm.rows.blocks import Blocks
from isogmm.rows.density import FEW, MANY, RowDensity

#: Random positions and rows by which the sum over the rows is checked, and the largest error
#: relative to the sum of the absolute values of its terms.
NUM_CHECKS, CHECK_ROWS, MAX_CHECK_ERROR = 4, 32, 1e-7


def with_rows(model: object, rows: object) -> tuple[object, object]:
    """The model and its rows; a PyMC model with ``pm.Minibatch`` has the rows.

    Raises
    ------
    ModelError
        If the rows of the model are inconsistent.
    OptionError
        If there are no rows, or if both the model and the argument have rows.
    """
    has_language = not isinstance(model, LogDensity | Target)
    own = find_adapter(model).in_rows(model) if has_language else None
    if own is None and rows is None:
        raise OptionError(
            "isogmm.fit_rows needs rows=, the data. Only a PyMC model with pm.Minibatch has them: "
            "pm.Minibatch(x, y, batch_size=100)."
        )
    if own is None:
        return model, rows
    if rows is not None:
        raise OptionError(
            "the model uses pm.Minibatch, which has the data: leave rows out, or replace "
            "pm.Minibatch by pm.Data and remove total_size."
        )
    return own


def read_model(
    model: object, kwargs: Mapping[str, object], blocks: Blocks, seed: int
) -> tuple[Target, RowDensity]:
    """The target of the model with a few rows, and its log density as a sum over rows.

    Parameters
    ----------
    model, kwargs
        The model, and the keyword arguments that all blocks share.
    blocks
        The data.
    seed
        Seed of the fit.

    Raises
    ------
    ModelError
        If the model has no log density that JAX can trace for other data, if its parameters depend
        on the number of rows, or if its log density is not the prior plus a sum over rows.
    OptionError
        If the model cannot take the data.
    """
    with kept_filters():
        ignore(FitWarning, "the data have only a subsample")  # of the rows of a plate
        few, many = (_target(model, kwargs, blocks, count, seed) for count in (FEW, MANY))
    if few.variables != many.variables:
        changed = [
            name for name in many.variables if few.variables.get(name) != many.variables[name]
        ]
        raise ModelError(
            f"the shape of {', '.join(changed)} depends on the number of rows. isogmm.fit_rows "
            "needs parameters that all rows share: integrate the parameters of single rows out, "
            "or fit all rows at once with isogmm.fit_isogmm."
        )
    density = _density(model, kwargs, blocks, many)
    return _labelled(many, few), density


def _target(
    model: object, kwargs: Mapping[str, object], blocks: Blocks, count: int, seed: int
) -> Target:
    """The target of the model with copies of the first row."""
    arrays = [np.repeat(array, count, 0) for array in blocks.first_row]
    with bound(model, blocks.layout.tree(arrays), kwargs) as (bound_model, args, keywords):
        return to_target(bound_model, args, keywords, seed)


def _density(
    model: object, kwargs: Mapping[str, object], blocks: Blocks, target: Target
) -> RowDensity:
    """The log density as a sum over rows, after a check that it is one."""
    known = target.density_of_data
    if known is None:
        raise ModelError(
            "isogmm.fit_rows needs a log density that JAX can trace for other data: a function "
            "that is written with jax.numpy, a NumPyro model, or a PyMC model whose operations "
            "all have a form in JAX"
        )

    def inputs(arrays: list[np.ndarray]) -> object:
        data = blocks.layout.tree(arrays)
        if isinstance(model, LogDensity):
            return known.inputs((data,), {})
        with bound(model, data, kwargs) as (_, args, keywords):
            return known.inputs(args, keywords)

    density = RowDensity(known.log_density, inputs, blocks.first_row)
    _check_sum(target, density, blocks)
    return density


def _check_sum(target: Target, density: RowDensity, blocks: Blocks) -> None:
    """Check that the log density of some rows is that of their halves without one prior.

    Raises
    ------
    ModelError
        If it is not.
    """
    block = next(iter(blocks))
    arrays = [array[: min(block.num_rows, CHECK_ROWS)] for array in block.arrays]
    middle = len(arrays[0]) // 2
    if not middle:
        return
    parts = arrays, [a[:middle] for a in arrays], [a[middle:] for a in arrays]
    positions = target.initial_positions(np.random.default_rng(0), NUM_CHECKS)
    try:
        with in_precision(True):
            inputs = [density.inputs(part) for part in parts]
            of_rows = jax.jit(jax.vmap(density.rows, in_axes=(0, None, None, None)))
            sums = [np.asarray(of_rows(positions, part, density.copies, 0.0)) for part in inputs]
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the model cannot be evaluated with {len(arrays[0])} of the rows: {error}. If it "
            "computes sizes from the data, such as a number of groups, pass these numbers as "
            "model_kwargs=."
        ) from error
    whole, first, second = sums
    gap = np.abs(whole - first - second)
    size = np.abs(whole) + np.abs(first) + np.abs(second)
    is_wrong = np.isfinite(size) & (gap > MAX_CHECK_ERROR * (1.0 + size))
    if is_wrong.any() or not np.isfinite(size).any():
        worst = int(np.argmax(np.where(is_wrong, gap, -1.0)))
        raise ModelError(
            f"the log density is not the prior plus a sum over rows: for {len(arrays[0])} rows "
            f"the sum is {whole[worst]:.6g}, and for their halves {first[worst]:.6g} and "
            f"{second[worst]:.6g}. Terms must not connect rows or depend on their number: do not "
            "multiply the log likelihood by the number of all rows, give a numpyro.plate the "
            "subsample_size of the rows of the argument, and center or scale data before the fit."
        )


def _labelled(target: Target, other: Target) -> Target:
    """The target without data, and without variables whose shape depends on the number of rows."""
    shapes, others = (_shapes(one) for one in (target, other))
    kept = [name for name in shapes if shapes[name] == others.get(name)]
    left_out = [name for name in shapes if name not in kept]

    def constrain(positions: np.ndarray, seed: int) -> Groups:
        groups = target.constrain(positions, seed)
        return {"posterior": {name: groups["posterior"][name] for name in kept}}

    names = ", ".join(left_out)
    note = f"The result does not contain {names}: every row has its own value." if left_out else ""
    return replace(
        target,
        constrain=constrain,
        placeholder=lambda: constrain(np.zeros((1, target.dim)), 0),
        observed_data={},
        constant_data={},
        prior_positions=None,
        notes=[*target.notes, *([note] if note else [])],
    )


def _shapes(target: Target) -> dict[str, tuple[int, ...]]:
    """Shapes of the variables of the posterior group."""
    assert target.placeholder is not None
    return {name: np.shape(array) for name, array in target.placeholder()["posterior"].items()}
