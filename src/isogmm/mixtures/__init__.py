"""The variational families as values: density, sampling, moments, and the map of coordinates.

A result finds the family of its mixture among those imported here.
"""

from isogmm.mixtures.gaussian import GaussianMixture as GaussianMixture
from isogmm.mixtures.isotropic import IsotropicMixture as IsotropicMixture
