"""Families with the options of a public function, as the recipe takes them."""

import inspect

from isogmm.api import fit_isogmm
from isogmm.recipe.families.auto.family import IsotropicThenFull
from isogmm.recipe.families.isotropic.family import Isotropic


def isotropic(**options):
    """The family of ``fit_isogmm(family="isotropic")`` with its default options and these."""
    return Isotropic.of(default_options() | options)


def auto(**options):
    """The family of ``fit_isogmm`` with its default options and these."""
    return IsotropicThenFull.of(default_options() | options)


def default_options():
    """The options of ``fit_isogmm``."""
    return {n: part.default for n, part in inspect.signature(fit_isogmm).parameters.items()}
