"""Mixtures of Gaussians: density, score, sampling, moments and the affine map of coordinates.

Importing this package registers the families that a stored mixture can belong to.
"""

from isogmm.mixtures.gaussian import GaussianMixture as GaussianMixture
from isogmm.mixtures.isotropic import IsotropicMixture as IsotropicMixture
