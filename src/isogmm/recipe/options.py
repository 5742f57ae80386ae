"""Everything a user can choose, checked at the door; strings become objects only here."""

import difflib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from isogmm.draws.refine import Refine
from isogmm.errors import OptionError
from isogmm.locate.locate import Locate
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import AbstractInitialization
from isogmm.optimize.backends import ARRAY_BACKENDS
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.schedules import AbstractSchedule, Constant, ConstantThenLinearDecay
from isogmm.optimize.stopping import AbstractStopping, ElboPlateau, MaxIterations
from isogmm.optimize.updates import (
    AbstractUpdateRule,
    BuresWasserstein,
    LearnedWeights,
    RelativeStep,
    TrustRegion,
    find_rule,
)
from isogmm.recipe.family import AbstractFamily, Isotropic
from isogmm.validation import real_number, whole_number

WHITENING = ("auto", "none", "diagonal", "dense", "low_rank")
WEIGHTS = ("auto", "uniform", "learned")
#: Chains where the user names no number.
CHAINS = 4
#: Relative step of the default recipe, in units of each component's variance.
STEP_SIZE = 0.25


@dataclass(frozen=True)
class Options:
    """The checked options of one fit; see :func:`isogmm.fit_isogmm` for their meaning."""

    draws: int
    chains: int
    num_components: int | None
    rule: AbstractUpdateRule
    schedule: AbstractSchedule
    stopping: AbstractStopping
    estimator: AbstractEstimator
    weights: str | LearnedWeights
    whitening: str | AffineMap
    init: Locate | AbstractInitialization
    importance: str | bool
    refine: Refine | int
    array_backend: str
    family: AbstractFamily = field(default_factory=Isotropic)

    def of_start(self, mixture: Any) -> "Options":
        """The same with the chains of a mixture that is continued.

        Raises
        ------
        OptionError
            If chains or components were asked for that the mixture does not have.
        """
        chains, count = mixture.means.shape[:2]
        if self.num_components not in (None, count):
            raise OptionError(
                f"num_components={self.num_components}, but the fit to be continued has {count}: "
                "leave it out, or start a new fit"
            )
        if self.chains not in (CHAINS, chains):
            raise OptionError(
                f"chains={self.chains}, but the fit to be continued has {chains}: leave it out, "
                "or start a new fit"
            )
        return replace(self, chains=chains)


def resolve(
    *,
    draws: int,
    chains: int,
    num_components: int | str,
    method: Any,
    weights: Any,
    whitening: Any,
    init: Any,
    max_iterations: int | None,
    max_seconds: float | None,
    tolerance: float | None,
    num_samples: int | None,
    importance: Any,
    refine: Any,
    array_backend: str,
) -> Options:
    """Check every option and turn names into objects.

    Raises
    ------
    OptionError
        Naming the option, its value and what is accepted.
    """
    draws, chains = whole_number("draws", draws), whole_number("chains", chains)
    count = None if num_components == "auto" else whole_number("num_components", num_components)
    estimator = (
        MonteCarlo()
        if num_samples is None
        else MonteCarlo(whole_number("num_samples", num_samples), antithetic=num_samples % 2 == 0)
    )
    rule, schedule = _rule_and_schedule(method)
    if not (isinstance(weights, str) and weights in WEIGHTS) and not isinstance(
        weights, LearnedWeights
    ):
        raise OptionError(
            _unknown("weights", weights, WEIGHTS, "isogmm.updates.LearnedWeights(...)")
        )
    if isinstance(whitening, np.ndarray):
        whitening = _given_map(whitening)
    if not isinstance(whitening, AffineMap) and not (
        isinstance(whitening, str) and whitening in WHITENING
    ):
        raise OptionError(
            _unknown("whitening", whitening, WHITENING, "a (d, d) or (d,) array, or an AffineMap")
        )
    if isinstance(init, str) and init == "auto":
        init = Locate()
    if not isinstance(init, Locate | AbstractInitialization):
        raise OptionError(
            _unknown(
                "init",
                init,
                ("auto",),
                "isogmm.Locate(...), isogmm.initialization.UniformMeans(...) or GivenMixture(...)",
            )
        )
    if not isinstance(importance, bool) and not (
        isinstance(importance, str) and importance == "auto"
    ):
        raise OptionError(_unknown("importance", importance, ("auto",), "True or False"))
    if not (isinstance(array_backend, str) and array_backend in ARRAY_BACKENDS):
        raise OptionError(
            f"unknown array_backend {array_backend!r}: choose one of {', '.join(ARRAY_BACKENDS)}"
        )
    refine = _refine(refine)
    return Options(
        draws=draws,
        chains=chains,
        num_components=count,
        rule=rule,
        schedule=schedule,
        stopping=stopping_of(schedule, max_iterations, max_seconds, tolerance, refine=refine),
        estimator=estimator,
        weights=weights,
        whitening=whitening,
        init=init,
        importance=importance,
        refine=refine,
        array_backend=array_backend,
    )


