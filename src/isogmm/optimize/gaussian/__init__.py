"""Mixtures of Gaussians with full or diagonal covariances: arrays, gradients and update rule."""

from isogmm.mixtures.gaussian import GaussianMixture as GaussianMixture
from isogmm.optimize.gaussian.arrays import GaussianArrays as GaussianArrays
from isogmm.optimize.gaussian.arrays import GaussianGradients as GaussianGradients
from isogmm.optimize.gaussian.bures_wasserstein import FullBuresWasserstein as FullBuresWasserstein
