"""Makes the references of the hard models: long NUTS runs, with their R-hat and ESS.

    nice python tests/benchmarks/reference.py growth_centered counts_uniform

Eight chains of 2,500 draws after 1,500 warm-up iterations, in float64, in the non-centered form
where the centered one does not mix; variables are stored as the model under test names them.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import models
from benchmarks.metrics import Reference

CHAINS = 8


def make_reference(
    name: str, num_warmup: int = 1_500, num_samples: int = 2_500, seed: int = 1
) -> Reference:
    """Run NUTS on a hard model and summarize the draws."""
    import jax
    import numpyro
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
    from numpyro.infer import MCMC, NUTS

    jax.config.update("jax_enable_x64", True)
    numpyro.enable_x64()
    model = models.load(name)
    begin = time.perf_counter()
    mcmc = MCMC(
        NUTS(model.numpyro_model, target_accept_prob=0.9),
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.key(seed), **model.numpyro_kwargs, **model.reference_kwargs)
    chains = mcmc.get_samples(group_by_chain=True)
    chains = {key: np.asarray(chains[key]) for key in model.variables}
    divergences = int(np.asarray(mcmc.get_extra_fields(group_by_chain=True)["diverging"]).sum())
    rhat = max(np.max(split_gelman_rubin(value)) for value in chains.values())
    ess = min(np.min(effective_sample_size(value)) for value in chains.values())
    ess_square = min(np.min(effective_sample_size(_squares(v))) for v in chains.values())
    diagnostics = {
        "chains": CHAINS,
        "draws": num_samples,
        "warmup": num_warmup,
        "rhat_max": float(rhat),
        "ess_min": float(ess),
        "ess_square_min": float(ess_square),
        "divergences": divergences,
        "seconds": time.perf_counter() - begin,
        "fingerprint": models.fingerprint(model.numpyro_kwargs),
    }
    rows = {key: value.reshape(-1, *value.shape[2:]) for key, value in chains.items()}
    # At most 1,000 draws, fewer where there are many variables: the files stay below 500 kB.
    scalars = sum(value[0].size for value in rows.values())
    return Reference.from_draws(rows, min(1_000, 100_000 // scalars), diagnostics)


def _squares(chains: np.ndarray) -> np.ndarray:
    """Squared distance to the mean: its ESS is that of the standard deviation."""
    return (chains - chains.mean((0, 1))) ** 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=models.names())
    parser.add_argument("--warmup", type=int, default=1_500)
    parser.add_argument("--samples", type=int, default=2_500)
    arguments = parser.parse_args()
    for name in arguments.names:
        reference = make_reference(name, arguments.warmup, arguments.samples)
        reference.write(models.load(name).reference_path)
        report = {key: round(value, 4) for key, value in reference.diagnostics.items()}
        print(name, report, flush=True)


if __name__ == "__main__":
    main()
