"""Accuracy and cost of fits with hundreds to thousands of parameters.

    python tests/benchmarks/many_parameters.py normal-centered:500,1000 poisson-noncentered:500
    python tests/benchmarks/many_parameters.py --nuts FOLDER poisson-centered:500

Each argument is a model and numbers of groups.  ``normal`` has known variances and one observation
of each group; ``poisson`` and ``bernoulli`` are random intercepts with five.  Their posterior
moments are computed by quadrature.  ``slopes`` is a hierarchical logistic regression with five
coefficients and ``--rows`` rows of each group.  Its reference are the draws of NumPyro's NUTS,
which ``--nuts`` stores in a folder and later runs read from there.  Errors are those of the means,
in standard deviations, and of the log standard deviations: the largest of the hyperparameters, and
the root mean square of all groups.
"""

import argparse
import resource
import time
import warnings
from pathlib import Path

import numpy as np

ROWS_PER_GROUP = 5
NUM_SLOPES = 5
#: Hyperparameters of every model.
HYPER = ("mu", "tau")


def data(kind: str, groups: int, seed: int, rows: int = ROWS_PER_GROUP) -> dict[str, np.ndarray]:
    """Simulated data of one model with this number of rows of each group."""
    generator = np.random.default_rng(seed)
    effects = 1.0 + 0.5 * generator.standard_normal(groups)
    if kind == "normal":
        error = generator.uniform(0.3, 1.0, groups)
        return {"error": error, "y": effects + error * generator.standard_normal(groups)}
    group = np.repeat(np.arange(groups), rows)
    if kind == "poisson":
        return {"group": group, "y": generator.poisson(np.exp(effects[group]))}
    if kind == "bernoulli":
        return {"group": group, "y": generator.binomial(1, 1 / (1 + np.exp(-effects[group])))}
    x = generator.standard_normal((groups, rows, NUM_SLOPES))
    slopes = 0.5 + 0.5 * generator.standard_normal((groups, NUM_SLOPES))
    logits = np.einsum("grk,gk->gr", x, slopes)
    return {"x": x, "y": generator.binomial(1, 1 / (1 + np.exp(-logits)))}


def model(kind: str, groups: int, centered: bool):
    """A NumPyro model, a function of the data."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    width = NUM_SLOPES if kind == "slopes" else 1

    def function(y, error=None, group=None, x=None):
        shape = (width,) if kind == "slopes" else ()
        mu = numpyro.sample("mu", dist.Normal(0.0, 2.0).expand(shape).to_event(len(shape)))
        scale = dist.HalfCauchy(2.0) if kind == "normal" else dist.HalfNormal(1.0)
        tau = numpyro.sample("tau", scale.expand(shape).to_event(len(shape)))
        with numpyro.plate("groups", groups):
            if centered:
                theta = numpyro.sample("theta", dist.Normal(mu, tau).to_event(len(shape)))
            else:
                base = dist.Normal(jnp.zeros(shape), 1.0).to_event(len(shape))
                theta = mu + tau * numpyro.sample("z", base)
        if kind == "normal":
            numpyro.sample("y", dist.Normal(theta, error), obs=y)
        elif kind == "poisson":
            numpyro.sample("y", dist.Poisson(jnp.exp(theta[group])), obs=y)
        elif kind == "bernoulli":
            numpyro.sample("y", dist.Bernoulli(logits=theta[group]), obs=y)
        else:
            logits = jnp.einsum("grk,gk->gr", x, theta)
            numpyro.sample("y", dist.Bernoulli(logits=logits), obs=y)

    return function


def quadrature(given: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means and standard deviations of mu, log tau and theta of the normal model."""
    y, error = given["y"], given["error"]
    log_tau = np.linspace(np.log(1e-4), np.log(20.0), 20001)
    tau = np.exp(log_tau)[:, None]
    precision = 1.0 / (error**2 + tau**2)
    mu_precision = precision.sum(axis=1) + 1.0 / 2.0**2
    mu_mean = (precision * y).sum(axis=1) / mu_precision
    quadratic = (precision * y**2).sum(axis=1) - mu_mean**2 * mu_precision
    log_density = 0.5 * (np.log(precision).sum(axis=1) - np.log(mu_precision) - quadratic)
    log_density += log_tau - np.log1p((tau[:, 0] / 2.0) ** 2)
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    kept = weights > 1e-12
    weights, log_tau, tau, mu_mean, mu_precision = (
        part[kept] for part in (weights, log_tau, tau, mu_mean, mu_precision)
    )
    share = tau**2 / (tau**2 + error**2)  # theta given mu: (1 - share) mu + share y
    theta = (1 - share) * mu_mean[:, None] + share * y
    variance = share * error**2 + (1 - share) ** 2 / mu_precision[:, None]

    def moments(means, variances):
        mean = weights @ means
        return mean, np.sqrt(weights @ (variances + means**2) - mean**2)

    return {
        "mu": moments(mu_mean, 1.0 / mu_precision),
        "tau": moments(log_tau, np.zeros_like(log_tau)),
        "theta": moments(theta, variance),
    }


