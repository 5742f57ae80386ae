"""Estimators of the gradients of KL(q‖π): Monte Carlo and quadrature."""

from isogmm.gradients.base import AbstractEstimator as AbstractEstimator
from isogmm.gradients.base import ComponentGradients as ComponentGradients
from isogmm.gradients.base import component_gradients as component_gradients
from isogmm.gradients.base import evidence_lower_bound as evidence_lower_bound
from isogmm.gradients.monte_carlo import MonteCarlo as MonteCarlo
from isogmm.gradients.quadrature import GaussHermite as GaussHermite
