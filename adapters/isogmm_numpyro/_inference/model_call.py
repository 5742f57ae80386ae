"""The model and its arguments in the form that NumPyro's own inference takes."""

import jax
from numpyro import handlers

from isogmm_numpyro._reading.read import ReadModel
from isogmm_numpyro._statements.prepare import prepare
from isogmm_numpyro._types import Model


def inference_model(model: Model, read: ReadModel) -> Model:
    """The model with all rows of its plates, fixed ``param`` sites and enumerated discrete sites.

    The ``param`` sites are hidden: SVI would maximize over them, which gives another posterior.
    """
    prepared = prepare(model, read.values.params, full_plates=read.full_plates)
    hidden = handlers.block(prepared, hide=list(read.values.params))
    if not read.sites.discrete:
        return hidden
    from numpyro.contrib.funsor import config_enumerate

    return config_enumerate(hidden)


def inference_arguments(read: ReadModel) -> tuple[tuple[object, ...], dict[str, object]]:
    """The arguments of the model, with JAX arrays as inputs.

    A NumPy array cannot be indexed by the traced rows of a plate.
    """
    return read.arguments.restore([jax.numpy.asarray(array) for array in read.arguments.arrays])
