"""Probability integral transforms of simulated parameters in their posteriors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from isogmm.results.arviz.versions import from_groups
from isogmm.results.groups import Result, attributes, get_group
from isogmm.studies.datasets import Job

#: Group of the results in which the PIT values of one fit are.
PIT = "pit"


@dataclass(frozen=True)
class PitOfTruth:
    """Replaces a result by the PIT values of the parameters from which its data were simulated.

    Parameters
    ----------
    truth
        Values ``(n, ...)`` of the variables, for all data sets.
    """

    truth: Mapping[str, np.ndarray]

    def __call__(self, job: Job, result: Result) -> Result:
        """The PIT values of one fit, with its attributes."""
        posterior = get_group(result, "posterior")
        generator = np.random.default_rng(job.seed)
        values = {}
        for name, truth in self.truth.items():
            if name not in posterior:
                continue
            draws = posterior[name].transpose("chain", "draw", ...)
            true = np.asarray(truth[job.index])
            if draws.dtype.kind not in "fiu" or draws.shape[2:] != true.shape:
                continue
            flat = draws.values.reshape(-1, *true.shape)
            below, equal = (flat < true).mean(axis=0), (flat == true).mean(axis=0)
            # Ties, of discrete or constant variables, are broken at random.
            pit = below + equal * generator.uniform(size=true.shape)
            values[name] = draws.isel(chain=0, draw=0, drop=True).copy(data=pit)
        return from_groups({PIT: xr.Dataset(values)}, attributes(result))
