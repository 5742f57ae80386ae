"""Graphs of the generated quantities: all variables of a result that depend on a draw."""

from collections.abc import Sequence

import pymc as pm
from pymc.logprob.basic import transformed_conditional_logp
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace


def generated_graphs(
    model: pm.Model, excluded: Sequence[str] = ()
) -> tuple[list[tuple[str, str]], list[Variable]]:
    """The generated quantities of one draw: pairs (group, name) and their graphs.

    The groups are the posterior (latent and deterministic variables on the user's scale), the
    log likelihood of each observed variable and the log prior of each free variable, without
    the Jacobians of the transforms.  The last two are elementwise, as ``pm.compute_log_likelihood``
    and ``pm.compute_log_prior`` return them.  The inputs are the value variables of the model.

    Parameters
    ----------
    model
        The model.
    excluded
        Names of deterministic variables that the result does not contain.
    """
    latent, observed = list(model.free_RVs), list(model.observed_RVs)
    kept = [variable for variable in model.deterministics if variable.name not in excluded]
    names = [("posterior", variable.name) for variable in (*latent, *kept)]
    outputs = list(model.replace_rvs_by_values([*latent, *kept]))
    # The elementwise terms are built for variables on the user's scale, which are placeholders at
    # first.  A transform that combines elements (ordered, simplex) would sum over them.
    placeholders = {variable: variable.type() for variable in latent}
    terms = transformed_conditional_logp(
        rvs=[*observed, *latent],
        rvs_to_values={**model.rvs_to_values, **placeholders},
        rvs_to_transforms={},
    )
    names += [("log_likelihood", variable.name) for variable in observed]
    names += [("log_prior", variable.name) for variable in latent]
    untransformed = dict(zip(placeholders.values(), outputs[: len(latent)], strict=True))
    outputs += clone_replace(terms, untransformed, rebuild_strict=False)
    return names, outputs
