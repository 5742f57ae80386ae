"""Empirical Bayes: hyperparameters maximized together with the ELBO."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize

from isogmm.api import fit_isogmm
from isogmm.arrays import split
from isogmm.errors import FitWarning, OptionError, warn_user
from isogmm.model.target import Hyperparameters, Target
from isogmm.model.to_target import to_target
from isogmm.results.fit_group import positions_from
from isogmm.results.groups import add_group, attributes, dataset, get_group
from isogmm.validation import real_number, seed_of, whole_number

#: Draws of q in the expected log joint.
NUM_DRAWS = 2000


def empirical_bayes(
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    maximize: Any = None,
    max_rounds: int = 60,
    tolerance: float = 0.005,
    random_seed: Any = None,
    **fit_options: Any,
) -> Any:
    """Fit the posterior and the hyperparameters φ that maximize the ELBO (type-II likelihood).

    Variational EM (Neal and Hinton 1998): with q fitted at the current φ, the next maximizes
    E_q[log p(y, x; φ)] over the same draws of q by L-BFGS; where q is good this climbs the
    evidence p(y; φ).  Pairs of such steps are extrapolated (SQUAREM, Varadhan and Roland 2008),
    because plain EM crawls where y says little about x.  Each round continues the mixture of the
    one before; a whole fit at the final φ ends it.

    Parameters
    ----------
    model, *model_args, model_kwargs
        As in :func:`isogmm.fit_isogmm`.
    maximize
        NumPyro: names of ``param`` sites, all unless given; their constraints hold.  PyMC: names
        of ``pm.Data``, or a mapping to ``"real"`` and ``"positive"``:
        ``maximize={"tau": "positive"}``.
    max_rounds
        Fits at most, two or more, the last not counted.
    tolerance
        The rounds end when a pair of steps moves no hyperparameter by more than this on its
        unconstrained scale (for a positive one: relatively).
    random_seed
        An int, a NumPy Generator or a JAX key.
    **fit_options
        For the final :func:`isogmm.fit_isogmm`.

    Returns
    -------
    InferenceData or DataTree
        The fit at the maximum, with a group ``empirical_bayes`` of the values and the attributes
        ``empirical_bayes_rounds`` and ``empirical_bayes_converged``.

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
    if target.hyperparameters is None:
        raise OptionError(
            "this model has no hyperparameters to maximize: declare numpyro.param sites in a "
            "NumPyro model, or name floating-point pm.Data of a PyMC model that runs in JAX"
        )
    found = target.hyperparameters([maximize] if isinstance(maximize, str) else maximize)
    climb = _climb(target, found, seed, max_rounds, tolerance)
    with target.precision():
        bound = replace(target, **found.bind(climb.values))
    result = fit_isogmm(bound, random_seed=seed, **fit_options)
    labels: dict[str, Any] = {"dims": target.dims, "coords": target.coords}
    notes = {
        "empirical_bayes_rounds": climb.rounds,
        "empirical_bayes_converged": int(climb.converged),
        "empirical_bayes_gradient_evaluations": climb.num_gradients,
        "sampling_time": time.perf_counter() - begin,
    }
    if not climb.converged:
        warn_user(
            f"isogmm: the hyperparameters still moved after {climb.rounds} rounds; raise "
            "max_rounds, or start nearer."
        )
    result.attrs.update(notes)
    posterior = get_group(result, "posterior").assign_attrs(notes)
    add_group(result, "posterior", posterior)
    return add_group(result, "empirical_bayes", dataset(climb.values, (), **labels, attrs=notes))


@dataclass(frozen=True)
class _Climb:
    values: dict[str, np.ndarray]
    rounds: int
    converged: bool
    num_gradients: int


def _climb(
    target: Target,
    found: Hyperparameters,
    seed: int,
    max_rounds: int,
    tolerance: float,
) -> _Climb:
    """EM steps in pairs, each pair extrapolated, until a pair hardly moves."""
    flat = _Flat(found)
    step = _EMStep(target, found, flat, seed)
    current = second = flat.start
    converged = False
    while step.rounds + 2 <= max_rounds and not converged:
        first = step(current)
        second = step(first)
        change, curve = first - current, second - 2.0 * first + current
        converged = bool(np.abs(second - first).max() < tolerance)
        length = np.linalg.norm(change) / max(float(np.linalg.norm(curve)), 1e-300)
        # One is plain EM; eight is as far as noisy steps can be trusted.
        alpha = float(np.clip(length, 1.0, 8.0))
        current = current + 2.0 * alpha * change + alpha**2 * curve
    # Where an extrapolation leads nobody knows before the next step has been there.
    with target.precision():
        values = flat.values(second)
    return _Climb(values, step.rounds, converged, step.num_gradients)


class _Flat:
    """Hyperparameters as one real vector."""

    def __init__(self, found: Hyperparameters) -> None:
        self._found = found
        self._shapes = {name: np.shape(value) for name, value in found.unconstrained.items()}
        self.start = np.concatenate(
            [np.ravel(value) for value in found.unconstrained.values()]
        ).astype(np.float64)

    def split(self, vector: Any) -> dict[str, Any]:
        return dict(zip(self._shapes, split(vector, self._shapes.values()), strict=True))

    def values(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        reals = {name: jax.numpy.asarray(part) for name, part in self.split(vector).items()}
        return {name: np.asarray(value) for name, value in self._found.to_support(reals).items()}


class _EMStep:
    """φ -> the maximum of E_q[log p(y, x; ·)] with q fitted at φ; remembers the last q."""

    def __init__(
        self,
        target: Target,
        found: Hyperparameters,
        flat: _Flat,
        seed: int,
    ) -> None:
        self._target, self._found, self._flat = target, found, flat
        self._seed = seed
        self._last: Any = None
        self.rounds, self.num_gradients = 0, 0

        def expected(vector: jax.Array, positions: jax.Array, weights: jax.Array) -> jax.Array:
            values = found.to_support(flat.split(vector))
            each = jax.vmap(lambda position: found.log_density(position, values))(positions)
            return -jax.numpy.sum(weights * each)

        self._objective = jax.jit(jax.value_and_grad(expected))

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        with self._target.precision():
            bound = replace(self._target, **self._found.bind(self._flat.values(vector)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # the final fit is judged, these are not
            self._last = fit_isogmm(
                bound,
                random_seed=self._seed,
                draws=NUM_DRAWS // 2,
                chains=2,
                refine=0,
                resume=self._last,
                progressbar=False,
                idata_kwargs={"log_likelihood": False, "log_prior": False},
            )
        self.rounds += 1
        self.num_gradients += int(attributes(self._last)["num_gradient_evaluations"])
        positions = positions_from(self._last).reshape(-1, self._target.dim)
        weights = np.exp(get_group(self._last, "sample_stats")["log_weight"].to_numpy().ravel())

        def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self._objective(vector, positions, weights)
            value, gradient = float(value), np.asarray(gradient, np.float64)
            good = np.isfinite(value) and np.isfinite(gradient).all()
            return (value, gradient) if good else (1e300, np.zeros_like(gradient))

        with self._target.precision():
            return minimize(objective, vector, jac=True, method="L-BFGS-B").x
