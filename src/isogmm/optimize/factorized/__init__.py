"""Optimization of factorized mixtures, which have a univariate mixture for each coordinate."""

from isogmm.mixtures.factorized import FactorizedMixture as FactorizedMixture
from isogmm.optimize.factorized.runner import optimize_factorized as optimize_factorized
