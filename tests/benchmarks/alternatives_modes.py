"""Several modes and the evidence: the default fit beside SMC and nested sampling.

    python tests/benchmarks/alternatives_modes.py --json modes.json

Targets with known masses and known evidence in ten dimensions.  The other methods need a prior:
N(0, 8²) in each coordinate, which contains all modes; the likelihood is target / prior.  Each
method has a fresh process.  It takes about ten minutes.  Requires ``blackjax``, ``dynesty`` and
``nautilus-sampler``, which isogmm does not depend on.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import cases, metrics
from benchmarks.run import append_json, markdown

Row = dict[str, Any]
#: Draws (n, d), log evidence, its standard error, number of evaluations.
Found = tuple[np.ndarray, float, float, int]

PRIOR_SD, NUM_DRAWS = 8.0, 4_000
TARGETS = ("two_modes_unequal", "five_modes", "five_modes_hidden")
COLUMNS = (
    ("case", "target", ""),
    ("method", "method", ""),
    ("modes_found", "modes", "d"),
    ("total_variation", "total variation", ".3f"),
    ("evidence_error", "log evidence", "+.3f"),
    ("log_evidence_se", "its standard error", ".3f"),
    ("mean_rms", "mean", ".3f"),
    ("evaluations", "evaluations", ",d"),
    ("processor", "processor s", ".0f"),
    ("wall", "s", ".0f"),
    ("verdict", "verdict", ""),
)


def log_prior(x: Any) -> Any:
    """Log density of the prior of the other methods."""
    import jax.numpy as jnp

    dim = x.shape[-1]
    return -0.5 * jnp.sum((x / PRIOR_SD) ** 2) - dim * np.log(PRIOR_SD * np.sqrt(2 * np.pi))


def log_likelihood(case: cases.Case) -> Callable[[Any], Any]:
    """Log of the ratio of target and prior."""
    density = case.log_density
    assert density is not None
    return lambda x: density(x) - log_prior(x)


def smc(case: cases.Case, seed: int) -> Found:
    """BlackJAX's adaptive tempered SMC: 2,000 particles, five HMC moves at each temperature."""
    import blackjax
    import jax
    import jax.numpy as jnp

    count, moves, steps = 2_000, 5, 10
    parameters = {"step_size": 0.5, "inverse_mass_matrix": jnp.ones(case.dim),
                  "num_integration_steps": steps}  # fmt: skip
    algorithm = blackjax.adaptive_tempered_smc(
        log_prior, log_likelihood(case), blackjax.hmc.build_kernel(), blackjax.hmc.init,
        blackjax.smc.extend_params(parameters), blackjax.smc.resampling.systematic,
        target_ess=0.9, num_mcmc_steps=moves,
    )  # fmt: skip
    key, start = jax.random.split(jax.random.key(seed))
    state = algorithm.init(PRIOR_SD * jax.random.normal(start, (count, case.dim)))
    step = jax.jit(algorithm.step)
    evidence, temperatures = 0.0, 0
    while state.tempering_param < 1:
        key, own = jax.random.split(key)
        state, info = step(own, state)
        evidence, temperatures = evidence + float(info.log_likelihood_increment), temperatures + 1
    draws = np.asarray(state.particles)
    return draws, evidence, float("nan"), temperatures * moves * (steps + 1) * count


def nss(case: cases.Case, seed: int) -> Found:
    """BlackJAX's nested slice sampling: 1,000 live points, 2 d slice steps, 100 at a time."""
    import blackjax
    import jax
    from blackjax.ns.utils import finalise, log_weights, sample
    from jax.scipy.special import logsumexp

    algorithm = blackjax.nss(
        log_prior, log_likelihood(case), num_inner_steps=2 * case.dim, num_delete=100
    )
    key, start, last = jax.random.split(jax.random.key(seed), 3)
    state = algorithm.init(PRIOR_SD * jax.random.normal(start, (1_000, case.dim)))
    step, dead = jax.jit(algorithm.step), []
    while state.integrator.logZ_live - state.integrator.logZ > -5.0:
        key, own = jax.random.split(key)
        state, info = step(own, state)
        dead.append(info)
    found = finalise(state, dead)
    evidences = np.asarray(logsumexp(log_weights(last, found), axis=0))
    counts = found.update_info.num_expansions + found.update_info.num_shrink
    draws = np.asarray(sample(last, found, shape=NUM_DRAWS).position)
    return draws, float(evidences.mean()), float(evidences.std()), int(counts.sum())


