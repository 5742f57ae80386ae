"""Seconds of the first fit of a process, without and with programs on disk.

    python tests/benchmarks/compilation_cache.py

Prints a table for docs/many_fits.md.  It takes about five minutes.
"""

import os
import statistics
import subprocess
import sys
import tempfile

PROCESS = """
import sys, time
begin = time.perf_counter()
import numpy as np
import isogmm
if len(sys.argv) > 2:
    isogmm.enable_compilation_cache(sys.argv[2])
rng = np.random.default_rng(0)
group, y = np.repeat(np.arange(12), 10), rng.normal(size=120)
x = rng.normal(size=(100, 14))
if sys.argv[1] == "PyMC hierarchy":
    import pymc as pm
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfNormal("tau", 2)
        theta = pm.Normal("theta", mu, tau, shape=12)
        pm.Normal("y", theta[group], pm.HalfNormal("sigma", 1), observed=y)
    arguments = ()
else:
    import numpyro, numpyro.distributions as dist
    def hierarchy(y):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfNormal(2))
        sigma = numpyro.sample("sigma", dist.HalfNormal(1))
        with numpyro.plate("group", 12):
            theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta[group], sigma), obs=y)
    def logistic(y):
        a = numpyro.sample("a", dist.Normal(0, 2))
        b = numpyro.sample("b", dist.Normal(0, 1).expand([14]).to_event(1))
        numpyro.sample("y", dist.Bernoulli(logits=a + x @ b), obs=y)
    is_logistic = "logistic" in sys.argv[1]
    model = logistic if is_logistic else hierarchy
    arguments = ((rng.uniform(size=100) < 0.5).astype(int),) if is_logistic else (y,)
imported = time.perf_counter()
isogmm.fit_isogmm(model, *arguments, random_seed=1, progressbar=False)
end = time.perf_counter()
again = time.perf_counter()
isogmm.fit_isogmm(model, *arguments, random_seed=1, progressbar=False)
print(end - imported, end - begin, time.perf_counter() - again)
"""
MODELS = ("NumPyro hierarchy", "NumPyro logistic regression", "PyMC hierarchy")
REPETITIONS = 5


def seconds(*arguments):
    """Of the first fit, of the whole process, and of a second fit."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROCESS, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JAX_ENABLE_X64": "1"},
    )
    return [float(text) for text in done.stdout.split()]


def median(rows, column):
    return statistics.median(row[column] for row in rows)


def main():
    print("| model | first fit | with the cache | ratio | second fit | process, ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            seconds(model, folder)
            pairs = [(seconds(model), seconds(model, folder)) for _ in range(REPETITIONS)]
        cold, cached = zip(*pairs, strict=True)
        first, stored = median(cold, 0), median(cached, 0)
        whole = median(cached, 1) / median(cold, 1)
        print(
            f"| {model} | {first:.2f} s | {stored:.2f} s | {stored / first:.2f} "
            f"| {median(cold, 2):.2f} s | {whole:.2f} |"
        )


if __name__ == "__main__":
    main()
