"""The families of mixtures that the recipe can fit: one folder and one row for each."""

from isogmm.recipe.families.auto.family import IsotropicThenFull
from isogmm.recipe.families.base import AbstractFamily
from isogmm.recipe.families.factorized.family import Factorized
from isogmm.recipe.families.gaussian.family import FullCovariances
from isogmm.recipe.families.isotropic.family import Isotropic

FAMILIES: dict[str, type[AbstractFamily]] = {
    "isotropic": Isotropic,
    "auto": IsotropicThenFull,
    "gaussian": FullCovariances,
    "factorized": Factorized,
}
