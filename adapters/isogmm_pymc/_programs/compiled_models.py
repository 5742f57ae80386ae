"""Compiled models, kept between fits as long as their PyMC models exist."""

import weakref
from dataclasses import dataclass

import pymc as pm

from isogmm.errors import warn_user
from isogmm_pymc._data.minibatches import FULL_DATA_WARNING, copy_data, without_minibatches
from isogmm_pymc._graphs.graphs import ModelGraphs, read_graphs
from isogmm_pymc._programs.jax_programs import JaxModelPrograms, explain_failure
from isogmm_pymc._programs.prior import PriorDraws
from isogmm_pymc._programs.pytensor_programs import PyTensorPrograms


@dataclass
class Compilation:
    """The graphs of a model and their programs.

    Parameters
    ----------
    graphs
        The graphs.
    signature
        Their signature when the programs were compiled; see ``ModelGraphs.signature``.
    programs
        The programs in JAX, or those of PyTensor if the log density has no JAX form.
    prior
        The draws of the prior.
    """

    graphs: ModelGraphs
    signature: list[object]
    programs: JaxModelPrograms | PyTensorPrograms
    prior: PriorDraws


@dataclass
class CompiledModel:
    """What is kept of a model; it must not refer to the model itself.

    Parameters
    ----------
    variables
        Variables and settings of the model, to detect that they change.
    excluded
        Names of deterministic variables that the result does not contain.
    full_model
        A copy on the full data if the model has minibatches, else None.
    compilation
        The compilation for the latest shapes of the data, None before the first one.
    """

    variables: list[object]
    excluded: tuple[str, ...]
    full_model: pm.Model | None
    compilation: Compilation | None = None

    def compile(self, model: pm.Model, shapes: tuple[tuple[int, ...], ...]) -> Compilation:
        """The compilation for unconstrained values of these shapes and the current data.

        A new compilation starts only if shapes or constants have changed.
        """
        full = self.full(model)
        known = self.compilation
        if (
            known is not None
            and known.graphs.shapes == shapes
            and known.graphs.signature() == known.signature
        ):
            return known
        graphs = read_graphs(full, shapes)
        signature = graphs.signature()
        programs: JaxModelPrograms | PyTensorPrograms
        try:
            programs = JaxModelPrograms(full, graphs, self.excluded)
        except Exception as error:  # operations may raise any exception when they are traced
            programs = PyTensorPrograms(full, graphs, self.excluded, explain_failure(error))
        self.compilation = Compilation(graphs, signature, programs, PriorDraws(graphs))
        return self.compilation

    def full(self, model: pm.Model) -> pm.Model:
        """The model on its full data, with its current data."""
        if self.full_model is None:
            return model
        copy_data(model, self.full_model)
        return self.full_model


_COMPILED_MODELS: weakref.WeakKeyDictionary[pm.Model, CompiledModel] = weakref.WeakKeyDictionary()


def compiled_model(model: pm.Model, excluded: tuple[str, ...]) -> CompiledModel:
    """What is kept of the model; a new object if variables or settings of the model changed."""
    variables = _variables(model)
    compiled = _COMPILED_MODELS.get(model)
    if (
        compiled is None
        or compiled.excluded != excluded
        or not _are_same(compiled.variables, variables)
    ):
        compiled = CompiledModel(variables, excluded, without_minibatches(model))
        _COMPILED_MODELS[model] = compiled
    if compiled.full_model is not None:
        warn_user(FULL_DATA_WARNING)
    return compiled


def _variables(model: pm.Model) -> list[object]:
    """Everything in a model that its programs depend on, except the values of its data."""
    return [
        *model.basic_RVs,
        *model.rvs_to_values.values(),
        *model.rvs_to_transforms.values(),
        *model.deterministics,
        *model.potentials,
        *model.named_vars,
        model.check_bounds,
    ]


def _are_same(old: list[object], new: list[object]) -> bool:
    """Whether two lists have identical objects; names are compared by their text."""
    return len(old) == len(new) and all(
        before is now or (isinstance(before, str) and before == now)
        for before, now in zip(old, new, strict=True)
    )
