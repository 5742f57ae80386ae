"""A reference with which methods are compared."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.arviz.versions import ess
from isogmm.results.rhat import rhat
from isogmm.views.comparison import distances, moments
from isogmm.views.comparison.draws import Draws

_MOMENTS = ("mean_rms", "mean_max", "log_sd_rms", "log_sd_max", "quantile_rms", "quantile_max")
#: Fewest draws of each sample in the discrepancy, whose standard error needs them.
MIN_KERNEL_ROWS = 4


class Reference:
    """A reference, with everything that is computed from it once for all methods.

    Parameters
    ----------
    draws
        Draws of the reference.
    generator
        Random numbers of the bootstrap and of the projections.

    Raises
    ------
    OptionError
        If a draw is not finite, or no variable varies.
    """

    def __init__(self, draws: Draws, generator: np.random.Generator) -> None:
        self.draws = draws
        if not np.isfinite(draws.values).all():
            raise OptionError(
                f"the reference {draws.name!r} has draws that are not finite. Remove them, or "
                "leave the variables that have them out with var_names."
            )
        self.varies = moments.varies(moments.statistics(draws.rows))
        if not self.varies.any():
            raise OptionError(
                f"no variable of the reference {draws.name!r} varies: all its draws are equal. "
                "Choose another reference, or other variables with var_names."
            )
        values = draws.values[..., self.varies]
        rows = values.reshape(-1, values.shape[-1])
        self.statistics = moments.statistics(rows)
        self.sizes = moments.effective_draws(values)
        self.noise = moments.sampling_noise(rows, generator)
        self.directions = distances.directions(rows.shape[1], generator)
        self.rows = self._standardized(values)
        self.projected = self.rows @ self.directions
        self.sliced_noise = distances.sliced_noise(self.projected, generator)

    def _standardized(self, values: Float[np.ndarray, "c n p"]) -> Float[np.ndarray, "m p"]:
        """Draws of all chains, standardized by mean and standard deviation of the reference."""
        rows = values.reshape(-1, values.shape[-1])
        return (rows - self.statistics["mean"]) / np.exp(self.statistics["log_sd"])

    def _sizes(self, method: Draws) -> tuple[moments.Statistics, ...]:
        """Effective sizes that contribute to the difference between a method and the reference.

        A method whose draws are not finite counts with the sizes of the reference.
        """
        if method is self.draws:
            return (self.sizes,)
        values = method.values[..., self.varies]
        is_finite = bool(np.isfinite(values).all())
        return self.sizes, moments.effective_draws(values) if is_finite else self.sizes

    def scores(self, method: Draws) -> dict[str, float]:
        """All errors and floors of one method; errors are NaN if a draw is not finite."""
        values = method.values[..., self.varies]
        is_finite = bool(np.isfinite(values).all())
        sizes = self._sizes(method)
        floors = moments.floors(moments.exact_errors(self.noise, *sizes))
        found = dict.fromkeys(_MOMENTS, np.nan)
        sliced, discrepancy = np.nan, distances.Discrepancy(np.nan, np.nan, np.nan)
        if is_finite and method is not self.draws:
            rows = values.reshape(-1, values.shape[-1])
            found = moments.scores(moments.errors(moments.statistics(rows), self.statistics))
            standardized = self._standardized(values)
            sliced = distances.sliced_wasserstein(standardized @ self.directions, self.projected)
            discrepancy = self._discrepancy(standardized, sizes)
        row = {}
        for name in _MOMENTS:
            row[name], row[f"{name}_floor"] = found[name], floors[name]
        row["sliced_w2"] = sliced
        # Squared distances of scalars add, so 1 / size is averaged over the scalars.
        row["sliced_w2_floor"] = self.sliced_noise * np.sqrt(
            sum(np.mean(1.0 / size["mean"]) for size in sizes)
        )
        row["mmd2"], row["mmd2_se"], row["mmd2_floor"] = discrepancy
        row["ess_min"] = _extreme(ess(values), np.nanmin) if is_finite else np.nan
        row["rhat_max"] = _extreme(rhat(values), np.nanmax) if is_finite else np.nan
        return row

    def _discrepancy(
        self, rows: Float[np.ndarray, "m p"], sizes: tuple[moments.Statistics, ...]
    ) -> distances.Discrepancy:
        """Maximum mean discrepancy from draws thinned until they are nearly independent.

        Its standard error assumes independent draws.
        """
        independent = [float(1.0 / np.mean(1.0 / size["mean"])) for size in sizes]
        size = int(min(distances.KERNEL_ROWS, len(rows), len(self.rows), *independent))
        size = max(size, MIN_KERNEL_ROWS)
        reference = distances.thinned(self.rows, size)
        return distances.maximum_mean_discrepancy(
            distances.thinned(rows, size), reference, distances.bandwidth(reference)
        )

    def scalar_table(self, method: Draws) -> pd.DataFrame:
        """Errors and floors of one method, one row per scalar."""
        own = moments.statistics(method.rows)
        labels = pd.Index(method.labels, name="variable")
        table = pd.DataFrame({"mean": own["mean"], "sd": np.exp(own["log_sd"])}, index=labels)
        values = method.values[..., self.varies]
        is_finite = bool(np.isfinite(values).all())
        exact = moments.exact_errors(self.noise, *self._sizes(method))
        found = moments.errors(
            {name: part[..., self.varies] for name, part in own.items()}, self.statistics
        )
        for name, error in found.items():
            typical = np.abs(exact[name])
            if error.ndim > 1:  # quantiles: the level with the largest error counts
                worst = np.abs(error).argmax(axis=0)
                error = np.take_along_axis(error, worst[None], axis=0)[0]
                typical = typical.max(axis=1)
            table[f"{name}_error"] = self._placed(np.nan if method is self.draws else error)
            table[f"{name}_error_floor"] = self._placed(np.median(typical, axis=0))
        table["ess_bulk"] = self._placed(ess(values) if is_finite else np.nan)
        table["rhat"] = self._placed(rhat(values) if is_finite else np.nan)
        return table

    def _placed(self, values: np.ndarray | float) -> Float[np.ndarray, " q"]:
        """Numbers of the scalars that vary, with NaN for the others."""
        full = np.full(len(self.varies), np.nan)
        full[self.varies] = values
        return full


def _extreme(values: np.ndarray, which: Callable[[np.ndarray], np.floating]) -> float:
    """The smallest or largest finite value; NaN if there is none."""
    return float(which(values)) if np.isfinite(values).any() else np.nan
