"""Which outputs of a traced model are computed from given sites, also inside a scan."""

from collections.abc import Set

from jax.extend.core import Jaxpr, JaxprEqn


def dependents(jaxpr: Jaxpr, roots: Set[int]) -> set[int]:
    """Positions of the outputs that are computed from a root, the roots among them.

    Parameters
    ----------
    jaxpr
        The traced model.
    roots
        Positions of outputs.
    """
    variables = {id(jaxpr.outvars[position]) for position in roots}
    reached = _reached(jaxpr, variables, [False] * len(jaxpr.invars))
    return {position for position, is_one in enumerate(reached) if is_one}


def _reached(jaxpr: Jaxpr, roots: set[int], given: list[bool]) -> list[bool]:
    """Whether each output is a root, or computed from a root or from one of the given inputs."""
    inputs = zip(jaxpr.invars, given, strict=True)
    reached = roots | {id(variable) for variable, is_one in inputs if is_one}
    for equation in jaxpr.eqns:
        flags = _of_equation(equation, roots, [id(v) in reached for v in equation.invars])
        results = zip(equation.outvars, flags, strict=True)
        reached |= {id(variable) for variable, is_one in results if is_one}
    return [id(variable) in reached for variable in jaxpr.outvars]


def _of_equation(equation: JaxprEqn, roots: set[int], given: list[bool]) -> list[bool]:
    """The same for the results of an equation."""
    are_roots = [id(variable) in roots for variable in equation.outvars]
    everything = [any(given) or any(are_roots)] * len(are_roots)
    if equation.primitive.name != "scan" or not everything[0]:
        return everything
    body: Jaxpr = equation.params["jaxpr"].jaxpr
    of_roots = {id(v) for v, is_one in zip(body.outvars, are_roots, strict=True) if is_one}
    computed = {id(variable) for inner in body.eqns for variable in inner.outvars}
    if not of_roots <= computed:  # the value of a root is a constant, which has no trace
        return everything
    # Constants, carry and series follow one another; only series have an axis that the body lacks.
    end = sum(o.aval.ndim == i.aval.ndim for o, i in zip(equation.invars, body.invars, strict=True))
    pairs = zip(equation.outvars, body.outvars, strict=True)
    first = end - sum(o.aval.ndim == i.aval.ndim for o, i in pairs)
    while True:
        reached = _reached(body, of_roots, given)
        carried = [a or b for a, b in zip(given[first:end], reached, strict=False)]
        if carried == given[first:end]:
            return reached
        given = [*given[:first], *carried, *given[end:]]
