"""Isotropic components first, then full covariances where they raise the ELBO."""

from dataclasses import dataclass, replace
from typing import Any

from isogmm.errors import OptionError
from isogmm.locate.options import Locate
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
        The family of the full covariances; None where the user chose the rule, the weights, the
        number of components or the initialization, so that all components are isotropic.
    """

    full: FullCovariances | None

    @classmethod
    def of(cls, given: Arguments) -> "IsotropicThenFull":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        options = Isotropic.of(given).options
        is_free = options.num_components is None and isinstance(options.init, Locate)
        for name, free in (("method", ("auto",)), ("weights", ("auto", "learned"))):
            value = given[name]
            is_free = is_free and isinstance(value, str) and value in free
        if not is_free:
            return cls(options, None)
        own = {"covariance": "full", "num_samples": None, "array_backend": "numpy"}
        return cls(options, FullCovariances.of({**given, **own}))

    def convert(self, mixture: object) -> Any:
        """The mixture itself; diagonal covariances become full ones."""
        if self.full is not None and isinstance(mixture, GaussianMixture):
            return self.full.convert(mixture)
        return super().convert(mixture)

    def rounds(self, context: FitContext, start: Start[Any]) -> MixtureRounds[Any]:
        """The optimizations of both families; of one where a mixture is continued."""
        if self.full is not None and isinstance(start.mixture, GaussianMixture):
            return self.full.rounds(context, start)
        if self.full is None or start.located is None:
            return super().rounds(context, start)
        return RoundsThenFull(self, self.full, context, start)

    def continuing(self, mixture: Any) -> "IsotropicThenFull":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        found = super().continuing(mixture)
        return found if self.full is None else replace(found, full=self.full.continuing(mixture))
