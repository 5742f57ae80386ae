"""The second family: mixtures of Gaussians with full or diagonal covariances."""

from isogmm.gaussian.arrays import GaussianArrays as GaussianArrays
from isogmm.gaussian.arrays import GaussianGradients as GaussianGradients
from isogmm.gaussian.bures_wasserstein import FullBuresWasserstein as FullBuresWasserstein
from isogmm.mixtures.gaussian import GaussianMixture as GaussianMixture
