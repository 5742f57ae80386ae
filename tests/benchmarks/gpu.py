"""Gradients and whole fits on the devices of this machine: one table for each, in five minutes.

    python tests/benchmarks/gpu.py                 # CPU, and an accelerator if JAX has one
    python tests/benchmarks/gpu.py --small         # seconds; for tests

First the time per gradient by rows per batch, then whole fits: seconds of each stage, and the
number of calls of the model, one after the other.
"""

import argparse
import json
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import isogmm
from isogmm.model.target import Target

ROWS = (8, 32, 128, 512, 2048, 8192)
#: Seconds of one measurement, and of one fit.
SECONDS, FIT_SECONDS = 0.3, 25.0
#: Largest number of intermediate numbers of a batch; larger batches do not fit into memory.
MAX_NUMBERS = {"cpu": 3e8, "gpu": 1e10}


def logistic(small):
    """Logistic regression with 20 coefficients and a million rows; data, density, d, numbers."""
    n, rng = 1_000 if small else 1_000_000, np.random.default_rng(0)
    x = rng.normal(size=(n, 20))
    data = {"x": x, "s": np.where(rng.random(n) < 1 / (1 + np.exp(-x[:, 0])), 1.0, -1.0)}

    def density(b, data):
        return -jnp.sum(jax.nn.softplus(-data["s"] * (data["x"] @ b))) - 0.5 * b @ b

    return density, data, 20, n


def item_response(small):
    """Answers of 400 persons to 100 items (d = 500)."""
    persons, items = (40, 10) if small else (400, 100)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(persons, 1)) - rng.normal(size=items)
    data = {"s": np.where(rng.random(logits.shape) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)}

    def density(z, data):
        logits = z[:persons, None] - z[persons:]
        return -jnp.sum(jax.nn.softplus(-data["s"] * logits)) - 0.5 * z @ z

    return density, data, persons + items, persons * items


def gaussian_process(small):
    """Length scale, amplitude and noise of a Gaussian process; one Cholesky factor a row."""
    n = 20 if small else 200
    t = np.linspace(0, 1, n)
    data = {"t": t, "y": np.sin(6 * t) + 0.2 * np.random.default_rng(0).normal(size=n)}

    def density(z, data):
        squared = (data["t"][:, None] - data["t"]) ** 2
        covariance = jnp.exp(2 * z[1] - 0.5 * squared * jnp.exp(-2 * z[0]))
        factor = jnp.linalg.cholesky(covariance + (1e-4 + jnp.exp(2 * z[2])) * jnp.eye(n))
        white = jax.scipy.linalg.solve_triangular(factor, data["y"], lower=True)
        return -0.5 * white @ white - jnp.log(jnp.diag(factor)).sum() - 0.5 * z @ z

    return density, data, 3, n * n


MODELS = {"logistic": logistic, "item response": item_response, "GP": gaussian_process}


def gradient_table(density, data, dim, numbers, kind, sizes):
    """Microseconds per gradient by rows per batch."""
    batch = jax.jit(jax.vmap(jax.value_and_grad(density), in_axes=(0, None)))
    data, found = jax.device_put(data), {}
    for size in sizes:
        if size * numbers > MAX_NUMBERS["cpu" if kind == "cpu" else "gpu"]:
            break
        points = jax.device_put(0.1 * np.random.default_rng(1).normal(size=(size, dim)))
        jax.block_until_ready(batch(points, data))
        count, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < SECONDS or not count:
            jax.block_until_ready(batch(points, data))
            count += 1
        found[size] = 1e6 * (time.perf_counter() - begin) / (count * size)
    return found


class Calls:
    """Counts the requests of a fit for the model, which follow one another."""

    def __init__(self):
        self.count, self.evaluate = 0, Target.evaluate

    def __enter__(self):
        def counted(target, positions):
            self.count += 1
            return self.evaluate(target, positions)

        Target.evaluate = counted
        return self

    def __exit__(self, *_):
        Target.evaluate = self.evaluate


def whole_fit(density, data, dim, seconds):
    """Seconds by stage, gradients, and calls one after the other."""
    model = isogmm.LogDensity(density, np.zeros(dim), data=data)
    with Calls() as calls, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the time limit is intended
        idata = isogmm.fit_isogmm(model, random_seed=0, max_seconds=seconds, progressbar=False)
    stages = json.loads(idata.attrs["stage_seconds"])
    return stages, sum(json.loads(idata.attrs["stage_gradient_evaluations"]).values()), calls.count


def main(arguments=None):
    """Print both tables for every kind of device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="small models, for tests")
    small = parser.parse_args(arguments).small
    devices = {device.platform: device for device in (jax.devices("cpu")[0], jax.devices()[0])}
    sizes = ROWS[:2] if small else ROWS
    for kind, device in devices.items():
        print(f"{kind}: {device.device_kind}; microseconds per gradient by rows per batch")
        with jax.default_device(device):
            for name, make in MODELS.items():
                made = make(small)
                found = gradient_table(*made, kind, sizes)
                print(f"  {name:14}", *(f"{size}: {us:.3g}" for size, us in found.items()))
    # The library chooses its programs by the default device, which is the accelerator if there
    # is one.  JAX_PLATFORMS=cpu measures the fits on the CPU of such a machine.
    print(f"whole fits on {jax.default_backend()}, at most {FIT_SECONDS} s each")
    for name, make in MODELS.items():
        density, data, dim, _ = make(small)
        seconds = 0.3 if small else FIT_SECONDS
        stages, gradients, calls = whole_fit(density, data, dim, seconds)
        print(f"  {name:14} {gradients:,} gradients in {calls:,} calls; seconds {stages}")


if __name__ == "__main__":
    main()
