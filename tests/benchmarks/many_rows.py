"""Time and memory of logistic regressions with 20 coefficients by the number of rows of the data.

    python tests/benchmarks/many_rows.py                    # gradients; two minutes
    python tests/benchmarks/many_rows.py --fit 120          # whole fits too, of at most 120 s each

Prints the table of docs/large_data.md.  Every measurement has a fresh process.  Times are
processor times; that of a gradient is the smallest of several evaluations of 128 points.  The
exponent compares it with the time for the number of rows before; 1 is proportional to the rows.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
import warnings

import numpy as np

ROWS, DIM = (10_000, 100_000, 1_000_000), 20
#: Seconds of one measurement of gradients, and points of an evaluation.
SECONDS, POINTS = 3.0, 128


def model_of(rows, precision):
    """The regression as a model, and the bytes of its data."""
    import jax
    import jax.numpy as jnp

    import isogmm

    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, DIM)).astype(precision)
    data = {"x": x, "s": np.where(rng.random(rows) < 1 / (1 + np.exp(-x[:, 0])), 1, -1)}
    data["s"] = data["s"].astype(precision)

    def log_likelihood(b, data):
        return {"s": -jax.nn.softplus(-data["s"] * (data["x"] @ b))}

    def density(b, data):
        return jnp.sum(log_likelihood(b, data)["s"]) - 0.5 * b @ b

    model = isogmm.LogDensity(
        density,
        np.zeros(DIM),
        log_likelihood=log_likelihood,
        data=data,
        x64=precision == "float64",
    )
    return model, sum(array.nbytes for array in data.values())


def measure(rows, precision, fit_seconds):
    """One row of the table, in this process."""
    model, data_bytes = model_of(rows, precision)
    target = model.to_target()
    points = 0.1 * np.random.default_rng(1).normal(size=(POINTS, DIM))
    target.evaluate(points)
    found, begin = [], time.perf_counter()
    while not found or time.perf_counter() - begin < SECONDS:
        before = time.process_time()
        target.evaluate(points)
        found.append((time.process_time() - before) / POINTS)
    row = {
        "rows": rows,
        "precision": precision,
        "batch": target.batch_size,
        "ms": 1e3 * min(found),
        "data": data_bytes / 2**20,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if fit_seconds:
        import isogmm

        before = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            idata = isogmm.fit_isogmm(
                model, random_seed=0, progressbar=False, max_seconds=fit_seconds
            )
        row["fit"] = time.process_time() - before
        row["verdict"] = idata.attrs["verdict"]
        spent = json.loads(idata.attrs["stage_gradient_evaluations"])
        row["gradients"] = ", ".join(
            f"{stage} {count:,}" for stage, count in spent.items() if count
        )
        row["fit_peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def in_fresh_process(*arguments):
    """:func:`measure` in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--fit", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(*json.loads(options.one))))
        return
    columns = ["rows", "precision", "points in a batch", "CPU ms per gradient", "exponent"]
    columns += ["data, MiB", "peak memory, MiB"]
    columns += ["fit, CPU s", "verdict", "peak of the fit, MiB", "gradients"] if options.fit else []
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join(["---"] * len(columns)) + " |")
    for precision in ("float64", "float32"):
        last = None
        for rows in options.rows:
            row = in_fresh_process(rows, precision, options.fit)
            exponent = "" if last is None else f"{slope(last, row):.2f}"
            cells = [f"{rows:,}", precision, row["batch"], f"{row['ms']:.3g}", exponent]
            cells += [f"{row['data']:,.0f}", f"{row['peak']:,.0f}"]
            if options.fit:
                cells += [f"{row['fit']:.0f}", f"`{row['verdict']}`", f"{row['fit_peak']:,.0f}"]
                cells.append(row["gradients"])
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            last = row


def slope(first, second):
    """The exponent of the time per gradient between two numbers of rows."""
    return math.log(second["ms"] / first["ms"]) / math.log(second["rows"] / first["rows"])


if __name__ == "__main__":
    main()
