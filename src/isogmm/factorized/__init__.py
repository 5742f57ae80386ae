"""Factorized mixtures: a univariate mixture for each coordinate, for very large dimensions."""

from isogmm.factorized.mixture import FactorizedMixture as FactorizedMixture
from isogmm.factorized.optimize import optimize_factorized as optimize_factorized
