"""The options of a fit: validated once, names turned into objects.

Everything after this file works with objects.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

import jax
import numpy as np

from isogmm.draws.refine import Refine
from isogmm.errors import OptionError
from isogmm.locate.options import Locate, Whitening
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import AbstractInitialization
from isogmm.optimize.algorithm import AbstractAlgorithm
from isogmm.optimize.backends import ARRAY_BACKENDS
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import AbstractSchedule, Constant
from isogmm.optimize.stopping import AbstractStopping, ElboPlateau, MaxIterations
from isogmm.optimize.updates import (
    AbstractUpdateRule,
    LearnedWeights,
    RelativeStep,
    TrustRegion,
)
from isogmm.validation import real_number, unknown_value, whole_number

#: The arguments of a public function by name, as the user gave them.
Arguments: TypeAlias = Mapping[str, Any]

#: Chains where the user gives no number.
CHAINS = 4
#: Iterations at most where the user gives no number.
MAX_ITERATIONS = 10_000
#: Default ``tolerance`` in nats, with HMC chains and without them.  The optimization ends if the
#: ELBO improves by less than this from one window of iterations to the next.
TOLERANCE_WITH_CHAINS, TOLERANCE = 0.25, 0.01


class When(enum.Enum):
    """Whether the fit takes an optional step."""

    NEVER = enum.auto()
    ALWAYS = enum.auto()
    #: Where the fit finds that it helps.
    AUTO = enum.auto()


@dataclass(frozen=True)
class Refinement:
    """Whether and how HMC chains refine the draws.

    Parameters
    ----------
    settings
        Budgets of the chains; None runs no chains.
    is_optional
        Whether chains that confirm the draws of the mixture may stop after their warm-up.
    """

    settings: Refine | None
    is_optional: bool = False


@dataclass(frozen=True)
class WeightsOption:
    """When the weights are learned, and by which rule."""

    when: When
    rule: LearnedWeights = field(default_factory=LearnedWeights)

    def rule_for(self, has_several_modes: bool) -> LearnedWeights | None:
        """The rule that learns the weights; None where they stay as they start."""
        if self.when is When.AUTO:
            return self.rule if has_several_modes else None
        return self.rule if self.when is When.ALWAYS else None


@dataclass(frozen=True)
class Options:
    """The validated options of one fit; see :func:`isogmm.fit_isogmm` for their meaning.

    Parameters
    ----------
    draws, chains
        Draws of each chain, and chains.
    num_components
        K; None leaves it to the family.
    algorithm
        The optimization of the mixture.
    weights, whitening, init
        Weights of the components, coordinates, and the start.
    importance
        Whether draws are chosen by importance weights.
    refinement
        The HMC chains.
    """

    draws: int
    chains: int
    num_components: int | None
    algorithm: AbstractAlgorithm
    weights: WeightsOption
    whitening: Whitening | AffineMap
    init: Locate | AbstractInitialization
    importance: When
    refinement: Refinement

    def continuing(self, chains: int, num_components: int, default_chains: int) -> "Options":
        """The same options with the chains of a mixture that is continued.

        Raises
        ------
        OptionError
            If chains or components were asked for that the mixture does not have.
        """
        if self.num_components not in (None, num_components):
            raise OptionError(
                f"num_components={self.num_components}, but the fit to be continued has "
                f"{num_components}: leave it out, or start a new fit"
            )
        if self.chains not in (default_chains, chains):
            raise OptionError(
                f"chains={self.chains}, but the fit to be continued has {chains}: leave it out, "
                "or start a new fit"
            )
        return replace(self, chains=chains)


# --- parts that several families read ---------------------------------------------------------


def common_options(given: Arguments, algorithm: AbstractAlgorithm) -> Options:
    """The options that families with an affine map share.

    Parameters
    ----------
    given
        The arguments of :func:`isogmm.fit_isogmm` by name.
    algorithm
        The algorithm, which every family reads by itself.

    Raises
    ------
    OptionError
        Naming the option, its value and what is accepted.
    """
    draws, chains = whole_number("draws", given["draws"]), whole_number("chains", given["chains"])
    return Options(
        draws=draws,
        chains=chains,
        num_components=number_of_components(given["num_components"]),
        algorithm=algorithm,
        weights=_weights(given["weights"]),
        whitening=_whitening(given["whitening"]),
        init=_init(given["init"]),
        importance=_importance(given["importance"]),
        refinement=refinement(given["refine"], draws * chains),
    )


def number_of_components(value: object) -> int | None:
    """K, or None for ``"auto"``."""
    is_auto = isinstance(value, str) and value == "auto"
    return None if is_auto else whole_number("num_components", value)


def estimator(num_samples: object, default: MonteCarlo) -> MonteCarlo:
    """Monte Carlo with this number of samples, in antithetic pairs where it is even."""
    if num_samples is None:
        return default
    count = whole_number("num_samples", num_samples)
    return MonteCarlo(count, antithetic=count % 2 == 0)


def rule_and_schedule(
    rule: AbstractUpdateRule, schedule: AbstractSchedule
) -> tuple[AbstractUpdateRule, AbstractSchedule]:
    """Relative steps with this schedule, or the step size of the rule if it has one."""
    if rule.step_size is not None:
        return rule, Constant(rule.step_size)
    return RelativeStep(TrustRegion(rule)), schedule


def array_backend(value: object) -> str:
    """The name of a backend."""
    if isinstance(value, str) and value in ARRAY_BACKENDS:
        return value
    raise OptionError(f"unknown array_backend {value!r}: choose one of {', '.join(ARRAY_BACKENDS)}")


def stopping_for(
    given: Arguments, schedule: AbstractSchedule, default_tolerance: float
) -> AbstractStopping:
    """The stopping rule that goes with a schedule and the budgets of the user."""
    max_iterations = _optional_whole("max_iterations", given["max_iterations"])
    max_seconds, tolerance = given["max_seconds"], given["tolerance"]
    limit = None if max_seconds is None else real_number("max_seconds", max_seconds, above=0.0)
    gain = None if tolerance is None else real_number("tolerance", tolerance)
    if isinstance(schedule, Constant) and max_iterations is not None and gain is None:
        return MaxIterations(max_iterations, max_seconds=limit)
    return ElboPlateau(
        max_iterations=max_iterations or MAX_ITERATIONS,
        max_seconds=limit,
        tolerance=default_tolerance if gain is None else gain,
    )


def default_tolerance(refine: object) -> float:
    """The tolerance that goes with a refinement."""
    return TOLERANCE if refinement(refine, 0).settings is None else TOLERANCE_WITH_CHAINS


def refinement(refine: object, num_draws: int) -> Refinement:
    """The chains for an option of the user; their default length depends on the number of draws."""
    if refine is True or (isinstance(refine, str) and refine == "auto"):
        default = Refine.for_backend(jax.default_backend())
        return Refinement(default.with_draws(num_draws), is_optional=True)
    if isinstance(refine, Refine):
        return Refinement(refine, is_optional=True)
    if not isinstance(refine, int | np.integer) or refine < 0:
        raise OptionError(
            unknown_value(
                "refine", refine, ("auto",), "False, a number of transitions, or isogmm.Refine()"
            )
        )
    if refine == 0:
        return Refinement(None)
    return Refinement(Refine(min_warmup=int(refine), min_recorded=max(int(refine), 4)))


Member = TypeVar("Member", bound=enum.Enum)


def member(kind: type[Member], value: object) -> Member | None:
    """The member of an enum with this value, or None."""
    return next((item for item in kind if isinstance(value, str) and item.value == value), None)


def _optional_whole(name: str, value: object) -> int | None:
    return None if value is None else whole_number(name, value)


#: The names of ``weights``.
_WEIGHTS = {"auto": When.AUTO, "uniform": When.NEVER, "learned": When.ALWAYS}


def _weights(value: object) -> WeightsOption:
    if isinstance(value, LearnedWeights):
        return WeightsOption(When.ALWAYS, value)
    if isinstance(value, str) and value in _WEIGHTS:
        return WeightsOption(_WEIGHTS[value])
    raise OptionError(
        unknown_value("weights", value, _WEIGHTS, "isogmm.updates.LearnedWeights(...)")
    )


def _whitening(value: object) -> Whitening | AffineMap:
    if isinstance(value, np.ndarray | jax.Array):
        return _map_of(np.asarray(value, dtype=np.float64))
    found = value if isinstance(value, AffineMap) else member(Whitening, value)
    if found is None:
        names = [item.value for item in Whitening]
        raise OptionError(
            unknown_value("whitening", value, names, "a (d, d) or (d,) array, or an AffineMap")
        )
    return found


def _map_of(array: np.ndarray) -> AffineMap:
    """The map with these scales (d,) or this matrix (d, d)."""
    dim = array.shape[0] if array.ndim else 0
    if array.ndim == 1:
        return AffineMap(np.zeros(dim), array)
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        return AffineMap(np.zeros(dim), np.ones(dim), array)
    raise OptionError(
        f"the whitening array has shape {array.shape}; give the scales (d,) or a matrix (d, d)"
    )


def _init(value: object) -> Locate | AbstractInitialization:
    if isinstance(value, str) and value == "auto":
        return Locate()
    if isinstance(value, Locate | AbstractInitialization):
        return value
    objects = "isogmm.Locate(...), isogmm.initialization.UniformMeans(...) or GivenMixture(...)"
    raise OptionError(unknown_value("init", value, ("auto",), objects))


def _importance(value: object) -> When:
    if isinstance(value, bool):
        return When.ALWAYS if value else When.NEVER
    if isinstance(value, str) and value == "auto":
        return When.AUTO
    raise OptionError(unknown_value("importance", value, ("auto",), "True or False"))