def _rule_and_schedule(method: Any) -> tuple[AbstractUpdateRule, AbstractSchedule]:
    """The paper's rule with its fixed step where the user gives one, the recipe's otherwise."""
    if isinstance(method, str) and method == "auto":
        rule: AbstractUpdateRule = BuresWasserstein()
    else:
        rule = find_rule(method)
    if rule.step_size is not None:
        return rule, Constant(rule.step_size)
    return RelativeStep(TrustRegion(rule)), ConstantThenLinearDecay(STEP_SIZE)


def stopping_of(
    schedule: AbstractSchedule,
    max_iterations: int | None,
    max_seconds: float | None,
    tolerance: float | None,
    *,
    refine: Refine | int,
) -> AbstractStopping:
    """The stopping rule that goes with a schedule and the budgets of the user."""
    if max_seconds is not None:
        max_seconds = real_number("max_seconds", max_seconds, above=0.0)
    if tolerance is not None:
        tolerance = real_number("tolerance", tolerance)
    if isinstance(schedule, Constant) and max_iterations is not None and tolerance is None:
        return MaxIterations(
            whole_number("max_iterations", max_iterations), max_seconds=max_seconds
        )
    limit = 10_000 if max_iterations is None else whole_number("max_iterations", max_iterations)
    if tolerance is None:
        # Chains start from the mixture: a quarter of a nat is not worth another window then.
        tolerance = 0.01 if refine == 0 else 0.25
    return ElboPlateau(max_iterations=limit, max_seconds=max_seconds, tolerance=tolerance)


def _refine(refine: Any) -> Refine | int:
    if isinstance(refine, str) and refine == "auto":
        return Refine()
    if isinstance(refine, Refine):
        return refine
    if isinstance(refine, bool) or not isinstance(refine, int | np.integer) or refine < 0:
        raise OptionError(
            _unknown("refine", refine, ("auto",), "0, a number of transitions, or isogmm.Refine()")
        )
    return int(refine)


def _given_map(array: np.ndarray) -> AffineMap:
    array = np.asarray(array, dtype=np.float64)
    dim = array.shape[0] if array.ndim else 0
    if array.ndim == 1:
        return AffineMap(np.zeros(dim), array)
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        return AffineMap(np.zeros(dim), np.ones(dim), array)
    raise OptionError(
        f"the whitening array has shape {array.shape}; give the scales (d,) or a matrix (d, d)"
    )


def _unknown(name: str, value: Any, names: tuple[str, ...], objects: str) -> str:
    hint = difflib.get_close_matches(str(value), names, n=1)
    listed = ", ".join(repr(item) for item in names)
    guess = f" Did you mean {hint[0]!r}?" if hint else ""
    return f"unknown {name}={value!r}: choose one of {listed}, or pass {objects}.{guess}"
