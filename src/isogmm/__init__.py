"""Variational inference with mixtures of isotropic Gaussians for NumPyro and PyMC models.

>>> import isogmm
>>> sorted(isogmm.__all__)[:3]
['FactorizedMixture', 'FailedFit', 'FitWarning']
"""

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from isogmm.errors import FitWarning as FitWarning
from isogmm.errors import MissingPackageError as MissingPackageError
from isogmm.errors import ModelError as ModelError
from isogmm.errors import OptionError as OptionError
from isogmm.errors import WorkersLostError as WorkersLostError

#: Public name -> module that defines it.  Loaded on first use: importing isogmm loads no language.
_MODULE_OF = {
    "fit_isogmm": "isogmm.api",
    "fit_gmmvi": "isogmm.api",
    "fit_many": "isogmm.studies.fit_many",
    "fit_rows": "isogmm.rows.api",
    "calibrate": "isogmm.studies.calibrate",
    "plot_calibration": "isogmm.views.plots.calibration",
    "FailedFit": "isogmm.studies.work",
    "sampling_wrapper": "isogmm.studies.sampling_wrapper",
    "enable_compilation_cache": "isogmm.studies.compilation_cache",
    "LogDensity": "isogmm.model.functions.log_density",
    "Target": "isogmm.model.target",
    "IsotropicMixture": "isogmm.mixtures.isotropic",
    "GaussianMixture": "isogmm.mixtures.gaussian",
    "Mixture": "isogmm.mixtures.isotropic:IsotropicMixture",
    "Locate": "isogmm.locate.options",
    "Refine": "isogmm.draws.refine",
    "empirical_bayes": "isogmm.empirical_bayes",
    "log_likelihood": "isogmm.results.log_likelihood",
    "loo": "isogmm.results.loo",
    "compare": "isogmm.views.comparison.table",
    "plot_compare_marginals": "isogmm.views.plots.marginals",
    "plot_compare_pairs": "isogmm.views.plots.pairs",
    "plot_elbo": "isogmm.views.plots.elbo",
    "plot_modes": "isogmm.views.plots.modes",
    "report": "isogmm.views.report.report",
    "nuts_from": "isogmm.samplers.nuts_from",
    "smc_from": "isogmm.samplers.smc_from",
    "fit_factorized": "isogmm.api",
    "FactorizedMixture": "isogmm.mixtures.factorized",
    "optimize_fused": "isogmm.optimize.fused",
    "optimize_factorized": "isogmm.optimize.factorized.runner",
}
#: Public module -> the same module by its path in the package.
_PUBLIC_MODULES = {
    "adapter": "isogmm.model.adapter",
    "baselines": "isogmm.baselines",
    "factorized": "isogmm.optimize.factorized",
    "gaussian": "isogmm.optimize.gaussian",
    "gmmvi": "isogmm.optimize.gmmvi",
    "gradients": "isogmm.optimize.gradients",
    "inference_data": "isogmm.inference_data",
    "initialization": "isogmm.mixtures.initialization",
    "jax_target": "isogmm.model.jax_target",
    "optimize": "isogmm.optimize",
    "schedules": "isogmm.optimize.schedules",
    "stopping": "isogmm.optimize.stopping",
    "target": "isogmm.model.target",
    "updates": "isogmm.optimize.updates",
}

__all__ = [
    "FitWarning",
    "MissingPackageError",
    "ModelError",
    "OptionError",
    "WorkersLostError",
    *sorted(_MODULE_OF),
    *sorted(_PUBLIC_MODULES),
]
__version__ = "0.1.0"


class _PublicModules(MetaPathFinder, Loader):
    """Imports of public modules: ``isogmm.updates`` is the module ``isogmm.optimize.updates``."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        top, _, rest = name.partition(".")
        short, _, rest = rest.partition(".")
        real = _PUBLIC_MODULES.get(short)
        if top != __name__ or real is None or real == f"{top}.{short}":
            return None
        return ModuleSpec(name, self, loader_state=f"{real}.{rest}" if rest else real)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.loader_state)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the specification of the public name here.
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


sys.meta_path.insert(0, _PublicModules())


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        module, _, attribute = _MODULE_OF[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
        globals()[name] = value  # a submodule of the same name must not shadow it
        return value
    if name in _PUBLIC_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    similar = [public for public in (*_MODULE_OF, *_PUBLIC_MODULES) if name in public]
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    raise AttributeError(f"module 'isogmm' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
