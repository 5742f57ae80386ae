"""Where the components begin."""

from isogmm.initialization.base import AbstractInitialization as AbstractInitialization
from isogmm.initialization.gaussian_spread import GaussianSpread as GaussianSpread
from isogmm.initialization.given import GivenMixture as GivenMixture
from isogmm.initialization.uniform_means import UniformMeans as UniformMeans
