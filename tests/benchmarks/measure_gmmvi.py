"""ELBO and cost of the methods of ``fit_gmmvi``: the numbers of the page on full covariances.

    export PYTHONPATH=tests
    python tests/benchmarks/measure_gmmvi.py CASES METHODS [COMPONENTS] [CHAINS] [ITERATIONS]

CASES and METHODS are lists with commas.  A case is ``breast_cancer`` (needs scikit-learn),
``five_modes`` or one of the benchmark (``synthetic/...``, ``pdb/...``); a method is a name of
``fit_gmmvi``, or ``isotropic``.  With COMPONENTS every chain starts with so many; a plus sign
behind the number lets methods with an adaptive number go on to twice as many, otherwise it is
kept.  CHAINS is 2 unless given, ITERATIONS a budget other than the default.  Draws are those of
the mixture: neither refining chains nor importance weights take part.
"""

import sys
import time
import warnings
from typing import Any

import numpy as np

import isogmm
from isogmm.errors import FitWarning
from isogmm.inference_data import attributes, get_group


def breast_cancer() -> Any:
    """Bayesian logistic regression, d = 31: features over their sds, N(0, 100) on all."""
    import jax.numpy as jnp
    from sklearn.datasets import load_breast_cancer

    features, labels = load_breast_cancer(return_X_y=True)
    features = features / features.std(axis=0)
    design = jnp.asarray(np.concatenate([np.ones((len(features), 1)), features], axis=1))
    signs = jnp.asarray(2.0 * labels - 1.0)

    def log_density(x: Any) -> Any:
        likelihood = -jnp.sum(jnp.logaddexp(0.0, -signs * (design @ x)))
        prior = -0.5 * jnp.sum(x**2) / 100.0 - 0.5 * 31 * np.log(2 * np.pi * 100.0)
        return likelihood + prior

    return isogmm.LogDensity(log_density, np.zeros(31))


def five_modes() -> Any:
    """Five correlated Gaussians in the plane, normalized."""
    from helpers.targets import GaussianMixtureTruth, rotation

    generator = np.random.default_rng(3)
    axes = [rotation(generator, 2) for _ in range(5)]
    covariances = [(a * generator.uniform(0.3, 3.0, 2)) @ a.T for a in axes]
    weights = np.array([0.3, 0.1, 0.25, 0.2, 0.15])
    means = np.array([[-6.0, -5.0], [6.0, -4.0], [0.0, 1.0], [-5.0, 6.0], [5.0, 6.0]])
    return GaussianMixtureTruth(means, np.stack(covariances), weights).target()


def model_of(case: str) -> tuple[Any, dict[str, Any]]:
    """The model of a case and its keyword arguments."""
    own = {"breast_cancer": breast_cancer, "five_modes": five_modes}
    if case in own:
        return own[case](), {}
    from benchmarks.cases import load

    return load(case).build()


def method_of(name: str, components: str) -> Any:
    """A method with the number of components fixed, or bounded."""
    if name in ("bw", "isotropic") or not components:
        return name
    from isogmm.optimize.gmmvi import PRESETS, AdaptiveNumber, FixedNumber

    if not components.endswith("+") or name == "ibayes":
        return PRESETS[name](number=FixedNumber())
    largest = 2 * int(components[:-1])
    return PRESETS[name](number=AdaptiveNumber(max_components=largest))


def measure(
    case: str, name: str, components: str, chains: int, iterations: int | None, seed: int
) -> str:
    """One fit, as a row of a table."""
    model, model_kwargs = model_of(case)
    options: dict[str, Any] = {"refine": 0, "importance": False, "tolerance": 0.02}
    options |= {
        "max_iterations": iterations,
        "chains": chains,
        "draws": 20_000,
        "random_seed": seed,
        "progressbar": False,
    }
    if components:
        options["num_components"] = int(components.removesuffix("+"))
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        if name == "isotropic":
            idata = isogmm.fit_isogmm(model, model_kwargs=model_kwargs, **options)
        else:
            method = method_of(name, components)
            idata = isogmm.fit_gmmvi(model, model_kwargs=model_kwargs, method=method, **options)
    seconds = time.process_time() - begin
    facts, fit = attributes(idata), get_group(idata, "fit")
    elbos, errors = fit["chain_elbo"].values, fit["chain_elbo_se"].values
    error = np.sqrt((errors**2).sum()) / len(errors)
    return (
        f"| {case} | {name} | {facts['num_components']} | {-elbos.mean():.3f} ± {error:.3f} | "
        f"{facts['pareto_k']:.2f} | {facts['importance_ess'] / 20_000 / chains:.2f} | "
        f"{facts['num_gradient_evaluations'] // chains:,} | {seconds:.0f} | "
        f"{facts['stop_reason']} |"
    )


def main() -> None:
    """Every case by every method."""
    cases, methods = (argument.split(",") for argument in sys.argv[1:3])
    components = sys.argv[3] if len(sys.argv) > 3 else ""
    chains = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    iterations = int(sys.argv[5]) if len(sys.argv) > 5 else None
    print("| case | method | K | -ELBO | Pareto k | ESS share | gradients a chain | s | end |")
    for case in cases:
        for name in methods:
            print(measure(case, name, components, chains, iterations, seed=0), flush=True)


if __name__ == "__main__":
    main()
