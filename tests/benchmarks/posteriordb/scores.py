"""Checks the density of a model against exact draws, by identities of the score.

For draws u of a density p whose tails vanish, with the score s(u) = grad log p(u),

    E[s] = 0,    E[u_i s_j] = -1 if i = j, else 0.

The draws of posteriordb take the place of the expectation, in the unconstrained space of the
NumPyro model.  A wrong prior, scale or likelihood changes s but not the draws.  The coordinates are
those in which the draws have covariance one, so that each direction counts alike.

    python tests/benchmarks/posteriordb/scores.py path/to/posteriordb

checks every model with all 10,000 draws and prints the largest ratio of a mean to its standard
error.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

#: Largest ratio of a mean to its standard error for a correct density.  One of the 3,058 ratios of
#: all models exceeds it in 0.8 % of samples (t distribution, 99 degrees of freedom).  For a normal
#: posterior, 10,000 draws detect a shift of the mean by 0.1 sd or an sd that is wrong by 7 % (their
#: ratios are 10), and 400 draws five times as much.
LIMIT = 5.0


def latent_sites(name: str, draws: dict[str, np.ndarray], data: dict[str, Any]) -> Any:
    """Values of the latent sites, where posteriordb has those of other quantities."""
    draws = {key: np.asarray(value, float) for key, value in draws.items()}
    if name == "eight_schools-eight_schools_noncentered":
        theta = draws.pop("theta")
        draws["theta_trans"] = (theta - draws["mu"][:, None]) / draws["tau"][:, None]
    if name == "gp_pois_regr-gp_pois_regr":
        distance = (data["x"][:, None] - data["x"][None, :]) / draws["rho"][:, None, None]
        covariance = draws["alpha"][:, None, None] ** 2 * np.exp(-0.5 * distance**2)
        factor = np.linalg.cholesky(covariance + 1e-10 * np.eye(len(data["x"])))
        draws["f_tilde"] = np.linalg.solve(factor, draws.pop("f")[..., None])[..., 0]
    return draws


def scores(model: Any, data: dict[str, Any], draws: dict[str, np.ndarray]) -> tuple[Any, Any]:
    """Unconstrained draws (n, d) and the gradients of the log density there."""
    import jax
    from jax.flatten_util import ravel_pytree
    from numpyro.infer.util import potential_energy, unconstrain_fn

    def one(values: Any) -> tuple[Any, Any]:
        place = unconstrain_fn(model, (), data, values)
        flat, unravel = ravel_pytree(place)
        slope = jax.grad(lambda u: -potential_energy(model, (), data, unravel(u)))(flat)
        return flat, slope

    # One draw at a time: the data of some models are large.
    places, slopes = jax.jit(lambda values: jax.lax.map(one, values, batch_size=20))(draws)
    return np.asarray(places), np.asarray(slopes)


def ratios(places: np.ndarray, slopes: np.ndarray, num_batches: int) -> np.ndarray:
    """Means of the identities divided by their standard errors, (d + 1, d).

    Standard errors are those of the means of batches of consecutive draws, which are valid for
    draws that depend on their neighbors.
    """
    centered = places - places.mean(0)
    factor = np.linalg.cholesky(np.cov(centered.T).reshape(len(centered.T), -1))
    white = np.linalg.solve(factor, centered.T).T
    score = slopes @ factor
    terms = white[:, :, None] * score[:, None, :] + np.eye(score.shape[1])
    terms = np.concatenate([score[:, None, :], terms], axis=1)
    means = terms.reshape(num_batches, -1, *terms.shape[1:]).mean(1)
    return means.mean(0) / (means.std(0, ddof=1) / np.sqrt(num_batches))


def largest_ratio(name: str, draws: dict[str, np.ndarray], num_batches: int) -> float:
    """The largest absolute ratio for a posterior of the collection."""
    from benchmarks.posteriordb import collection

    posterior = collection.load(name)
    data = posterior.numpyro_kwargs
    sites = latent_sites(name, draws, data)
    places, slopes = scores(posterior.numpyro_model, data, sites)
    assert places.shape[1] == posterior.dim
    return float(np.abs(ratios(places, slopes, num_batches)).max())


def main() -> None:
    """The command line."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from benchmarks.posteriordb import build, collection

    repository = build.Repository(sys.argv[1])
    for name, entry in collection.ENTRIES.items():
        columns, chains = build.official_draws(repository, entry.reference or name)
        if chains is None:
            print(f"{name}: the repository has no draws", flush=True)
            continue
        draws = collection.by_variable(columns, chains.reshape(-1, len(columns)))
        print(f"{name}: {largest_ratio(name, draws, 100):.2f}", flush=True)


if __name__ == "__main__":
    main()
