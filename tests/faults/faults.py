"""The list of faults: changes of one place in the sources, and the tests that must detect them."""

from engine_faults import ENGINE_FAULTS
from model_faults import MODEL_FAULTS
from numpyro_faults import NUMPYRO_FAULTS
from pymc_faults import PYMC_FAULTS
from recipe_faults import RECIPE_FAULTS
from results_faults import RESULTS_FAULTS

FAULTS = [
    *ENGINE_FAULTS,
    *MODEL_FAULTS,
    *RECIPE_FAULTS,
    *RESULTS_FAULTS,
    *NUMPYRO_FAULTS,
    *PYMC_FAULTS,
]
