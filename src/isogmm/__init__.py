"""Variational inference with mixtures of isotropic Gaussians for NumPyro and PyMC models.

>>> import isogmm
>>> sorted(isogmm.__all__)[:3]
['FactorizedMixture', 'FitWarning', 'GaussianMixture']
"""

import importlib
from typing import Any

from isogmm.errors import FitWarning as FitWarning
from isogmm.errors import MissingPackageError as MissingPackageError
from isogmm.errors import ModelError as ModelError
from isogmm.errors import OptionError as OptionError

#: Public name -> where it lives.  Loaded on first use: importing isogmm loads no language.
_HOMES = {
    "fit_isogmm": "isogmm.api",
    "fit_gmmvi": "isogmm.api_gmmvi",
    "LogDensity": "isogmm.log_density",
    "Target": "isogmm.target",
    "IsotropicMixture": "isogmm.mixture",
    "GaussianMixture": "isogmm.gaussian.mixture",
    "Mixture": "isogmm.mixture:IsotropicMixture",
    "Locate": "isogmm.locate.locate",
    "Refine": "isogmm.refine.refine",
    "empirical_bayes": "isogmm.empirical_bayes",
    "compare": "isogmm.comparison.table",
    "plot_compare_marginals": "isogmm.plots.marginals",
    "plot_compare_pairs": "isogmm.plots.pairs",
    "plot_elbo": "isogmm.plots.elbo",
    "plot_modes": "isogmm.plots.modes",
    "report": "isogmm.reporting.report",
    "nuts_from": "isogmm.handover.nuts",
    "smc_from": "isogmm.handover.smc",
    "fit_factorized": "isogmm.factorized.api",
    "FactorizedMixture": "isogmm.factorized.mixture",
    "optimize_fused": "isogmm.fused",
    "optimize_factorized": "isogmm.factorized.optimize",
}
_MODULES = (
    "optimize",
    "baselines",
    "gaussian",
    "gmmvi",
    "gradients",
    "initialization",
    "inference_data",
    "schedules",
    "stopping",
    "updates",
)

__all__ = [
    "FitWarning",
    "MissingPackageError",
    "ModelError",
    "OptionError",
    *sorted(_HOMES),
    *_MODULES,
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
        globals()[name] = value  # a submodule of the same name must not shadow it
        return value
    if name in _MODULES:
        return importlib.import_module(f"isogmm.{name}")
    raise AttributeError(f"module 'isogmm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
