"""The list of faults: changes of one place in the sources, and the tests that must detect them."""

from engine_faults import ENGINE_FAULTS
from numpyro_faults import NUMPYRO_FAULTS
from pymc_faults import PYMC_FAULTS

FAULTS = ENGINE_FAULTS + NUMPYRO_FAULTS + PYMC_FAULTS
