"""Labels that a result stores as text and by which the library decides."""

import enum


class DrawSource(enum.Enum):
    """Where the delivered draws come from; the value is the attribute ``draws_from``.

    ``MIXTURE`` draws are taken from the mixture unchanged, ``IMPORTANCE`` draws are resampled
    from the mixture by importance weights, and ``CHAINS`` draws come from parallel HMC chains.
    """

    MIXTURE = "mixture"
    IMPORTANCE = "importance"
    CHAINS = "chains"


class Verdict(enum.Enum):
    """Whether a fit can be trusted; the value is the attribute ``verdict``.

    The first three allow the draws to be used like those of MCMC: drawn from the mixture
    (``GOOD``), resampled by importance weights (``REWEIGHTED``) or from HMC chains
    (``REFINED``).  ``UNRELIABLE`` draws need the remedy that the attribute ``advice`` names.
    """

    GOOD = "good"
    REWEIGHTED = "reweighted"
    REFINED = "refined"
    UNRELIABLE = "unreliable"


class Stage(enum.Enum):
    """The stages of a fit in order; the value is the key in the attribute ``stage_seconds``."""

    COMPILE = "compile"
    LOCATE = "locate"
    MIXTURE = "mixture"
    JUDGE = "judge"
    REFINE = "refine"
    DELIVER = "deliver"
    RESULT = "result"

    @property
    def description(self) -> str:
        """What the stage does, in words."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Stage.COMPILE: "tracing and compiling the model",
    Stage.LOCATE: "searching for the modes",
    Stage.MIXTURE: "optimizing the mixture",
    Stage.JUDGE: "evaluating fresh draws of the mixture",
    Stage.REFINE: "refining the draws",
    Stage.DELIVER: "checking the draws",
    Stage.RESULT: "computing variables and log likelihood",
}
