"""The default fit in the units of the sampling literature, on the models of its benchmarks.

    python tests/benchmarks/sampler_units.py --reference references --json units.json

The literature reports the gradients of one chain until the worst second moment has a bias of at
most 0.1 standard deviations of x² (Hoffman and Sountsov 2022; Robnik, Cohn-Gordon and Seljak
2025).  A fit evaluates many points at a time and ends on its own.  The table has its number of
gradients, the number of evaluations one after the other (batches), and this error at the end:
the largest of |mean of x² - E[x²]| / sd[x²] over the coordinates.

Models without exact draws need a reference: NUTS, 4 chains, stored in the folder as
``NAME.npz`` on the first run.  It takes about ten minutes; the fits take two.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import metrics
from benchmarks.run import append_json, markdown
from benchmarks.sampler_models import MODELS, SamplerModel

Row = dict[str, Any]

#: Exact draws of a reference, and draws of each of the four chains of NUTS.
NUM_EXACT, NUM_NUTS = 200_000, 3_000
COLUMNS = (
    ("name", "posterior", ""),
    ("dim", "d", "d"),
    ("gradients", "gradients", ",d"),
    ("sequential", "evaluations one after the other", ",d"),
    ("second_moment", "second moments", ".3f"),
    ("mean_max", "mean, worst", ".3f"),
    ("sd_max", "log sd, worst", ".3f"),
    ("verdict", "verdict", ""),
    ("processor", "processor s", ".0f"),
)


def nuts(model: SamplerModel, num_warmup: int, num_samples: int, seed: int) -> Row:
    """Draws (4, n, d) of NumPyro's NUTS, and the leapfrog steps of each chain."""
    import jax
    from numpyro.infer import MCMC, NUTS

    kernel = NUTS(potential_fn=lambda v: -model.log_density(v["x"]), target_accept_prob=0.9)
    mcmc = MCMC(
        kernel, num_warmup=num_warmup, num_samples=num_samples, num_chains=4,
        chain_method="vectorized", progress_bar=False,
    )  # fmt: skip
    starts = np.random.default_rng(seed).uniform(-1.0, 1.0, (4, model.dim))
    mcmc.run(jax.random.key(seed), extra_fields=("num_steps",), init_params={"x": starts})
    return {
        "draws": np.asarray(mcmc.get_samples(group_by_chain=True)["x"]),
        "steps": np.asarray(mcmc.get_extra_fields()["num_steps"]),
    }


def reference_draws(model: SamplerModel, key: str, folder: Path) -> np.ndarray:
    """Draws (chain, n, d): exact ones, or those of a long run of NUTS, stored in the folder."""
    if model.exact is not None:
        return model.exact(np.random.default_rng(99), NUM_EXACT)[None]
    path = folder / f"{key}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = nuts(model, 1_000, NUM_NUTS, 11)
        np.savez_compressed(path, draws=found["draws"].astype(np.float32), steps=found["steps"])
    with np.load(path) as stored:
        return stored["draws"].astype(float)


def squares_of(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of x² by coordinate, from draws (chain, n, d)."""
    squares = reference.reshape(-1, reference.shape[-1]) ** 2
    return squares.mean(axis=0), squares.std(axis=0)


def second_moment_error(draws: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> float:
    """The largest bias of a second moment over the coordinates, in sds of x²."""
    bias = (draws.reshape(-1, draws.shape[-1]) ** 2).mean(axis=0) - mean
    return float(np.abs(bias / sd).max())


def smallest_ess(draws: np.ndarray) -> float:
    """The smallest effective sample size of x and x² over the coordinates."""
    from numpyro.diagnostics import effective_sample_size

    return float(min(effective_sample_size(x).min() for x in (draws, draws**2)))


def measure(key: str, folder: Path, seed: int) -> Row:
    """One fit: its costs and its errors."""
    import isogmm
    from isogmm.model.fit_target import FitTarget

    model = MODELS[key]()
    reference = reference_draws(model, key, folder)
    batches = 0
    evaluated = FitTarget._evaluated

    def counted(self: Any, positions: Any, **options: bool) -> Any:
        nonlocal batches
        batches += 1
        return evaluated(self, positions, **options)

    FitTarget._evaluated = counted  # type: ignore[method-assign]
    begin = time.process_time()
    try:
        example = isogmm.LogDensity(model.log_density, np.zeros(model.dim), names="x")
        result = isogmm.fit_isogmm(example, random_seed=seed, progressbar=False)
    finally:
        FitTarget._evaluated = evaluated  # type: ignore[method-assign]
    draws = np.asarray(result["posterior"]["x"])
    known = metrics.Reference.from_draws({"x": reference.reshape(-1, model.dim)})
    if model.squares is not None:
        known.sd["x"][1:] = np.nan
    row = {
        "name": model.name,
        "dim": model.dim,
        "seed": seed,
        "gradients": int(result.attrs["num_gradient_evaluations"]),
        "stage_gradients": json.loads(result.attrs["stage_gradient_evaluations"]),
        "sequential": batches,
        "second_moment": second_moment_error(draws, *(model.squares or squares_of(reference))),
        "verdict": result.attrs["verdict"],
        "advice": result.attrs["advice"],
        "processor": time.process_time() - begin,
        **metrics.compare({"x": draws}, known),
    }
    if model.exact is None:
        row["reference_ess"] = smallest_ess(reference)
    return row


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reference", type=Path, required=True, help="folder of the references")
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    arguments = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)
    for key in arguments.models:
        row = measure(key, arguments.reference, arguments.seed)
        if arguments.json:
            append_json(arguments.json, row)
        print(markdown([row], COLUMNS), flush=True)
        if "reference_ess" in row:
            print(f"smallest effective sample size of the reference: {row['reference_ess']:.0f}")


if __name__ == "__main__":
    main()
