"""Families with the options of a public function, as the recipe takes them."""

import inspect

from isogmm.api import fit_isogmm
from isogmm.recipe.families.isotropic.family import Isotropic


def isotropic(**options):
    """The family of ``fit_isogmm`` with its default options and these."""
    parameters = inspect.signature(fit_isogmm).parameters
    return Isotropic.of({name: part.default for name, part in parameters.items()} | options)
