"""Posteriors of posteriordb that have reference draws: models, data and references.

    posterior = collection.load("nes1972-nes")
    fit_isogmm(posterior.numpyro_model, model_kwargs=posterior.numpyro_kwargs)
    metrics.compare(idata, posterior.reference)

Data and references come from posteriordb (see ``LICENSE.md``) and are written by ``build.py``.
NumPyro is not imported before a model is asked for.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics import LEVELS, Reference
from benchmarks.posteriordb import prepare

FOLDER = Path(__file__).resolve().parent / "data"
DATA, REFERENCE = FOLDER / "data.npz", FOLDER / "reference.npz"
#: The six scores of ``metrics.compare``, in the order of the stored floors.
SCORES = ("mean_rms", "mean_max", "sd_rms", "sd_max", "q_rms", "q_max")

Data = dict[str, np.ndarray]


@dataclass(frozen=True)
class Entry:
    """A posterior: its model, its data, and how its arguments are made.

    ``model`` is ``module.function``.  ``reference`` is the name under which posteriordb has the
    draws, where it is another one.  The variance of quantities in ``infinite_variance`` does not
    exist, and 4,000 exact draws do not estimate their means well: only quantiles are compared.
    """

    model: str
    data: str
    prepare: Callable[[Data], Data] | None
    dim: int
    reference: str | None = None
    infinite_variance: tuple[str, ...] = ()


def _regressions(data: str, model: str, make: Any, **dims: int) -> dict[str, Entry]:
    """Regressions on the same data, by their names and dimensions."""
    return {
        f"{data}-{kind}": Entry(f"regressions.{model}", data, partial(make, kind=kind), dim)
        for kind, dim in dims.items()
    }


ENTRIES: dict[str, Entry] = {
    "arK-arK": Entry("series.autoregression", "arK", prepare.autoregression, 7),
    "arma-arma11": Entry("series.arma11", "arma", None, 4),
    "bball_drive_event_0-hmm_drive_0": Entry("series.hmm_drive_0", "bball_drive_event_0", None, 6),
    "bball_drive_event_1-hmm_drive_1": Entry("series.hmm_drive_1", "bball_drive_event_1", None, 6),
    "diamonds-diamonds": Entry("regressions.diamonds", "diamonds", prepare.diamonds, 26),
    **_regressions(
        "earnings",
        "flat_regression",
        prepare.earnings,
        earn_height=3,
        log10earn_height=3,
        logearn_height=3,
        logearn_height_male=4,
        logearn_interaction=5,
        logearn_interaction_z=5,
        logearn_logheight_male=4,
    ),
    "eight_schools-eight_schools_centered": Entry(
        "hierarchies.eight_schools_centered",
        "eight_schools",
        None,
        10,
        "eight_schools-eight_schools_noncentered",
    ),
    "eight_schools-eight_schools_noncentered": Entry(
        "hierarchies.eight_schools_noncentered", "eight_schools", None, 10
    ),
    "garch-garch11": Entry("series.garch11", "garch", None, 4),
    "gp_pois_regr-gp_pois_regr": Entry("processes.gp_poisson", "gp_pois_regr", prepare.counts, 13),
    "gp_pois_regr-gp_regr": Entry(
        "processes.gp_regression", "gp_pois_regr", prepare.measurements, 3
    ),
    "hmm_example-hmm_example": Entry("series.hmm_example", "hmm_example", None, 4),
    "hudson_lynx_hare-lotka_volterra": Entry(
        "processes.lotka_volterra", "hudson_lynx_hare", prepare.lotka_volterra, 8
    ),
    **_regressions(
        "kidiq",
        "cauchy_scale_regression",
        prepare.kidiq,
        kidscore_interaction=5,
        kidscore_momhs=3,
        kidscore_momhsiq=4,
        kidscore_momiq=3,
    ),
    **_regressions(
        "kidiq_with_mom_work",
        "flat_regression",
        prepare.kidiq,
        kidscore_interaction_c=5,
        kidscore_interaction_c2=5,
        kidscore_interaction_z=5,
        kidscore_mom_work=5,
    ),
    "kilpisjarvi_mod-kilpisjarvi": Entry(
        "regressions.kilpisjarvi", "kilpisjarvi_mod", prepare.kilpisjarvi, 3
    ),
    "low_dim_gauss_mix-low_dim_gauss_mix": Entry(
        "hierarchies.gauss_mixture", "low_dim_gauss_mix", None, 5
    ),
    "mcycle_gp-accel_gp": Entry("processes.gp_acceleration", "mcycle_gp", prepare.acceleration, 66),
    **_regressions(
        "mesquite",
        "flat_regression",
        prepare.mesquite,
        logmesquite=8,
        logmesquite_logva=5,
        logmesquite_logvas=8,
        logmesquite_logvash=7,
        logmesquite_logvolume=3,
        mesquite=8,
    ),
    **{
        f"nes{year}-nes": Entry("regressions.flat_regression", f"nes{year}", prepare.nes, 10)
        for year in range(1972, 2001, 4)
    },
    # The likelihood has a limit where K_m and V_m grow in proportion.  Their Cauchy priors and the
    # width of this ridge leave a density of K_m that decreases as K_m^-3, and the same for V_m.
    "one_comp_mm_elim_abs-one_comp_mm_elim_abs": Entry(
        "processes.michaelis_menten",
        "one_comp_mm_elim_abs",
        prepare.michaelis_menten,
        4,
        infinite_variance=("K_m", "V_m"),
    ),
    "sblrc-blr": Entry("regressions.normal_prior_regression", "sblrc", prepare.plain, 6),
    "sblri-blr": Entry("regressions.normal_prior_regression", "sblri", prepare.plain, 6),
}


def names() -> list[str]:
    """The names of all posteriors, as in posteriordb."""
    return list(ENTRIES)


def by_variable(columns: list[str], rows: np.ndarray) -> Data:
    """Rows (..., k) as a mapping, from columns such as ``["beta[1]", "beta[2]", "sigma"]``."""
    numbers: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        numbers.setdefault(column.partition("[")[0], []).append(number)
    scalars = {column for column in columns if "[" not in column}
    return {
        name: rows[..., chosen[0]] if name in scalars else rows[..., chosen]
        for name, chosen in numbers.items()
    }


@dataclass(frozen=True)
class Posterior:
    """A posterior of the collection."""

    name: str
    entry: Entry = field(repr=False)
    pymc_model: None = None

    @property
    def dim(self) -> int:
        """Dimension of the unconstrained space."""
        return self.entry.dim

    @property
    def numpyro_model(self) -> Callable[..., None]:
        """The model function."""
        module, _, function = self.entry.model.partition(".")
        return getattr(importlib.import_module(f"benchmarks.posteriordb.{module}"), function)

    @cached_property
    def numpyro_kwargs(self) -> Data:
        """The arguments of the model function."""
        with np.load(DATA) as stored:
            prefix = f"{self.entry.data}/"
            arrays = {
                key.removeprefix(prefix): stored[key]
                for key in stored.files
                if key.startswith(prefix)
            }
        return self.entry.prepare(arrays) if self.entry.prepare else arrays

    def stored(self, part: str) -> np.ndarray:
        """An array of the reference; see ``build.py`` for the parts."""
        with np.load(REFERENCE) as stored:
            return stored[f"{self.entry.reference or self.name}/{part}"]

    @cached_property
    def reference(self) -> Reference:
        """Statistics of the 10 x 1,000 reference draws, and some of the draws."""
        columns = self.stored("columns").tolist()
        statistics = self.stored("statistics")
        for column in self.entry.infinite_variance:
            statistics[:3, columns.index(column)] = np.nan
        keys = ("mean", "sd", "mean_square")
        parts = {key: by_variable(columns, row) for key, row in zip(keys, statistics, strict=False)}
        quantiles = by_variable(columns, statistics[3:])
        assert len(statistics) == 3 + len(LEVELS)
        draws = by_variable(columns, self.stored("draws").astype(float))
        return Reference(**parts, quantiles=quantiles, draws=draws)

    @cached_property
    def floors(self) -> dict[str, float]:
        """The 99 % quantile of each score for 4,000 exact draws; empty without draws."""
        return dict(zip(SCORES, self.stored("floors").tolist(), strict=False))


def load(name: str) -> Posterior:
    """The posterior of that name."""
    return Posterior(name, ENTRIES[name])
