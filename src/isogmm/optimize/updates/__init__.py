"""Update rules, which turn gradients into steps: one file for each rule, and their names."""

from collections.abc import Callable

from isogmm.errors import OptionError
from isogmm.optimize.updates.base import AbstractUpdateRule as AbstractUpdateRule
from isogmm.optimize.updates.base import FamilyArrays as FamilyArrays
from isogmm.optimize.updates.base import MixtureArrays as MixtureArrays
from isogmm.optimize.updates.bures_wasserstein import BuresWasserstein as BuresWasserstein
from isogmm.optimize.updates.entropic_mirror import EntropicMirror as EntropicMirror
from isogmm.optimize.updates.means_only import MeansOnly as MeansOnly
from isogmm.optimize.updates.natural_gradient import NaturalGradient as NaturalGradient
from isogmm.optimize.updates.relative_step import RelativeStep as RelativeStep
from isogmm.optimize.updates.shared_variance import SharedVariance as SharedVariance
from isogmm.optimize.updates.trust_region import TrustRegion as TrustRegion
from isogmm.optimize.updates.variance_floor import VarianceFloor as VarianceFloor
from isogmm.optimize.updates.weights import LearnedWeights as LearnedWeights
from isogmm.validation import unknown_value


def _shared_bures_wasserstein(step_size: float | None = None) -> SharedVariance:
    return SharedVariance(BuresWasserstein(step_size))


def _shared_entropic_mirror(step_size: float | None = None) -> SharedVariance:
    return SharedVariance(EntropicMirror(step_size))


#: Names of the rules for the option ``method``; each function accepts ``step_size=``.
RULES: dict[str, Callable[..., AbstractUpdateRule]] = {
    "ibw": BuresWasserstein,
    "md": EntropicMirror,
    "ngd": NaturalGradient,
    "means_only": MeansOnly,
    "ibw_s": _shared_bures_wasserstein,
    "md_s": _shared_entropic_mirror,
}


def find_rule(method: object) -> AbstractUpdateRule:
    """The rule of this name, or the rule itself.

    Raises
    ------
    OptionError
        If it is neither a rule nor a name; the message lists the names.
    """
    if isinstance(method, AbstractUpdateRule):
        return method
    if not isinstance(method, str) or method not in RULES:
        example = "a rule such as isogmm.updates.BuresWasserstein(step_size=0.1)"
        raise OptionError(unknown_value("method", method, RULES, example))
    return RULES[method]()
