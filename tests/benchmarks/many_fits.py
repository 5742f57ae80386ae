"""Processor seconds of warm fits with 15 parameters, in one process and in two.

    python tests/benchmarks/many_fits.py 60

The argument is the number of data sets.  Prints the numbers of docs/many_fits.md.  Other programs
make the wall time of a study longer, so the speed-up of two processes comes from processor seconds:
those of the workers, and those of the process that distributes the data sets.  ``thread`` is the
part of a fit that runs in the thread of Python.  60 data sets take about five minutes.
"""

import statistics
import sys
import time
import warnings

import jax
import numpy as np

import isogmm

#: Fits of the study for which the speed-up is computed.
NUM_FITS = 1_000
#: The same seeds for the study of one process and for that of two.
SEED = 1


def timed_fit(*arguments, **options):
    """A default fit, with its times as attributes."""
    begin = time.process_time(), time.thread_time()
    idata = isogmm.fit_isogmm(*arguments, **options)
    end = time.process_time(), time.thread_time()
    idata.attrs["processor"], idata.attrs["thread"] = (end[i] - begin[i] for i in range(2))
    # After the first fit of a worker this includes the imports and the compilation.
    idata.attrs["since_start"] = end[0]
    return idata


def hierarchy(y):
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("group", 12):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
    numpyro.sample("y", dist.Normal(np.repeat(np.eye(12), 10, axis=0) @ theta, sigma), obs=y)


def logistic(x, y):
    import numpyro
    import numpyro.distributions as dist

    a = numpyro.sample("a", dist.Normal(0, 2))
    b = numpyro.sample("b", dist.Normal(0, 1).expand([14]).to_event(1))
    numpyro.sample("y", dist.Bernoulli(logits=a + x @ b), obs=y)


def pymc_hierarchy():
    import pymc as pm

    with pm.Model() as model:
        y = pm.Data("data", np.zeros(120))
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfNormal("tau", 2)
        theta = pm.Normal("theta", mu, tau, shape=12)
        pm.Normal("y", theta[np.repeat(np.arange(12), 10)], pm.HalfNormal("sigma", 1), observed=y)
    return model


def studies(number):
    """Name, model and data sets."""
    rng = np.random.default_rng(0)
    groups = [np.repeat(rng.normal(1, 1, 12), 10) + rng.normal(0, 0.7, 120) for _ in range(number)]
    x, binary = rng.normal(size=(100, 14)), []
    for _ in range(number):
        probability = 1 / (1 + np.exp(-x @ rng.normal(0, 0.5, 14)))
        binary.append((x, (rng.uniform(size=100) < probability).astype(int)))
    yield "NumPyro, centered hierarchy", hierarchy, [(y,) for y in groups]
    yield "NumPyro, logistic regression", logistic, binary
    yield "PyMC, centered hierarchy", pymc_hierarchy(), [{"data": y} for y in groups]


def study(model, datasets, executor):
    """Times of the fits, and the processor seconds of this process outside of them."""
    begin = time.process_time()
    results = isogmm.fit_many(
        model, datasets, fit=timed_fit, executor=executor, random_seed=SEED, progressbar=False
    )
    spent = time.process_time() - begin
    times = {
        name: [each.attrs[name] for each in results]
        for name in ("processor", "thread", "since_start")
    }
    return times, spent - (0 if executor else sum(times["processor"]))


def speed_up(first, warm, rest, start, in_worker, parent):
    """Processor seconds of a study in one process, over those of each core with two workers.

    Parameters
    ----------
    first, warm, rest
        One process: its first fit, the mean of the others, and what is spent outside of each fit.
    start, in_worker, parent
        Two processes: a worker up to the end of its first fit, the mean of its other fits, and what
        the process that distributes the data sets spends on each.
    """
    serial = first + (NUM_FITS - 1) * warm + NUM_FITS * rest
    return serial / (start + (NUM_FITS / 2 - 1) * in_worker + NUM_FITS / 2 * parent)


def main(number):
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")
    print("| model | first fit | warm fit | of it in Python's thread | slowest warm fit ", end="")
    print("| warm fit in a worker | start of a worker | per data set in the parent | speed-up |")
    print("|" + " --- |" * 9)
    for name, model, datasets in studies(number):
        one, rest = study(model, datasets, None)
        two, parent = study(model, datasets, 2)
        warm, start = one["processor"][1:], statistics.mean(sorted(two["since_start"])[:2])
        in_worker = sorted(two["processor"])[:-2]  # without the first fits of the two workers
        shown = [
            one["processor"][0],
            statistics.median(warm),
            statistics.median(one["thread"][1:]),
            max(warm),
            statistics.median(in_worker),
            start,
            parent / number,
        ]
        ratio = speed_up(
            one["processor"][0],
            statistics.mean(warm),
            rest / number,
            start,
            statistics.mean(in_worker),
            parent / number,
        )
        cells = " | ".join(f"{value:.3g} s" for value in shown)
        print(f"| {name} | {cells} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