def grid_quadrature(kind: str, given: dict[str, np.ndarray], centered: bool) -> dict:
    """The same moments of random intercepts, on a grid of (mu, log tau) that is refined once.

    The likelihood of a group depends on the total of its rows only, and few totals differ.
    """
    totals = np.bincount(given["group"], weights=given["y"])
    values, which, counts = np.unique(totals, return_inverse=True, return_counts=True)
    z = np.linspace(-8.0, 8.0, 401)
    box = np.array([[0.0, 2.0], [-2.5, 0.5]])
    for _ in range(3):
        mu, log_tau = (np.linspace(*side, 61) for side in box)
        theta = mu[:, None, None] + np.exp(log_tau)[None, :, None] * z
        cost = np.exp(theta) if kind == "poisson" else np.logaddexp(0.0, theta)
        base = -0.5 * z**2 - ROWS_PER_GROUP * cost
        log_density = -0.5 * (mu[:, None] / 2.0) ** 2 - 0.5 * np.exp(2.0 * log_tau) + log_tau
        inner = []
        for value, count in zip(values, counts, strict=True):
            joint = base + value * theta
            largest = joint.max(axis=-1, keepdims=True)
            shares = np.exp(joint - largest)
            total = shares.sum(axis=-1)
            log_density = log_density + count * (largest[..., 0] + np.log(total))
            inside = theta if centered else np.broadcast_to(z, theta.shape)
            inner.append([(shares * inside**k).sum(axis=-1) / total for k in (1, 2)])
        weights = np.exp(log_density - log_density.max())
        weights /= weights.sum()
        result, new = {}, []
        for name, side, part in (("mu", mu, weights.sum(1)), ("tau", log_tau, weights.sum(0))):
            mean = part @ side
            sd = max(np.sqrt(part @ (side - mean) ** 2), 0.2 * (side[1] - side[0]))
            result[name] = mean, sd
            new.append([mean - 6.0 * sd, mean + 6.0 * sd])
        box = np.array(new)
    first, second = ((weights * np.array(inner)[:, k]).sum(axis=(1, 2)) for k in (0, 1))
    result["theta"] = first[which], np.sqrt(second - first**2)[which]
    return result


def moments_of(draws: dict[str, np.ndarray], centered: bool) -> dict:
    """Means and standard deviations of mu, log tau and the effects; draws (n, ...)."""
    n = len(draws["mu"])
    name = "theta" if centered else "z"
    flat = {
        "mu": draws["mu"].reshape(n, -1),
        "tau": np.log(draws["tau"]).reshape(n, -1),
        "theta": draws[name].reshape(n, -1),
    }
    return {key: (value.mean(axis=0), value.std(axis=0)) for key, value in flat.items()}


def errors(found: dict, reference: dict) -> tuple[float, float, float, float]:
    """Errors of means and log sds: the largest of the hyperparameters, rms of the effects."""
    each = {}
    for name, (mean, sd) in reference.items():
        own_mean, own_sd = found[name]
        each[name] = np.abs(own_mean - mean) / sd, np.abs(np.log(own_sd / sd))
    hyper = [max(float(np.max(each[name][i])) for name in HYPER) for i in (0, 1)]
    effects = [
        float(np.sqrt(np.mean(each["theta"][i] ** 2))) if "theta" in each else np.nan
        for i in (0, 1)
    ]
    return hyper[0], hyper[1], effects[0], effects[1]


