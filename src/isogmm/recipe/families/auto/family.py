"""Isotropic components first, then full covariances where they raise the ELBO."""

from dataclasses import dataclass, replace
from typing import Any

from isogmm.errors import OptionError
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.recipe.context import FitContext
from isogmm.recipe.families.auto.rounds import RoundsThenFull
from isogmm.recipe.families.gaussian.family import FullCovariances
from isogmm.recipe.families.isotropic.family import Isotropic
from isogmm.recipe.families.mixture_family import MixtureRounds
from isogmm.recipe.options import Arguments
from isogmm.recipe.start import Start

#: The names of ``family``.
NAMES = ("isotropic", "auto")


def read_family(value: object) -> str:
    """The name of a family, if it is valid.

    Raises
    ------
    OptionError
        Naming the value and what is accepted.
    """
    if isinstance(value, str) and value in NAMES:
        return value
    raise OptionError(
        f"unknown family={value!r}: choose one of {', '.join(map(repr, NAMES))}. For full "
        "covariances only, use isogmm.fit_gmmvi."
    )


@dataclass(frozen=True)
class IsotropicThenFull(Isotropic):
    """Isotropic components, and full covariances where the isotropic ones are not accurate.

    Parameters
    ----------
    options
        The options of the isotropic fit.
    full
        The family of the full covariances.
    """

    full: FullCovariances

    @classmethod
    def of(cls, given: Arguments) -> "IsotropicThenFull":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        for name in ("method", "weights"):
            value, allowed = given[name], ("auto", "learned")
            if not (isinstance(value, str) and value in allowed):
                raise OptionError(
                    f'{name}={value!r} cannot be used with family="auto", which chooses the method '
                    "and learns the weights of full covariances: leave it out, or use "
                    'family="isotropic"'
                )
        own = {"covariance": "full", "num_samples": None, "array_backend": "numpy"}
        full = FullCovariances.of({**given, **own})
        return cls(Isotropic.of(given).options, full)

    def convert(self, mixture: object) -> Any:
        """The mixture itself; diagonal covariances become full ones."""
        if isinstance(mixture, GaussianMixture):
            return self.full.convert(mixture)
        return super().convert(mixture)

    def rounds(self, context: FitContext, start: Start[Any]) -> MixtureRounds[Any]:
        """The optimizations of both families; of one where a fit with covariances continues."""
        if isinstance(start.mixture, GaussianMixture):
            return self.full.rounds(context, start)
        return RoundsThenFull(self, context, start)

    def continuing(self, mixture: Any) -> "IsotropicThenFull":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        found = super().continuing(mixture)
        return replace(found, full=self.full.continuing(mixture))
