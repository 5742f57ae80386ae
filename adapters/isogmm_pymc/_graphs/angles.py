"""Log density of a PyMC model in which each latent angle is counted once.

The unconstrained value of an angle is any real number, and the angle is its remainder modulo 2π.
PyMC's density of the value is periodic: it has infinitely many modes and no finite integral.  Here
each value has a weight, and the weights of all values of one angle add up to one.  The
distribution of the angle is that of PyMC, and the integral is finite.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import CircularTransform
from pytensor.graph.basic import Variable

from isogmm.errors import ModelError
from isogmm_pymc._checks.nonfinite import explain_error

#: Turns on each side whose weights are summed.  At this width the next one is below exp(-100).
NUM_TURNS = 2
#: Standard deviation, in radians, of the normal density that the weights are proportional to.  The
#: weight falls from 0.9 to 0.1 within 0.7 radians around an angle of π.
WIDTH = 1.0


def log_density_of(model: pm.Model) -> Variable:
    """``model.logp()``, and the log weights of the values of latent angles.

    Raises
    ------
    ModelError
        If PyMC cannot write down the density, because shapes do not fit; names the variable.
    """
    try:
        total = model.logp()
    except (TypeError, ValueError) as error:
        raise ModelError(explain_error(model, None, error)) from None
    for variable, transform in model.rvs_to_transforms.items():
        if isinstance(transform, CircularTransform):
            total = total + pt.sum(_log_weight(model.rvs_to_values[variable]))
    return total


def _log_weight(value: Variable) -> Variable:
    """The log weight of each value among the values of the same angle."""
    angle = pt.arctan2(pt.sin(value), pt.cos(value))
    turns = [angle + 2 * np.pi * k for k in range(-NUM_TURNS, NUM_TURNS + 1)]
    exponents = pt.stack([-0.5 * (turn / WIDTH) ** 2 for turn in turns])
    weight: Variable = -0.5 * (value / WIDTH) ** 2 - pt.logsumexp(exponents, axis=0)
    return weight