def run_nuts(path: Path, function, given: dict, centered: bool, chains: int) -> None:
    """Store moments and the time of NUTS with 1,000 + 1,000 transitions of each chain."""
    import jax
    from numpyro.infer import MCMC, NUTS

    sampler = MCMC(
        NUTS(function),
        num_warmup=1000,
        num_samples=1000,
        num_chains=chains,
        chain_method="sequential",
        progress_bar=False,
    )
    started = time.process_time()
    sampler.run(jax.random.PRNGKey(0), **given)
    draws = {name: np.asarray(value) for name, value in sampler.get_samples().items()}
    seconds = time.process_time() - started
    stored = moments_of(draws, centered)
    arrays = {f"{name}_{i}": value[i] for name, value in stored.items() for i in (0, 1)}
    np.savez(path, seconds=seconds * 4 / chains, **arrays)
    print(f"{path.name}: {seconds:.0f} s", flush=True)


def reference_of(path: Path | None, kind: str, given: dict, centered: bool):
    """The reference moments and the time of NUTS, None where they are not known."""
    seconds = None
    stored = None
    if path is not None and path.exists():
        with np.load(path) as file:
            stored = {n: (file[f"{n}_0"], file[f"{n}_1"]) for n in ("mu", "tau", "theta")}
            seconds = float(file["seconds"])
    if kind == "normal":
        exact = quadrature(given)
        if not centered:
            del exact["theta"]
        return exact, seconds
    if kind in ("poisson", "bernoulli"):
        return grid_quadrature(kind, given, centered), seconds
    return stored, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--reference", type=Path, help="folder of the results of NUTS")
    parser.add_argument("--nuts", action="store_true", help="run NUTS and store its results")
    parser.add_argument("--nuts-chains", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=ROWS_PER_GROUP, help="of each group (slopes)")
    parser.add_argument("--float32", action="store_true", help="compute in single precision")
    arguments = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", not arguments.float32)
    import isogmm

    for case in arguments.cases:
        name, sizes = case.split(":")
        kind, form = name.split("-")
        for size in map(int, sizes.split(",")):
            rows = arguments.rows if kind == "slopes" else ROWS_PER_GROUP
            given, centered = data(kind, size, 1, rows), form == "centered"
            function = model(kind, size, centered)
            path = arguments.reference and arguments.reference / f"{name}_{size}.npz"
            if arguments.nuts:
                run_nuts(path, function, given, centered, arguments.nuts_chains)
                continue
            reference, nuts_seconds = reference_of(path, kind, given, centered)
            for seed in range(arguments.seeds):
                started, wall = time.process_time(), time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    idata = isogmm.fit_isogmm(
                        function,
                        model_kwargs=given,
                        random_seed=seed,
                        progressbar=False,
                        idata_kwargs={"log_likelihood": False},
                        draws=arguments.draws,
                    )
                seconds, wall = time.process_time() - started, time.perf_counter() - wall
                draws = {
                    k: np.asarray(v).reshape(-1, *v.shape[2:])
                    for k, v in idata["posterior"].data_vars.items()
                }
                found = moments_of(draws, centered)
                text = "no reference"
                if reference is not None:
                    text = "hyper {:.3f} / {:.3f}, effects {:.3f} / {:.3f}".format(
                        *errors(found, reference)
                    )
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                attrs = idata.attrs
                nuts = f" (NUTS {nuts_seconds:.0f} s)" if nuts_seconds else ""
                print(
                    f"{name} groups={size} seed={seed} {attrs['verdict']} {text}; "
                    f"{seconds:.1f} s of processor, {wall:.1f} s{nuts}, {memory:.2f} GiB, "
                    f"{attrs['num_gradient_evaluations']:,} gradients, {attrs['iterations']} "
                    f"iterations, stages {attrs.get('stage_seconds')}, "
                    f"gradients {attrs.get('stage_gradient_evaluations')}, "
                    f"{attrs['located_from']}",
                    flush=True,
                )
                if idata.attrs["verdict"] == "unreliable":
                    print("   ", idata.attrs["advice"], flush=True)


if __name__ == "__main__":
    main()
