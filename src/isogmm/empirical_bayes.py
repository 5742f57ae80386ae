"""Empirical Bayes: hyperparameters that maximize the ELBO together with the posterior."""

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from isogmm.api import fit_isogmm
from isogmm.arrays import Array, split
from isogmm.errors import FitWarning, OptionError, warn_user
from isogmm.model.checks.keywords import explains_keywords
from isogmm.model.target import Hyperparameters, Maximize, Target
from isogmm.model.to_target import to_target
from isogmm.progress.progress import Progress
from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm.results.building.check_result import check_result
from isogmm.results.building.datasets import dataset
from isogmm.results.building.fit_group import positions_from
from isogmm.results.building.result_options import ResultOptions
from isogmm.results.groups import Result, add_group, attributes, get_group
from isogmm.validation import real_number, seed_of, whole_number

#: Draws of q that estimate the expected log joint density, in two chains.
NUM_DRAWS = 2000
#: Longest step of the extrapolation in units of a plain EM step.  The steps are noisy, because
#: each averages over draws, and longer extrapolations of them are unreliable.
MAX_EXTRAPOLATION = 8.0
#: Smallest divisor of the extrapolation, where two steps are equal.
MIN_CURVATURE = 1e-300
#: Objective where the log density or its gradient is not finite; L-BFGS then shortens the step.
NOT_FINITE = 1e300


@functools.partial(explains_keywords, also=[fit_isogmm])
def empirical_bayes(
    model: object = None,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    maximize: str | Maximize = None,
    max_rounds: int = 60,
    tolerance: float = 0.005,
    random_seed: object = None,
    progressbar: bool = True,
    **fit_options: Any,
) -> Result:
    """Fit the posterior and the hyperparameters φ that maximize the ELBO (type-II likelihood).

    This is variational EM (Neal and Hinton 1998).  With q fitted at the current φ, the next φ
    maximizes E_q[log p(y, x; φ)] over the same draws of q by L-BFGS.  If q is accurate, this
    increases the evidence p(y; φ).  Pairs of such steps are extrapolated (SQUAREM, Varadhan and
    Roland 2008), because plain EM is slow if y contains little information about x.  Each round
    continues the mixture of the previous one, and a complete fit at the final φ follows.

    Parameters
    ----------
    model, *model_args, model_kwargs
        As in :func:`isogmm.fit_isogmm`.
    maximize
        NumPyro: names of ``param`` sites, by default all; their constraints hold.  PyMC: names of
        ``pm.Data``, or a mapping from name to ``"real"`` or ``"positive"``:
        ``maximize={"tau": "positive"}``.
    max_rounds
        Maximum number of fits, at least two, without the final fit.
    tolerance
        The rounds end when no hyperparameter changes by this much in the second step of a pair,
        on its unconstrained scale.  For a positive hyperparameter this is a relative change.
    random_seed
        An int, a list of ints, a NumPy Generator or a JAX key.
    progressbar
        Show a line with the round, then that of the final fit, on terminals and in notebooks only.
    **fit_options
        Options of :func:`isogmm.fit_isogmm` for the final fit.

    Returns
    -------
    InferenceData or DataTree
        The fit at the maximum.  The group ``empirical_bayes`` contains the values, and the
        attributes include ``empirical_bayes_rounds`` and ``empirical_bayes_converged``.

    Raises
    ------
    OptionError
        If the model has no such hyperparameters.
    """
    begin = time.perf_counter()
    max_rounds = whole_number("max_rounds", max_rounds, least=2)
    tolerance = real_number("tolerance", tolerance, above=0.0)
    seed = seed_of(random_seed)
    target = to_target(model, model_args, model_kwargs or {}, seed)
    check_result(target, ResultOptions.of(fit_options.get("idata_kwargs")))
    if target.hyperparameters is None:
        raise OptionError(
            "this model has no hyperparameters to maximize: declare numpyro.param sites in a "
            "NumPyro model, or name floating-point pm.Data of a PyMC model that runs in JAX"
        )
    names = [maximize] if isinstance(maximize, str) else maximize
    hyperparameters = target.hyperparameters(names)
    step = _EMStep(target, hyperparameters, _Vectors(hyperparameters), seed)
    with Progress(progressbar, "maximizing over the hyperparameters") as progress:
        progress.show(
            "maximizing over the hyperparameters",
            lambda: f"round {step.rounds + 1} of at most {max_rounds}",
        )
        maximum = _maximum(step, max_rounds, tolerance)
    with target.precision():
        bound = replace(target, **hyperparameters.bind(maximum.values))
    result = fit_isogmm(bound, random_seed=seed, progressbar=progressbar, **fit_options)
    if not maximum.converged:
        warn_user(
            f"isogmm: the hyperparameters still changed after {maximum.rounds} rounds; raise "
            "max_rounds, or use initial values nearer to the maximum."
        )
    attrs = {
        "empirical_bayes_rounds": maximum.rounds,
        "empirical_bayes_converged": int(maximum.converged),
        "empirical_bayes_gradient_evaluations": maximum.num_gradients,
        "sampling_time": time.perf_counter() - begin,
    }
    result.attrs.update(attrs)
    add_group(result, "posterior", get_group(result, "posterior").assign_attrs(attrs))
    group = dataset(maximum.values, (), dims=target.dims, coords=target.coords, attrs=attrs)
    return add_group(result, "empirical_bayes", group)


