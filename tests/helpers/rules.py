"""The registry of update rules under test: one row each, and the wrappers around them."""

from isogmm.optimize.updates import (
    RULES,
    BuresWasserstein,
    EntropicMirror,
    NaturalGradient,
    RelativeStep,
    TrustRegion,
    VarianceFloor,
)

#: The rules of the registry, by name.
PLAIN = {name: make() for name, make in RULES.items()}

#: Wrapped rules that owe the same properties.
WRAPPED = {
    "relative_ibw": RelativeStep(BuresWasserstein()),
    "trust_ibw": TrustRegion(BuresWasserstein()),
    "relative_trust_ibw": RelativeStep(TrustRegion(BuresWasserstein())),
    "floor_ngd": VarianceFloor(NaturalGradient()),
    "relative_trust_md": RelativeStep(TrustRegion(EntropicMirror())),
    "relative_trust_ngd": RelativeStep(TrustRegion(NaturalGradient())),
}

ALL = {**PLAIN, **WRAPPED}

#: Rules that move the variances.
MOVES_VARIANCES = [name for name in ALL if name != "means_only"]

#: Rules that keep one variance for each component (the shared forms make them equal).
OWN_VARIANCES = [name for name in ALL if not name.endswith("_s")]
