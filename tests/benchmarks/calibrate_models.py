"""Simulation-based calibration of the library on ten kinds of models.

    python tests/benchmarks/calibrate_models.py               # 100 data sets for each model
    python tests/benchmarks/calibrate_models.py --n 1000 --folder sbc     # can be interrupted
    python tests/benchmarks/calibrate_models.py --only ordered mixture

Parameters are drawn from the prior, data are simulated from them, and each data set is fitted with
the default options.  One row for each model: whether the ranks are uniform, the verdicts, and the
seconds of a fit.  docs/benchmarks.md states the result.
"""

import argparse
import collections
import json
import os
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import isogmm

_rng = np.random.default_rng(0)
GROUPS, X = np.repeat(np.arange(8), 5), _rng.normal(size=(40, 3))
PERSONS, ITEMS = np.repeat(np.arange(15), 8), np.tile(np.arange(8), 15)
TIMES = np.linspace(0.0, 1.0, 20)
STEPS = 40


def regression(x, y):
    slopes = numpyro.sample("slopes", dist.Normal(0, 2).expand([3]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    numpyro.sample("y", dist.Normal(x @ slopes, sigma), obs=y)


def centered(groups, y):
    mean, tau = numpyro.sample("mean", dist.Normal(0, 2)), numpyro.sample("tau", dist.HalfNormal(1))
    effects = numpyro.sample("effects", dist.Normal(mean, tau).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal(effects[groups], 1.0), obs=y)


def noncentered(groups, y):
    mean, tau = numpyro.sample("mean", dist.Normal(0, 2)), numpyro.sample("tau", dist.HalfNormal(1))
    raw = numpyro.sample("raw", dist.Normal(0, 1).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal((mean + tau * raw)[groups], 1.0), obs=y)


def item_response(persons, items, y):
    ability = numpyro.sample("ability", dist.Normal(0, 1).expand([15]).to_event(1))
    difficulty = numpyro.sample("difficulty", dist.Normal(0, 1).expand([8]).to_event(1))
    slope = numpyro.sample("slope", dist.LogNormal(0, 0.5))
    logits = slope * (ability[persons] - difficulty[items])
    numpyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


def poisson_effects(groups, y):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    tau = numpyro.sample("tau", dist.Exponential(2.0))
    effects = numpyro.sample("effects", dist.Normal(0, tau).expand([8]).to_event(1))
    numpyro.sample("y", dist.Poisson(jnp.exp(mean + effects[groups])), obs=y)


def gaussian_process(times, y):
    length = numpyro.sample("length", dist.LogNormal(-1.5, 0.5))
    scale = numpyro.sample("scale", dist.HalfNormal(1))
    sigma = numpyro.sample("sigma", dist.LogNormal(-1, 0.5))
    squared = (times[:, None] - times) ** 2
    covariance = scale**2 * jnp.exp(-0.5 * squared / length**2) + sigma**2 * jnp.eye(times.size)
    numpyro.sample("y", dist.MultivariateNormal(0.0, covariance), obs=y)


class HiddenMarkov(dist.Distribution):
    """Two states, Gaussian emissions of sd 1; the states are summed out."""

    support = dist.constraints.real_vector

    def __init__(self, stay, means, length, validate_args=None):
        self.stay, self.means, self.length = stay, means, length
        super().__init__(event_shape=(length,), validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        first, switches, noise = jax.random.split(key, 3)
        shape = (*sample_shape, self.length)
        start = jax.random.bernoulli(first, 0.5, (*sample_shape, 1))
        switch = jax.random.uniform(switches, shape) > self.stay
        states = (start + jnp.cumsum(switch, axis=-1)) % 2
        return self.means[states] + jax.random.normal(noise, shape)

    def log_prob(self, value):
        emission = dist.Normal(self.means, 1.0).log_prob(value[..., None])
        matrix = jnp.log(jnp.array([[self.stay, 1 - self.stay], [1 - self.stay, self.stay]]))

        def step(forward, emitted):
            return jax.nn.logsumexp(forward[:, None] + matrix, axis=0) + emitted, None

        first = jnp.log(0.5) + emission[0]
        return jax.nn.logsumexp(jax.lax.scan(step, first, emission[1:])[0])


def hidden_markov(y):
    stay = numpyro.sample("stay", dist.Beta(8, 2))
    low = numpyro.sample("low", dist.Normal(-1, 1))
    gap = numpyro.sample("gap", dist.LogNormal(0.5, 0.5))
    numpyro.sample("y", HiddenMarkov(stay, jnp.stack([low, low + gap]), STEPS), obs=y)


def ordered(x, y):
    slopes = numpyro.sample("slopes", dist.Normal(0, 1).expand([3]).to_event(1))
    base = dist.Normal(0, 2).expand([3]).to_event(1)
    cutpoints = numpyro.sample(
        "cutpoints", dist.TransformedDistribution(base, dist.transforms.OrderedTransform())
    )
    numpyro.sample("y", dist.OrderedLogistic(x @ slopes, cutpoints), obs=y)


def simplex(counts):
    concentration = numpyro.sample("concentration", dist.Gamma(2, 1))
    shares = numpyro.sample("shares", dist.Dirichlet(concentration * jnp.ones(5)))
    numpyro.sample("counts", dist.Multinomial(30, shares), obs=counts)


def heavy_tails(x, y):
    slopes = numpyro.sample("slopes", dist.StudentT(3, 0, 1).expand([3]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(1))
    freedom = numpyro.sample("freedom", dist.Gamma(2, 0.2))
    numpyro.sample("y", dist.StudentT(freedom, x @ slopes, sigma), obs=y)


def mixture(y):
    share = numpyro.sample("share", dist.Beta(2, 2))
    means = numpyro.sample("means", dist.Normal(0, 3).expand([2]).to_event(1))
    shares = dist.Categorical(probs=jnp.stack([share, 1 - share]))
    with numpyro.plate("rows", 40):
        numpyro.sample("y", dist.MixtureSameFamily(shares, dist.Normal(means, 1.0)), obs=y)


_y40, _ones = np.zeros(40), np.zeros(120, dtype=int)
_categories = np.tile(np.arange(4), 10)
#: Model function and data of the right shapes.
MODELS = {
    "regression": (regression, (X, _y40)),
    "centered": (centered, (GROUPS, _y40)),
    "noncentered": (noncentered, (GROUPS, _y40)),
    "item_response": (item_response, (PERSONS, ITEMS, _ones)),
    "poisson_effects": (poisson_effects, (GROUPS, np.zeros(40, dtype=int))),
    "gaussian_process": (gaussian_process, (TIMES, np.zeros(20))),
    "hidden_markov": (hidden_markov, (np.zeros(STEPS),)),
    "ordered": (ordered, (X, _categories)),
    "simplex": (simplex, (np.array([6, 6, 6, 6, 6]),)),
    "heavy_tails": (heavy_tails, (X, _y40)),
    "mixture": (mixture, (_y40,)),
}


def measure(name, n, seed, folder=None):
    """The row of one model; with a folder, fits that are in it are not repeated."""
    model, data = MODELS[name]
    begin, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = isogmm.calibrate(
            model,
            *data,
            n=n,
            folder=folder and os.path.join(folder, name),
            random_seed=seed,
            progressbar=False,
        )
    tests = result["uniformity"]
    worst = min(float(tests["p_location"].min()), float(tests["p_scale"].min()))
    quantities = int(tests.sizes["quantity"])
    return {
        "model": name,
        "calibrated": bool(result.attrs["calibrated"]),
        "sentence": result.attrs["calibration"],
        "quantities": quantities,
        "p": min(1.0, 2 * quantities * worst),
        "verdicts": json.loads(result.attrs["verdicts"]),
        "failed": int(result.attrs["num_failed"]),
        "shift": float(result.attrs["detectable_shift"]),
        "seconds": (time.perf_counter() - begin) / n,
        "processor": (time.process_time() - processor) / n,
        "warnings": sorted({str(each.message)[:200] for each in caught}),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--json", help="file for the rows")
    parser.add_argument("--folder", help="folder for the fits; a later run continues from it")
    chosen = parser.parse_args(arguments)
    rows = []
    print("| model | quantities | smallest p, corrected | verdicts | detectable shift | s / fit |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in chosen.only:
        row = measure(name, chosen.n, chosen.seed, chosen.folder)
        rows.append(row)
        verdicts = ", ".join(f"{k} {v}" for k, v in collections.Counter(row["verdicts"]).items())
        print(
            f"| {name} | {row['quantities']} | {row['p']:.2g} | {verdicts} | {row['shift']:.2f} | "
            f"{row['processor']:.2f} |",
            flush=True,
        )
        if chosen.json:
            with open(chosen.json, "w") as file:
                json.dump(rows, file, indent=1)
    return rows


if __name__ == "__main__":
    main()
