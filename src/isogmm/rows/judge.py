"""The draws of the surrogate, weighted by the log density of all rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.draws.importance import chosen, effective_sample_size
from isogmm.model.fit_target import FitTarget
from isogmm.model.interrupts import interrupt_is_pending
from isogmm.model.target import Target
from isogmm.recipe.thresholds import MAX_PARETO_K, MIN_RELIABLE_IMPORTANCE_ESS
from isogmm.results.arviz.versions import psis
from isogmm.results.groups import (
    SAMPLE_DIMS,
    Result,
    add_attributes,
    add_group,
    attributes,
    get_group,
    group_names,
)
from isogmm.results.interruption import interruptible
from isogmm.results.labeling.labels import DrawSource, Verdict
from isogmm.rows.blocks import Blocks
from isogmm.rows.density import RowDensity

#: Relative ESS above which the draws need no weights: a mean changes by at most 0.03 standard
#: deviations, the root of 1 / ESS - 1.
MIN_EQUAL_ESS = 0.999
#: How the calls in the advice of a fit of the surrogate begin, and what replaces them.
_OF_ALL_ROWS = "isogmm.fit_isogmm(model, resume=idata, "
_IN_BLOCKS = "isogmm.fit_rows(model, rows, "
#: Largest difference between the log evidence of all rows and that of the surrogate, in nats.  Both
#: are equal if the draws are near the centers where the surrogate was corrected.  The weights of
#: draws in another mode can be equal, although the mode has the wrong mass.
MAX_EVIDENCE_SHIFT = 1.0


@dataclass(frozen=True)
class RowWeights:
    """Importance weights of draws of the surrogate for the posterior of all rows.

    Parameters
    ----------
    log_ratios
        (c n,): log density of all rows minus that of the surrogate.
    log_weights
        (c n,): smoothed by PSIS and normalized.
    pareto_k, relative_ess
        Shape of the tail of the ratios, and their effective sample size per draw.
    """

    log_ratios: Float[np.ndarray, " cn"]
    log_weights: Float[np.ndarray, " cn"]
    pareto_k: float
    relative_ess: float

    @classmethod
    def of(
        cls, of_rows: Float[np.ndarray, " cn"], of_surrogate: Float[np.ndarray, " cn"]
    ) -> "RowWeights":
        """The weights from both log densities of the draws."""
        with np.errstate(invalid="ignore"):
            ratios = of_rows - of_surrogate
        ratios = np.where(np.isfinite(ratios), ratios, -np.inf)
        log_weights, pareto_k = psis(ratios)
        has_weight = np.isfinite(ratios).any()
        ess = effective_sample_size(ratios) / len(ratios) if has_weight else 0.0
        return cls(ratios, log_weights, float(pareto_k), ess)

    @property
    def log_mean(self) -> float:
        """Logarithm of the mean ratio: the log evidence minus that of the surrogate."""
        largest = self.log_ratios.max()
        if not np.isfinite(largest):
            return float("-inf")
        return float(largest + np.log(np.exp(self.log_ratios - largest).mean()))

    @property
    def are_equal(self) -> bool:
        """Whether the draws need no weights."""
        return self.relative_ess >= MIN_EQUAL_ESS

    def problem(self, larger_sample: str) -> str:
        """Why the weights do not support the draws, with a remedy, or an empty text.

        Parameters
        ----------
        larger_sample
            The call of the remedy.
        """
        has_draws = self.relative_ess >= MIN_RELIABLE_IMPORTANCE_ESS
        if not (self.are_equal or (has_draws and self.pareto_k <= MAX_PARETO_K)):
            return (
                f"Pareto k of the importance weights on all rows is {self.pareto_k:.2f}, and their "
                f"effective sample size is {self.relative_ess:.1%} of the draws: the approximation "
                "from the sample of rows misses part of the posterior. Use a larger sample: "
                f"{larger_sample}."
            )
        if not abs(self.log_mean) < MAX_EVIDENCE_SHIFT:
            return (
                "The approximation from the sample of rows differs from the log density of all "
                f"rows by {abs(self.log_mean):.1f} nats at the draws: the draws may come from a "
                f"mode that is unlikely given all rows. Use a larger sample: {larger_sample}."
            )
        return ""


def log_density_of_rows(
    target: Target, density: RowDensity, blocks: Blocks, positions: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " n"], str]:
    """The log density of all rows at the draws, in one pass.

    If the pass fails or is interrupted, the values are NaN, and a sentence says why; the draws are
    not lost.
    """
    failure = "was interrupted"
    with interruptible(FitTarget.of(target)):
        try:
            return density.values(positions, blocks), ""
        except Exception as error:  # of the function that reads the data, or of JAX
            if interrupt_is_pending():
                raise
            failure = f"failed ({type(error).__name__}: {error})"
    return np.full(len(positions), np.nan), (
        f"The draws have no importance weights, because the last pass over the data {failure}. "
        "Repeat the fit."
    )


def judged(
    idata: Result, of_rows: Float[np.ndarray, "c n"], problem: str, generator: np.random.Generator
) -> Result:
    """The result with the verdict of the weights; draws are chosen by them where that is needed.

    Parameters
    ----------
    idata
        The fit of the surrogate, with the attribute ``sample_rows``.
    of_rows
        The log density of all rows at the draws, or NaN.
    problem
        A sentence about another reason why the draws are unreliable, or an empty text.
    generator
        Random numbers.
    """
    known = attributes(idata)
    statistics = get_group(idata, "sample_stats")
    weights = RowWeights.of(of_rows.ravel(), statistics["lp"].values.ravel())
    add_group(idata, "sample_stats", statistics.assign(lp=(SAMPLE_DIMS, of_rows)))
    problem = problem or weights.problem(_larger_sample(known))
    verdict = Verdict(known["verdict"])
    advice = str(known["advice"]).replace(_OF_ALL_ROWS, _IN_BLOCKS)
    changes: dict[str, object] = {
        "pareto_k": weights.pareto_k,
        "importance_ess": weights.relative_ess * weights.log_ratios.size,
        "log_evidence": float("nan"),
        "log_evidence_se": float("nan"),
    }
    if problem:
        advice = problem if verdict is not Verdict.UNRELIABLE else f"{problem} {advice}"
        verdict = Verdict.UNRELIABLE
    else:
        changes |= _evidence(known, weights)
    if not problem and not weights.are_equal and verdict is not Verdict.UNRELIABLE:
        count = weights.log_weights.size
        index = chosen(weights.log_weights, count, generator, may_repeat=True)
        idata = _selected(idata, index)
        verdict = Verdict.REWEIGHTED
        advice = (
            "The draws were selected by importance weights on all rows (Pareto k "
            f"{weights.pareto_k:.2f}). Use the draws like those of MCMC."
        )
        changes["draws_from"] = DrawSource.IMPORTANCE.value
    return add_attributes(idata, {**changes, "verdict": verdict.value, "advice": advice})


def _larger_sample(known: Mapping[str, object]) -> str:
    """The call with a sample of four times as many rows."""
    return f"isogmm.fit_rows(model, rows, sample_rows={4 * int(str(known['sample_rows'])):_})"


def _evidence(known: Mapping[str, object], weights: RowWeights) -> dict[str, float]:
    """The evidence of all rows: that of the surrogate times the mean of the ratios."""
    ratios = np.exp(weights.log_ratios - weights.log_ratios.max())
    error = ratios.std() / (ratios.mean() * np.sqrt(len(ratios)))
    value, own_error = (float(str(known[name])) for name in ("log_evidence", "log_evidence_se"))
    return {
        "log_evidence": value + weights.log_mean,
        "log_evidence_se": float(np.hypot(own_error, error)),
    }


def _selected(idata: Result, index: np.ndarray) -> Result:
    """The result with these draws, numbered through all chains, in place of its own."""
    for name in ("posterior", "sample_stats", "unconstrained_posterior", "log_prior"):
        if name not in group_names(idata):
            continue
        group = get_group(idata, name)
        changed = {}
        for variable, array in group.data_vars.items():
            if array.dims[:2] == SAMPLE_DIMS:
                values = array.values
                flat = values.reshape(-1, *values.shape[2:])
                changed[variable] = array.copy(data=flat[index].reshape(values.shape))
        add_group(idata, name, group.assign(changed))
    return idata
