"""Rules that place the components of the first mixture."""

from isogmm.mixtures.initialization.base import AbstractInitialization as AbstractInitialization
from isogmm.mixtures.initialization.gaussian_spread import GaussianSpread as GaussianSpread
from isogmm.mixtures.initialization.given import GivenMixture as GivenMixture
from isogmm.mixtures.initialization.uniform_means import UniformMeans as UniformMeans
