"""The methods of the literature by name."""

from collections.abc import Callable
from typing import Any

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.component_updates import ImprovedBayesian, TrustRegion
from isogmm.optimize.gmmvi.method import Gmmvi
from isogmm.optimize.gmmvi.natural_gradients import More, Stein
from isogmm.optimize.gmmvi.number import AdaptiveNumber, FixedNumber
from isogmm.optimize.gmmvi.selection import FromComponents, FromMixture
from isogmm.optimize.gmmvi.step_sizes import Fixed, ImprovementBased
from isogmm.optimize.gmmvi.weight_updates import DirectWeights
from isogmm.validation import unknown_value


def samtron(**changes: Any) -> Gmmvi:
    """SAMTRON: gradients, trust regions, adapted step sizes and number of components."""
    return Gmmvi(**changes)


def vips(**changes: Any) -> Gmmvi:
    """VIPS: values without gradients (MORE), trust regions, direct updates of the weights."""
    parts = {
        "gradients": More(),
        "component_update": TrustRegion(),
        "component_steps": ImprovementBased(),
        "weight_update": DirectWeights(),
        "weight_steps": Fixed(1.0),
        "selection": FromComponents(),
        "number": AdaptiveNumber(),
    }
    return Gmmvi(**{**parts, **changes})


def ibayes(**changes: Any) -> Gmmvi:
    """iBayes-GMM: gradients, the improved Bayesian learning rule, samples from the mixture."""
    parts = {
        "gradients": Stein(),
        "component_update": ImprovedBayesian(),
        "component_steps": Fixed(0.1),
        "weight_update": DirectWeights(),
        "weight_steps": Fixed(0.1),
        "selection": FromMixture(),
        "number": FixedNumber(),
    }
    return Gmmvi(**{**parts, **changes})


#: Preset of ``method="auto"``: of the three it has the lowest −ELBO where they differ.
DEFAULT_PRESET = "samtron"

#: Presets by name; each accepts the parts to be exchanged as keywords.
PRESETS: dict[str, Callable[..., Gmmvi]] = {
    "samtron": samtron,
    "vips": vips,
    "ibayes": ibayes,
}


def find_method(method: object) -> Gmmvi:
    """The preset of this name, or the method itself.

    Raises
    ------
    OptionError
        If it is neither a method nor a name; the message lists the names.
    """
    if isinstance(method, Gmmvi):
        return method
    if isinstance(method, str) and method == "auto":
        method = DEFAULT_PRESET
    if not isinstance(method, str) or method not in PRESETS:
        names = ["auto", "bw", *PRESETS]
        objects = "isogmm.gmmvi.Gmmvi(...) or isogmm.gaussian.FullBuresWasserstein(...)"
        raise OptionError(unknown_value("method", method, names, objects))
    return PRESETS[method]()
