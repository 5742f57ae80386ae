"""Factorized mixtures: a univariate mixture for each coordinate, for very large dimensions."""

from isogmm.factorized.optimize import optimize_factorized as optimize_factorized
from isogmm.mixtures.factorized import FactorizedMixture as FactorizedMixture
