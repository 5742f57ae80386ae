"""Fits of a logistic regression with very many rows, in few passes over the data.

    python tests/benchmarks/row_blocks.py                       # a million rows; some minutes
    python tests/benchmarks/row_blocks.py --rows 100000 --methods fit_rows svi

Prints the numbers of docs/large_data.md: the largest errors of the means, in standard deviations,
and of the logarithms of the standard deviations.  The reference is the Laplace approximation of all
rows, from which the posterior of a million rows differs by less than 0.01.
"""

import argparse
import resource
import time
import warnings

import numpy as np

DIM, BATCH = 20, 1_000


def make_data(rows):
    """Predictors and labels."""
    rng = np.random.default_rng(0)
    x, b = rng.normal(size=(rows, DIM)), 0.5 * rng.normal(size=DIM)
    return x, (rng.random(rows) < 1 / (1 + np.exp(-x @ b))).astype(int)


def newton(x, y, b, num_passes):
    """Steps towards the mode, and the Hessian of all rows, with prior N(0, 1)."""
    for _ in range(num_passes):
        p = 1 / (1 + np.exp(-x @ b))
        precision = (x * (p * (1 - p))[:, None]).T @ x + np.eye(DIM)
        score = x.T @ (y - p) - b
        b = b + np.linalg.solve(precision, score)
    return b, precision


def fit_rows(x, y):
    """isogmm.fit_rows: mean, sd, passes, a remark."""
    import jax
    import jax.numpy as jnp

    import isogmm

    def density(b, data):
        eta = data["x"] @ b
        return jnp.sum(data["y"] * eta - jax.nn.softplus(eta)) - 0.5 * b @ b

    data = {"x": x, "y": y}
    model = isogmm.LogDensity(
        density, np.zeros(DIM), names="b", data={k: v[:2] for k, v in data.items()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        idata = isogmm.fit_rows(model, data, random_seed=0, progressbar=False)
    draws = idata["posterior"]["b"].values.reshape(-1, DIM)
    return draws.mean(0), draws.std(0), idata.attrs["passes_over_data"], idata.attrs["verdict"]


def control_variates(x, y, num_passes=1):
    """Natural gradients of one Gaussian from minibatches, with control variates at the mode.

    Two Newton steps from the mode of 10,000 rows, and one pass for the Hessian, precede them.  All
    samples of a step share its minibatch, so that the step size is that of one sample.
    """
    rows, rng = len(x), np.random.default_rng(1)
    mode, _ = newton(x[:10_000], y[:10_000], np.zeros(DIM), 8)
    mode, _ = newton(x, y, mode, 2)
    _, at_mode = newton(x, y, mode, 1)
    mean, precision = mode.copy(), at_mode.copy()
    for step in range(num_passes * rows // BATCH):
        chosen = rng.integers(rows, size=BATCH)
        xs, scale, rho = x[chosen], rows / BATCH, (step + 10.0) ** -0.7
        sample = mean + np.linalg.solve(np.linalg.cholesky(precision).T, rng.normal(size=DIM))
        p, p0 = (1 / (1 + np.exp(-xs @ b)) for b in (sample, mode))
        # The score of all rows and of the prior is zero at the mode.
        score = -scale * xs.T @ (p - p0) - (sample - mode)
        curvature = at_mode + scale * (xs * (p * (1 - p) - p0 * (1 - p0))[:, None]).T @ xs
        score += at_mode @ (sample - mean)  # another control variate, with mean zero under q
        precision = (1 - rho) * precision + rho * curvature
        mean = mean + rho * np.linalg.solve(precision, score)
    return mean, np.sqrt(np.diag(np.linalg.inv(precision))), 3 + num_passes, "none"


def svi(x, y, num_passes=30, step_size=1e-3):
    """NumPyro's SVI with AutoNormal, Adam and minibatches."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    rows = len(x)

    def model(x, y):
        b = numpyro.sample("b", dist.Normal(0, 1).expand([DIM]).to_event(1))
        with numpyro.plate("rows", rows, subsample_size=BATCH):
            numpyro.sample("y", dist.Bernoulli(logits=x @ b), obs=y)

    guide = numpyro.infer.autoguide.AutoNormal(model)
    inference = numpyro.infer.SVI(
        model, guide, numpyro.optim.Adam(step_size), numpyro.infer.Trace_ELBO()
    )
    x, y = jnp.asarray(x), jnp.asarray(y)

    @jax.jit
    def run(state):
        def step(index, state):
            chosen = jax.random.randint(
                jax.random.fold_in(jax.random.key(1), index), (BATCH,), 0, rows
            )
            return inference.update(state, x[chosen], y[chosen])[0]

        return jax.lax.fori_loop(0, num_passes * rows // BATCH, step, state)

    state = run(inference.init(jax.random.key(0), x[:BATCH], y[:BATCH]))
    found = inference.get_params(state)
    return np.asarray(found["b_auto_loc"]), np.asarray(found["b_auto_scale"]), num_passes, "none"


METHODS = {
    "fit_rows": fit_rows,
    "control_variates": control_variates,
    "svi": svi,
    "svi, larger steps": lambda x, y: svi(x, y, step_size=1e-2),
}


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    options = parser.parse_args(arguments)
    x, y = make_data(options.rows)
    mode, precision = newton(x, y, np.zeros(DIM), 8)
    exact = np.sqrt(np.diag(np.linalg.inv(precision)))
    columns = ["method", "passes over the data", "error of means, sd", "error of log sds"]
    columns += ["verdict", "CPU s", "peak, MiB"]
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join(["---"] * len(columns)) + " |")
    for name in options.methods:
        before = time.process_time()
        mean, sd, passes, verdict = METHODS[name](x, y)
        seconds = time.process_time() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        worst = np.abs((mean - mode) / exact).max(), np.abs(np.log(sd / exact)).max()
        cells = [name, passes, f"{worst[0]:.3f}", f"{worst[1]:.3f}", verdict]
        print(
            "| " + " | ".join(map(str, [*cells, f"{seconds:.0f}", f"{peak:,.0f}"])) + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
