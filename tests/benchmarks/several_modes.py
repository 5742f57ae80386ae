"""Posteriors with several modes whose masses are known, and a network with very many.

    python tests/benchmarks/several_modes.py --only periodogram student --seeds 0 1

Every row prints the verdict, the modes, the error of the log evidence where it is known, the total
variation between the shares of the draws and the true masses, the number of gradients, and the
processor time with imports and compilation.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from scipy.special import gammaln

import isogmm

#: A model, its arguments, its log evidence or NaN, and the total variation of draws or None.
Case = tuple[Any, tuple[Any, ...], float, Callable[[Any], float] | None]


def _draws(idata: Any, name: str) -> np.ndarray:
    values = np.asarray(idata["posterior"][name])
    return values.reshape(values.shape[0] * values.shape[1], -1)


def _distance(labels: np.ndarray, count: int) -> float:
    """Total variation between the shares of labels and equal masses."""
    shares = np.bincount(labels, minlength=count) / len(labels)
    return 0.5 * float(np.abs(shares - 1.0 / count).sum())


def wells() -> Case:
    """2⁵ equal Gaussians at (±3, ..., ±3)."""

    def log_density(v: Any) -> Any:
        x = v["x"]
        wells = jnp.logaddexp(-0.5 * (x - 3.0) ** 2, -0.5 * (x + 3.0) ** 2)
        return jnp.sum(wells - np.log(2.0) - 0.5 * np.log(2.0 * np.pi))

    def distance(idata: Any) -> float:
        return _distance((_draws(idata, "x") > 0) @ 2 ** np.arange(5), 32)

    return isogmm.LogDensity(log_density, {"x": np.zeros(5)}), (), 0.0, distance


def student() -> Case:
    """Ten Student t distributions with two degrees of freedom in 50 dimensions."""
    dim, count, nu = 50, 10, 2.0
    means = np.random.default_rng(3).uniform(-10, 10, (count, dim))
    constant = gammaln((nu + dim) / 2) - gammaln(nu / 2) - 0.5 * dim * np.log(nu * np.pi)

    def log_density(v: Any) -> Any:
        squares = ((v["x"] - means) ** 2).sum(-1)
        return logsumexp(constant - 0.5 * (nu + dim) * jnp.log1p(squares / nu)) - np.log(count)

    def distance(idata: Any) -> float:
        x = _draws(idata, "x")
        return _distance(((means**2).sum(1) - 2.0 * x @ means.T).argmin(axis=1), count)

    return isogmm.LogDensity(log_density, {"x": np.zeros(dim)}), (), 0.0, distance


def periodogram() -> Case:
    """A sine whose frequency is known up to 30; one of about 300 starts reaches its peak."""
    generator, n, top = np.random.default_rng(2), 60, 30.0
    t = np.sort(generator.uniform(0, 10, n))
    y = 1.2 * np.sin(2 * np.pi * 7.3 * t + 0.4) + generator.standard_normal(n)

    def model(y: Any) -> None:
        a, b = (numpyro.sample(name, dist.Normal(0, 2)) for name in ("a", "b"))
        angle = 2 * jnp.pi * numpyro.sample("f", dist.Uniform(0, top)) * t
        numpyro.sample("y", dist.Normal(a * jnp.sin(angle) + b * jnp.cos(angle), 1), obs=y)

    frequencies = np.linspace(0, top, 60_001)[1:]
    logs = []
    for f in frequencies:  # a and b are integrated out
        x = np.stack([np.sin(2 * np.pi * f * t), np.cos(2 * np.pi * f * t)], axis=1)
        precision, projected = np.eye(2) / 4 + x.T @ x, x.T @ y
        square = y @ y - projected @ np.linalg.solve(precision, projected)
        logs.append(-0.5 * (np.linalg.slogdet(precision)[1] + square) - np.log(4.0))
    log_f = np.array(logs) - 0.5 * n * np.log(2 * np.pi)
    weights = np.exp(log_f - log_f.max())
    bins = np.linspace(0, top, 301)
    truth = np.histogram(frequencies, bins, weights=weights / weights.sum())[0]

    def distance(idata: Any) -> float:
        f = _draws(idata, "f").ravel()
        return 0.5 * float(np.abs(np.histogram(f, bins)[0] / len(f) - truth).sum())

    return model, (y,), float(log_f.max() + np.log(weights.mean())), distance


def labels() -> Case:
    """A mixture of four normal distributions whose labels can be exchanged: 24 modes."""
    generator = np.random.default_rng(3)
    means = np.array([-6.0, -2.0, 2.0, 6.0])
    y = means[generator.integers(0, 4, 120)] + 0.7 * generator.standard_normal(120)

    def model(y: Any) -> None:
        weights = numpyro.sample("w", dist.Dirichlet(2.0 * jnp.ones(4)))
        m = numpyro.sample("m", dist.Normal(0, 6).expand([4]))
        sd = numpyro.sample("s", dist.HalfNormal(2))
        parts = dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(m, sd))
        numpyro.sample("y", parts, obs=y)

    def distance(idata: Any) -> float:
        orders = np.argsort(_draws(idata, "m"), axis=1) @ 4 ** np.arange(4)
        _, found = np.unique(orders, return_inverse=True)
        return _distance(found, 24)

    return model, (y,), float("nan"), distance


def curved() -> Case:
    """Two bananas that touch, with masses 0.6 and 0.4."""

    def log_density(v: Any) -> Any:
        x, bend = v["x"], v["x"][0] ** 2 / 4
        heights = jnp.stack([x[1] - bend + 0.3, x[1] + bend + 2.3]) / 0.3
        parts = -0.5 * (x[0] / 2) ** 2 - 0.5 * heights**2 + np.log([0.6, 0.4])
        return logsumexp(parts) - np.log(2 * np.pi * 2.0 * 0.3)

    def distance(idata: Any) -> float:
        return abs(float((_draws(idata, "x")[:, 1] > -1.3).mean()) - 0.6)

    return isogmm.LogDensity(log_density, {"x": np.zeros(2)}), (), 0.0, distance


def network() -> Case:
    """A network with five tanh units, 16 weights and 40 observations: 3,840 equivalent modes."""
    x = np.linspace(-3, 3, 40)
    y = np.sin(x) + 0.1 * np.random.default_rng(4).standard_normal(40)

    def model(y: Any) -> None:
        w1, b1, w2 = (numpyro.sample(n, dist.Normal(0, 1).expand([5])) for n in ("w1", "b1", "w2"))
        hidden = jnp.tanh(x[:, None] * w1 + b1)
        b2 = numpyro.sample("b2", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(hidden @ w2 + b2, 0.1), obs=y)

    return model, (y,), float("nan"), None


CASES = {case.__name__: case for case in (wells, student, periodogram, labels, curved, network)}


def main() -> None:
    """Fit the cases and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    arguments = parser.parse_args()
    for name in arguments.only:
        model, data, log_evidence, distance = CASES[name]()
        for seed in arguments.seeds:
            begin = time.process_time()
            idata = isogmm.fit_isogmm(model, *data, random_seed=seed, progressbar=False)
            a = idata.attrs
            print(
                f"{name:12s} {seed}  {a['verdict']:10s} modes {a['num_modes']:2d}  "
                f"log evidence {a['log_evidence'] - log_evidence:+.4f} "
                f"± {a['log_evidence_se']:.4f}  "
                f"TV {np.nan if distance is None else distance(idata):.3f}  "
                f"{a['num_gradient_evaluations']:9,d} gradients  "
                f"{time.process_time() - begin:.1f} s\n    {a['advice']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
