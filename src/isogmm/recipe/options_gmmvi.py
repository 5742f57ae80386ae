"""The options of ``fit_gmmvi``, checked at the door; strings become objects only here."""

from dataclasses import replace
from typing import Any

from isogmm.errors import OptionError
from isogmm.optimize.gaussian.bures_wasserstein import FullBuresWasserstein
from isogmm.optimize.gmmvi.method import Gmmvi
from isogmm.optimize.gmmvi.presets import find_method
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import AbstractSchedule, Constant, ConstantThenLinearDecay
from isogmm.recipe.full_covariances import FullCovariances
from isogmm.recipe.options import Options, resolve, stopping_of

COVARIANCES = ("full", "diagonal")
#: Bound on what one Bures-Wasserstein step of the recipe changes.
LARGEST_CHANGE = 0.25
#: Samples a component and iteration of Bures-Wasserstein steps.
NUM_SAMPLES = 16


def resolve_gmmvi(*, method: Any, covariance: str, **others: Any) -> Options:
    """Check every option and turn names into objects; see :func:`isogmm.fit_gmmvi`.

    Raises
    ------
    OptionError
        Naming the option, its value and what is accepted.
    """
    if not (isinstance(covariance, str) and covariance in COVARIANCES):
        raise OptionError(
            f"unknown covariance={covariance!r}: choose one of {', '.join(map(repr, COVARIANCES))}"
        )
    options = resolve(method="auto", **others)
    limits = {name: others[name] for name in ("max_iterations", "max_seconds", "tolerance")}
    diagonal = covariance == "diagonal"
    if isinstance(method, str) and method == "bw":
        method = FullBuresWasserstein(largest_change=LARGEST_CHANGE)
    if isinstance(method, FullBuresWasserstein):
        schedule: AbstractSchedule = ConstantThenLinearDecay()
        if method.step_size is not None:
            schedule = Constant(method.step_size)
        if others["num_samples"] is None:
            options = replace(options, estimator=MonteCarlo(NUM_SAMPLES))
        family = FullCovariances(None, diagonal)
        options = replace(options, rule=method)
    else:
        family = FullCovariances(_exchangeable(find_method(method), others), diagonal)
        schedule = ConstantThenLinearDecay(1.0)
    stopping = stopping_of(schedule, **limits, refine=options.refine)
    return replace(options, schedule=schedule, stopping=stopping, family=family)


def _exchangeable(method: Gmmvi, others: dict[str, Any]) -> Gmmvi:
    """The method with the number of samples asked for; refuses what GMMVI does not have."""
    if isinstance(others["weights"], str) and others["weights"] == "uniform":
        raise OptionError(
            'weights="uniform" is not for GMMVI, which learns them: use method="bw", or '
            'weights="learned"'
        )
    if others["array_backend"] != "numpy":
        raise OptionError(
            f"array_backend={others['array_backend']!r} is not for GMMVI, which runs in NumPy: "
            'use method="bw", or array_backend="numpy"'
        )
    if others["num_samples"] is None:
        return method
    selection: Any = method.selection
    return replace(method, selection=replace(selection, num_samples=others["num_samples"]))
