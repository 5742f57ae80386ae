"""The options of ``fit_gmmvi`` that other families do not have."""

from dataclasses import replace
from typing import Any

from isogmm.errors import OptionError
from isogmm.optimize.algorithm import AbstractAlgorithm, Algorithm
from isogmm.optimize.gaussian.bures_wasserstein import FullBuresWasserstein
from isogmm.optimize.gmmvi.algorithm import GmmviAlgorithm
from isogmm.optimize.gmmvi.method import Gmmvi
from isogmm.optimize.gmmvi.presets import find_method
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import AbstractSchedule, Constant, ConstantThenLinearDecay
from isogmm.recipe.options import (
    Arguments,
    array_backend,
    default_tolerance,
    estimator,
    stopping_for,
)
from isogmm.validation import whole_number

#: The names of ``covariance``.
COVARIANCES = ("full", "diagonal")
#: Bound on the relative change of a covariance in one Bures-Wasserstein step of the recipe.
MAX_RELATIVE_CHANGE = 0.25
#: Samples a component and iteration of Bures-Wasserstein steps.
NUM_SAMPLES = 16


def read_covariance(value: object) -> bool:
    """Whether covariances are diagonal."""
    if not (isinstance(value, str) and value in COVARIANCES):
        raise OptionError(
            f"unknown covariance={value!r}: choose one of {', '.join(map(repr, COVARIANCES))}"
        )
    return value == "diagonal"


def read_algorithm(given: Arguments) -> AbstractAlgorithm:
    """Bures-Wasserstein steps or GMMVI.

    Raises
    ------
    OptionError
        Naming the option, its value and what is accepted.
    """
    method, backend = given["method"], array_backend(given["array_backend"])
    tolerance = default_tolerance(given["refine"])
    if isinstance(method, str) and method == "bw":
        method = FullBuresWasserstein(largest_change=MAX_RELATIVE_CHANGE)
    if isinstance(method, FullBuresWasserstein):
        schedule: AbstractSchedule = ConstantThenLinearDecay()
        if method.step_size is not None:
            schedule = Constant(method.step_size)
        stopping = stopping_for(given, schedule, tolerance)
        samples = estimator(given["num_samples"], MonteCarlo(NUM_SAMPLES))
        return Algorithm(samples, method, schedule, stopping, backend)
    found = _adjusted(find_method(method), given)
    schedule = ConstantThenLinearDecay(1.0)
    return GmmviAlgorithm(found, schedule, stopping_for(given, schedule, tolerance))


def _adjusted(method: Gmmvi, given: Arguments) -> Gmmvi:
    """The method with the number of samples asked for; refuses options that GMMVI does not have."""
    weights, backend, num_samples = (
        given[name] for name in ("weights", "array_backend", "num_samples")
    )
    if isinstance(weights, str) and weights == "uniform":
        raise OptionError(
            'weights="uniform" cannot be used with GMMVI, which learns the weights: use '
            'method="bw", or weights="learned"'
        )
    if backend != "numpy":
        raise OptionError(
            f"array_backend={backend!r} cannot be used with GMMVI, which runs in NumPy: "
            'use method="bw", or array_backend="numpy"'
        )
    if num_samples is None:
        return method
    selection: Any = method.selection
    count = whole_number("num_samples", num_samples)
    return replace(method, selection=replace(selection, num_samples=count))
