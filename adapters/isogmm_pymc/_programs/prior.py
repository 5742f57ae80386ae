"""Draws of the free variables of a PyMC model from their priors, on the unconstrained scale."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from jaxtyping import Float
from pymc.distributions.transforms import Ordered
from pymc.logprob.transforms import ChainedTransform, Transform
from pymc.pytensorf import compile as compile_graph
from pymc.pytensorf import find_rng_nodes, replace_rng_nodes, reseed_rngs, toposort_replace
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.db import RewriteDatabaseQuery

from isogmm.arrays import Array, split
from isogmm_pymc._graphs.graphs import ModelGraphs

#: Draws that may fail before the first success.  The exception of a failed draw takes
#: milliseconds.
MAX_FAILURES = 20


class PriorDraws:
    """Draws of the prior by PyTensor in Python, one at a time, without compilation in C.

    The function is built at the first call.  It draws the free variables only: observed variables
    have their data, and potentials have no effect.

    Parameters
    ----------
    graphs
        The graphs of the model.
    """

    def __init__(self, graphs: ModelGraphs) -> None:
        self._graphs = graphs
        self._function: _PriorFunction | None = None

    def draw(
        self,
        model: pm.Model,
        data: Sequence[Array],
        starts: Float[np.ndarray, "n d"],
        generator: np.random.Generator,
    ) -> Float[np.ndarray, "n d"]:
        """One draw for each row of ``starts``; rows are NaN where the draw fails.

        Parameters
        ----------
        model
            The ``pm.Model`` of the graphs; it is not kept.
        data
            The data of the graphs.
        starts
            Starting points.  Variables that cannot be drawn get their values: ``pm.Flat``, or a
            ``pm.CustomDist`` without ``random``.
        generator
            Source of the seed.
        """
        if self._function is None:
            self._function = self._make_function(model, data, starts)
        return self._function.draw(int(generator.integers(2**32)), data, starts)

    def _make_function(
        self, model: pm.Model, data: Sequence[Array], starts: Float[np.ndarray, "n d"]
    ) -> "_PriorFunction":
        function = _prior_function(model, self._graphs)
        if function.is_implemented(data, starts):
            return function
        everything = range(len(model.free_RVs))
        improper = [
            index
            for index in everything
            if _may_lack_draws(model.free_RVs[index])
            and not _prior_function(
                model, self._graphs, improper=set(everything) - {index}
            ).is_implemented(data, starts)
        ]
        return _prior_function(model, self._graphs, improper=improper)


@dataclass(frozen=True)
class _PriorFunction:
    """A function that draws the unconstrained values of the free variables.

    Parameters
    ----------
    function
        ``(*improper values, *data) -> values``.
    rngs
        Its random number generators.
    graphs
        The graphs of the model.
    improper
        Positions of the variables that are inputs.
    """

    function: Callable[..., Sequence[np.ndarray]]
    rngs: Sequence[SharedVariable]
    graphs: ModelGraphs
    improper: Sequence[int]

    def draw(
        self, seed: int, data: Sequence[Array], starts: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, "n d"]:
        """One draw for each row of ``starts``; see :meth:`PriorDraws.draw`."""
        reseed_rngs(self.rngs, seed)
        draws = np.full(starts.shape, np.nan)
        failures = 0
        for row, start in enumerate(starts):
            try:
                draws[row] = self._draw(data, start)
            except Exception:  # a drawn parameter can be invalid, like a negative scale
                failures += 1
                if failures == row + 1 == MAX_FAILURES:
                    break
        return draws

    def is_implemented(self, data: Sequence[Array], starts: Float[np.ndarray, "n d"]) -> bool:
        """Whether all variables that are not inputs can be drawn."""
        try:
            self._draw(data, starts[0])
        except NotImplementedError:
            return False
        except Exception:  # another draw may succeed
            return True
        return True

    def _draw(self, data: Sequence[Array], start: Float[np.ndarray, " d"]) -> np.ndarray:
        parts = split(start, self.graphs.shapes)
        improper = [
            parts[index].astype(self.graphs.values[index].type.dtype) for index in self.improper
        ]
        with np.errstate(all="ignore"):
            values = self.function(*improper, *map(np.asarray, data))
        return np.concatenate([np.ravel(value) for value in values])


def _prior_function(
    model: pm.Model, graphs: ModelGraphs, improper: Collection[int] = ()
) -> _PriorFunction:
    """The function that draws all free variables except those at the positions ``improper``."""
    outputs = clone_replace(
        list(model.free_RVs),
        {variable: model.rvs_to_values[variable] for variable in model.observed_RVs},
        rebuild_strict=False,
    )
    outputs = clone_replace(outputs, graphs.replacements, rebuild_strict=False)
    fgraph = FunctionGraph(outputs=replace_rng_nodes(outputs), clone=False)
    drawn = list(fgraph.outputs)
    transforms = [model.rvs_to_transforms[variable] for variable in model.free_RVs]
    replacements = {}
    for index, (variable, transform) in enumerate(zip(drawn, transforms, strict=True)):
        if index in improper:
            value = graphs.values[index]
            inputs = variable.owner.inputs
            backward = value if transform is None else transform.backward(value, *inputs)
            replacements[variable] = variable.type.filter_variable(backward)
        elif (ordered := _ordered_part(transform)) is not None:
            # PyMC's density of an ordered variable is that of the unordered one, restricted to
            # ordered values.  If its elements have equal priors, these are the sorted draws.
            sorted_draw = pt.sort(variable, axis=-1)
            replacements[variable] = sorted_draw if ordered.ascending else sorted_draw[..., ::-1]
    # Variables that depend on a replaced one get the replacement.
    toposort_replace(fgraph, list(replacements.items()), reverse=True)
    values = [
        graphs.values[index]
        if index in improper
        else variable
        if transform is None
        else transform.forward(variable, *node_output.owner.inputs)
        for index, (variable, node_output, transform) in enumerate(
            zip(fgraph.outputs, drawn, transforms, strict=True)
        )
    ]
    positions = sorted(improper)
    function = compile_graph(
        [*(graphs.values[index] for index in positions), *graphs.data_inputs],
        values,
        mode=Mode("py", RewriteDatabaseQuery(include=["fast_compile"])),
        on_unused_input="ignore",
    )
    return _PriorFunction(function, find_rng_nodes(values), graphs, positions)


def _ordered_part(transform: Transform | None) -> Ordered | None:
    """The transform to ordered values, also inside a chain of transforms."""
    parts = transform.transform_list if isinstance(transform, ChainedTransform) else [transform]
    return next((part for part in parts if isinstance(part, Ordered)), None)


def _may_lack_draws(variable: Variable) -> bool:
    """Whether the variable is not one of PyTensor's own distributions, which all have draws."""
    return not type(variable.owner.op).__module__.startswith("pytensor.tensor.random")
