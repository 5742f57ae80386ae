"""Eight methods on one model, one call each, and the table that compares them.

    python docs/examples/methods.py [numpyro|pymc]

Writes two pictures to the folder ``demo_output``.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import matplotlib.pyplot as plt
import pandas as pd
from demo_models import PROBLEMS

import isogmm

METHODS = ("nuts", "advi", "fullrank_advi", "laplace", "pathfinder", "svgd", "flow", "alpha_vi")


def main(
    language: str = "numpyro", folder: Path = Path("demo_output"), methods: tuple = METHODS
) -> pd.DataFrame:
    """Fit, compare, draw; the table."""
    model, *args = PROBLEMS["eight_schools"].models[language]()
    results = {"isogmm": isogmm.fit_isogmm(model, *args, random_seed=1, progressbar=False)}
    for name in methods:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a method has to say of itself is not at issue
            results[name] = getattr(isogmm.baselines, name)(model, *args, random_seed=1)
    table = isogmm.compare(results, reference="nuts")
    shown = ["mean_rms", "log_sd_rms", "quantile_rms", "sliced_w2", "rhat_max", "seconds"]
    print(table[[*shown, "gradient_evaluations"]].round(3).to_string())
    worst = isogmm.compare(results, reference="nuts", per_variable=True)
    print(worst.loc["advi"].sort_values("mean_error", key=abs).tail(3).round(3).to_string())

    folder.mkdir(exist_ok=True)
    few = {name: results[name] for name in ("isogmm", "nuts", "advi")}
    isogmm.plot_compare_marginals(few, "nuts", var_names=["mu", "tau"])
    plt.gcf().savefig(folder / f"marginals-{language}.png", dpi=120)
    isogmm.plot_compare_pairs(few, "nuts", ["mu", "tau"])
    plt.gcf().savefig(folder / f"pairs-{language}.png", dpi=120)
    plt.close("all")
    return table


if __name__ == "__main__":
    main(*sys.argv[1:2])
