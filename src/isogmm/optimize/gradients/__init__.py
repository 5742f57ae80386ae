"""Estimators of the gradients of KL(q‖π): Monte Carlo, quadrature, and the score function."""

from isogmm.optimize.gradients.base import AbstractEstimator as AbstractEstimator
from isogmm.optimize.gradients.base import ComponentGradients as ComponentGradients
from isogmm.optimize.gradients.base import Gradients as Gradients
from isogmm.optimize.gradients.base import component_gradients as component_gradients
from isogmm.optimize.gradients.base import evidence_lower_bound as evidence_lower_bound
from isogmm.optimize.gradients.monte_carlo import MonteCarlo as MonteCarlo
from isogmm.optimize.gradients.quadrature import GaussHermite as GaussHermite
from isogmm.optimize.gradients.score_function import ScoreFunction as ScoreFunction
from isogmm.optimize.gradients.score_function import (
    score_function_gradients as score_function_gradients,
)
