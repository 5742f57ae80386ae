"""Why a fit ended, in one word and in one sentence."""

import enum


class StopReason(enum.Enum):
    """Why a fit ended; the value is what the result stores."""

    CONVERGED = "converged"
    MAX_ITERATIONS = "max_iterations"
    MAX_SECONDS = "max_seconds"
    INTERRUPTED = "interrupted"
    CALLBACK = "callback"
    ERROR = "error"
    NON_FINITE = "non_finite"

    @property
    def is_early(self) -> bool:
        """Whether the fit was stopped before its end, so that no further stage runs."""
        return self in _EARLY

    @property
    def event(self) -> str:
        """What happened, without the remedy: the sentence up to its semicolon."""
        return self.sentence.rstrip(".").partition(";")[0]

    @property
    def sentence(self) -> str:
        """The reason in words, with what to do about it."""
        return _SENTENCES[self]


_SENTENCES = {
    StopReason.CONVERGED: "The ELBO no longer improved by more than its noise.",
    StopReason.MAX_ITERATIONS: (
        "The fit reached max_iterations while the ELBO was still improving; "
        "continue with isogmm.fit_isogmm(model, resume=idata)."
    ),
    StopReason.MAX_SECONDS: (
        "The time limit was reached before the fit was done; continue with "
        "isogmm.fit_isogmm(model, resume=idata)."
    ),
    StopReason.INTERRUPTED: (
        "The fit was interrupted; continue with isogmm.fit_isogmm(model, resume=idata)."
    ),
    StopReason.CALLBACK: (
        "The callback ended the fit; continue with isogmm.fit_isogmm(model, resume=idata)."
    ),
    StopReason.ERROR: (
        "An error ended a stage of the fit; correct the cause, and continue with "
        "isogmm.fit_isogmm(model, resume=idata)."
    ),
    StopReason.NON_FINITE: (
        "The log density was not finite at any sample of some component; the last finite "
        "mixture was kept. Check the model for parameters outside their support."
    ),
}

_EARLY = (
    StopReason.MAX_SECONDS,
    StopReason.INTERRUPTED,
    StopReason.CALLBACK,
    StopReason.ERROR,
)
