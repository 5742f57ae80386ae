"""``smc_from``: tempered sequential Monte Carlo from the mixture to the posterior."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.stored import resume_mixture
from isogmm.model.checks.keywords import explains_keywords
from isogmm.model.to_target import to_target
from isogmm.progress.progress import Progress
from isogmm.results.building.check_result import check_result
from isogmm.results.building.from_draws import result_of_draws
from isogmm.results.groups import Result, attributes
from isogmm.samplers.modes import modes_of
from isogmm.samplers.tempering import tempered
from isogmm.validation import seed_of, whole_number


@explains_keywords
def smc_from(
    idata: Result,
    model: object = None,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    draws: int = 1000,
    chains: int = 4,
    target_ess: float = 0.7,
    num_moves: int = 4,
    random_seed: object = None,
    progressbar: bool = True,
) -> Result:
    """Adaptive tempered SMC (BlackJAX) from the fitted mixture q to the posterior, with evidence.

    Particles move through the distributions π_λ ∝ q^(1-λ) π^λ.  Each λ is chosen such that the
    effective sample size of the weights is ``target_ess`` times the number of particles.  Then
    particles are resampled and moved by Hamiltonian Monte Carlo.  Its mass matrix comes from the
    mixture, and its step size is adapted to the acceptance rate.  Because q is normalized, the
    product of the mean weights estimates the evidence itself (Del Moral, Doucet and Jasra 2006).

    Parameters
    ----------
    idata
        The result of :func:`isogmm.fit_isogmm`.
    model, *model_args, model_kwargs
        The model that was fitted, with its arguments.
    draws, chains
        Number of particles, and number of independent runs.  The standard error of the evidence
        is estimated from the runs.
    target_ess
        Relative effective sample size, between 0 and 1.
    num_moves
        Transitions of each particle at each temperature.
    random_seed
        An int, a list of ints, a NumPy Generator or a JAX key.
    progressbar
        Show a line with the run, the inverse temperature λ and the elapsed time, on terminals and
        in notebooks only.

    Returns
    -------
    InferenceData or DataTree
        The particles, equally weighted, with one chain per run.  Attributes are
        ``log_evidence``, ``log_evidence_se``, ``num_temperatures`` and
        ``num_gradient_evaluations``.

    Raises
    ------
    OptionError
        If ``idata`` is not a fit of this model, an option is invalid, or the posterior is not
        reached within 200 temperatures.
    MissingPackageError
        If BlackJAX is not installed.
    """
    draws, chains = whole_number("draws", draws), whole_number("chains", chains)
    num_moves = whole_number("num_moves", num_moves)
    if not 0 < target_ess < 1:
        raise OptionError(f"target_ess must lie between 0 and 1, not {target_ess}")
    begin = time.perf_counter()
    seed = seed_of(random_seed)
    with Progress(progressbar, "tracing and compiling the model") as progress:
        target = to_target(model, model_args, model_kwargs or {}, seed)
        check_result(target)
        mixture = resume_mixture(idata, target).pooled()
        modes = modes_of(idata, target)
        covariance = np.asarray(sum(mode.mass * mode.covariance for mode in modes))
        generator = np.random.default_rng(seed)
        with target.precision():
            runs = tempered(
                target,
                mixture,
                covariance,
                target_ess=target_ess,
                num_moves=num_moves,
                shape=(chains, draws),
                generator=generator,
                progress=progress,
            )
    positions = np.stack([run.positions for run in runs])
    log_evidence, log_evidence_se = _evidence([run.log_evidence for run in runs])
    return result_of_draws(
        target,
        positions,
        library="blackjax",
        seed=seed,
        attributes={
            "algorithm": "smc_from",
            "sampling_time": time.perf_counter() - begin,
            "log_evidence": log_evidence,
            "log_evidence_se": log_evidence_se,
            "num_temperatures": int(max(run.num_temperatures for run in runs)),
            "acceptance": float(np.mean([run.acceptance for run in runs])),
            "num_gradient_evaluations": int(sum(run.num_gradients for run in runs)),
            "fit_num_gradient_evaluations": attributes(idata).get("num_gradient_evaluations"),
        },
        sample_stats={"log_q": np.stack([mixture.log_prob(chain) for chain in positions])},
    )


def _evidence(log_evidences: Sequence[float]) -> tuple[float, float | None]:
    """Log of the mean evidence of all runs, and its standard error if there are several."""
    values = np.array(log_evidences)
    relative = np.exp(values - values.max())
    log_mean = float(values.max() + np.log(relative.mean()))
    if len(values) < 2:
        return log_mean, None
    return log_mean, float(relative.std(ddof=1) / np.sqrt(len(values)) / relative.mean())