@dataclass(frozen=True)
class _Maximum:
    """Hyperparameters at the end of the rounds, and what the rounds cost."""

    values: dict[str, np.ndarray]
    rounds: int
    converged: bool
    num_gradients: int


def _maximum(step: "_EMStep", max_rounds: int, tolerance: float) -> _Maximum:
    """Pairs of EM steps, each followed by an extrapolation, until a step is below the tolerance."""
    current = second = step.vectors.initial
    converged = False
    while step.rounds + 2 <= max_rounds and not converged:
        first = step(current)
        second = step(first)
        change, curvature = first - current, second - 2.0 * first + current
        converged = bool(np.abs(second - first).max() < tolerance)
        length = np.linalg.norm(change) / max(float(np.linalg.norm(curvature)), MIN_CURVATURE)
        # A length of one is plain EM.
        alpha = float(np.clip(length, 1.0, MAX_EXTRAPOLATION))
        current = current + 2.0 * alpha * change + alpha**2 * curvature
    # The extrapolated vector has not been tested by a step, so the last step is the result.
    with step.target.precision():
        values = step.vectors.to_values(second)
    return _Maximum(values, step.rounds, converged, step.num_gradients)


class _Vectors:
    """Conversion between hyperparameters and one vector on the real line."""

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        self._to_support = hyperparameters.to_support
        initial = hyperparameters.unconstrained
        self._shapes = {name: np.shape(value) for name, value in initial.items()}
        parts = [np.ravel(value) for value in initial.values()]
        self.initial = np.concatenate(parts).astype(np.float64)

    def split(self, vector: Float[Array, " p"]) -> dict[str, Array]:
        """The unconstrained hyperparameters by name."""
        return dict(zip(self._shapes, split(vector, self._shapes.values()), strict=True))

    def to_values(self, vector: Float[np.ndarray, " p"]) -> dict[str, np.ndarray]:
        """The hyperparameters on their support."""
        reals = {name: jax.numpy.asarray(part) for name, part in self.split(vector).items()}
        return {name: np.asarray(value) for name, value in self._to_support(reals).items()}


class _EMStep:
    """One step of EM: φ -> argmax of E_q[log p(y, x; ·)] with q fitted at φ.

    Each call continues the mixture of the previous call.
    """

    def __init__(
        self, target: Target, hyperparameters: Hyperparameters, vectors: _Vectors, seed: int
    ) -> None:
        self.target, self._hyperparameters = target, hyperparameters
        self.vectors, self._seed = vectors, seed
        self._previous: Result | None = None
        self.rounds, self.num_gradients = 0, 0

        def objective(vector: jax.Array, positions: jax.Array, weights: jax.Array) -> jax.Array:
            values = hyperparameters.to_support(vectors.split(vector))
            log_joint = jax.vmap(lambda position: hyperparameters.log_density(position, values))
            return -jax.numpy.sum(weights * log_joint(positions))

        self._objective = jax.jit(jax.value_and_grad(objective))

    def __call__(self, vector: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        result = self._fit(vector)
        positions = positions_from(result).reshape(-1, self.target.dim)
        weights = np.exp(get_group(result, "sample_stats")["log_weight"].to_numpy().ravel())

        def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self._objective(vector, positions, weights)
            value, gradient = float(value), np.asarray(gradient, np.float64)
            is_finite = np.isfinite(value) and np.isfinite(gradient).all()
            return (value, gradient) if is_finite else (NOT_FINITE, np.zeros_like(gradient))

        with self.target.precision():
            return minimize(objective, vector, jac=True, method="L-BFGS-B").x

    def _fit(self, vector: Float[np.ndarray, " p"]) -> Result:
        """Fit q at these hyperparameters."""
        with self.target.precision():
            fields = self._hyperparameters.bind(self.vectors.to_values(vector))
            bound = replace(self.target, **fields)
        with kept_filters():
            # Only the final fit is reported to the user.
            ignore(FitWarning)
            result = fit_isogmm(
                bound,
                random_seed=self._seed,
                draws=NUM_DRAWS // 2,
                chains=2,
                refine=0,
                resume=self._previous,
                progressbar=False,
                idata_kwargs={"log_likelihood": False, "log_prior": False},
            )
        self._previous = result
        self.rounds += 1
        self.num_gradients += int(attributes(result)["num_gradient_evaluations"])
        return result