def _values(case: cases.Case) -> Callable[[np.ndarray], np.ndarray]:
    """Log likelihood of a batch of positions as a NumPy function."""
    import jax

    function = jax.jit(jax.vmap(log_likelihood(case)))
    return lambda x: np.asarray(function(x), float)


def nautilus(case: cases.Case, seed: int) -> Found:
    """Nautilus with its defaults."""
    from nautilus import Prior, Sampler
    from scipy.stats import norm

    prior = Prior()
    for index in range(case.dim):
        prior.add_parameter(f"x{index}", dist=norm(0, PRIOR_SD))
    values = _values(case)

    def likelihood(parameters: dict[str, np.ndarray]) -> np.ndarray:
        return values(np.stack([parameters[f"x{i}"] for i in range(case.dim)], axis=-1))

    sampler = Sampler(prior, likelihood, vectorized=True, seed=seed)
    sampler.run(verbose=False)
    draws, log_weights, _ = sampler.posterior()
    weights = np.exp(log_weights - log_weights.max())
    chosen = np.random.default_rng(seed).choice(len(draws), NUM_DRAWS, p=weights / weights.sum())
    error = 1.0 / np.sqrt(sampler.n_eff)
    return draws[chosen], float(sampler.log_z), float(error), int(sampler.n_like)


def dynesty(case: cases.Case, seed: int) -> Found:
    """dynesty's static nested sampler with 500 live points and its defaults."""
    import dynesty as library
    from scipy.special import ndtri

    values = _values(case)
    sampler = library.NestedSampler(
        lambda x: float(values(x[None])[0]), lambda u: PRIOR_SD * ndtri(u), case.dim,
        rstate=np.random.default_rng(seed),
    )  # fmt: skip
    sampler.run_nested(print_progress=False)
    results = sampler.results
    draws = results.samples_equal(rstate=np.random.default_rng(seed))
    return draws, float(results.logz[-1]), float(results.logzerr[-1]), int(np.sum(results.ncall))


METHODS = {"smc": smc, "nss": nss, "nautilus": nautilus, "dynesty": dynesty}


def worker(name: str, method: str, seed: int) -> None:
    """One run; prints its row."""
    case = cases.load(f"synthetic/{name}")
    row: Row = {}
    if method == "isogmm":
        import isogmm

        result = isogmm.fit_isogmm(case.build()[0], random_seed=seed, progressbar=False)
        draws = np.asarray(result["posterior"]["x"]).reshape(-1, case.dim)
        evidence, error = result.attrs["log_evidence"], result.attrs["log_evidence_se"]
        count, row["verdict"] = result.attrs["num_gradient_evaluations"], result.attrs["verdict"]
    else:
        draws, evidence, error, count = METHODS[method](case, seed)
    row["finished"] = time.time()
    usage = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    assert case.mode_of is not None
    assert case.masses is not None
    counts = np.bincount(case.mode_of(draws), minlength=len(case.masses))
    row |= {
        "processor": sum(u.ru_utime + u.ru_stime for u in usage),
        # Stray draws in the tail of another mode do not count.
        "modes_found": int(np.sum(counts / counts.sum() > 0.1 * case.masses)),
        "modes": len(case.masses),
        "total_variation": metrics.total_variation(counts, case.masses),
        "evidence_error": evidence - case.log_evidence,
        "log_evidence_se": error,
        "evaluations": count,
        **metrics.compare({"x": draws[None]}, case.reference()),
    }
    print("ROW " + json.dumps(row, default=float), flush=True)


def run(name: str, method: str, seed: int, timeout: float) -> Row:
    """One run in a fresh process."""
    row: Row = {"case": name, "method": method, "seed": seed}
    begin = time.time()
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--worker",
             json.dumps([name, method, seed])],
            env=os.environ | {"JAX_ENABLE_X64": "1"},
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return row | {"error": f"no result after {timeout:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("ROW ")]
    if not lines:
        return row | {"error": f"exit {done.returncode}: {done.stderr[-500:]}"}
    found = json.loads(lines[-1][4:])
    return row | found | {"wall": found.pop("finished") - begin}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--methods", nargs="*", default=["isogmm", *METHODS])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--timeout", type=float, default=400.0, help="seconds of one run")
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*json.loads(arguments.worker))
        return
    print(markdown([], COLUMNS), flush=True)
    for name in arguments.targets:
        for method in arguments.methods:
            for seed in arguments.seeds:
                row = run(name, method, seed, arguments.timeout)
                if arguments.json:
                    append_json(arguments.json, row)
                print(markdown([row], COLUMNS).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
