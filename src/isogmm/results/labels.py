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
