"""A logistic regression with 100,000 rows whose posterior is known by importance sampling.

python tests/benchmarks/many_rows_case.py      # writes the reference, about a minute
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import Case
from benchmarks.metrics import Reference

REFERENCE = Path(__file__).resolve().parent / "data" / "many_rows.npz"

NUM_ROWS, DIM = 100_000, 10
#: Draws of the reference in pairs beta + z, beta - z, so that the means are almost exact and the
#: errors of the log sds are 0.014.
NUM_DRAWS = 5_000


@cache
def data() -> tuple[np.ndarray, np.ndarray]:
    """Covariates (n, d) with an intercept, and answers (n,)."""
    rng = np.random.default_rng(100)
    x = rng.standard_normal((NUM_ROWS, DIM))
    x[:, 0] = 1.0
    logits = x @ (0.5 * rng.standard_normal(DIM))
    return x, (rng.random(NUM_ROWS) < 1.0 / (1.0 + np.exp(-logits))).astype(int)


def log_density(beta: np.ndarray) -> np.ndarray:
    """Log likelihood plus the log of the N(0, 1) prior at positions (k, d)."""
    x, y = data()
    logits = beta @ x.T
    return logits @ y - np.logaddexp(0.0, logits).sum(axis=1) - 0.5 * (beta**2).sum(axis=1)


def compute_reference() -> Reference:
    """Newton's method for the mode, then a Gaussian with importance weights."""
    x, y = data()
    beta = np.zeros(DIM)
    for _ in range(20):
        p = 1.0 / (1.0 + np.exp(-(x @ beta)))
        precision = (x * (p * (1 - p))[:, None]).T @ x + np.eye(DIM)
        beta = beta + np.linalg.solve(precision, x.T @ (y - p) - beta)
    factor = np.linalg.inv(np.linalg.cholesky(precision)).T
    rng = np.random.default_rng(0)
    z = rng.standard_normal((NUM_DRAWS // 2, DIM))
    z = np.concatenate([z, -z])
    draws = beta + z @ factor.T
    blocks = [log_density(block) for block in np.array_split(draws, NUM_DRAWS // 100)]
    log_weights = np.concatenate(blocks) + 0.5 * (z**2).sum(axis=1)
    weights = np.exp(log_weights - log_weights.max())
    chosen = rng.choice(NUM_DRAWS, NUM_DRAWS, p=weights / weights.sum())
    found = Reference.from_draws({"beta": draws[chosen]})
    # Moments come from the weights, without the noise of the choice.
    weights /= weights.sum()
    mean = weights @ draws
    found.mean["beta"] = mean
    found.sd["beta"] = np.sqrt(weights @ (draws - mean) ** 2)
    return found


def numpyro_model(x: np.ndarray, y: np.ndarray) -> None:
    """The regression in NumPyro."""
    import numpyro
    import numpyro.distributions as dist

    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([DIM]).to_event(1))
    numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def pymc_model() -> Any:
    """The regression in PyMC."""
    import pymc as pm

    x, y = data()
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 1, shape=DIM)
        pm.Bernoulli("y", logit_p=pm.math.dot(x, beta), observed=y)
    return model


def many_rows(language: str) -> Case:
    """The case in one language."""
    x, y = data()
    build = {
        "numpyro": lambda: (numpyro_model, {"x": x, "y": y}),
        "pymc": lambda: (pymc_model(), {}),
    }[language]
    return Case("many_rows", DIM, language, build, lambda: Reference.read(REFERENCE))


if __name__ == "__main__":
    compute_reference().write(REFERENCE)
