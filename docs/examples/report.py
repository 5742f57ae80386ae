"""What a fit says of itself, in a terminal and as a page of its own, beside two of its plots.

    python docs/examples/report.py [numpyro|pymc]

Writes ``report.html`` and the plots to the folder ``demo_output``.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import matplotlib.pyplot as plt
from demo_models import PROBLEMS

import isogmm


def main(language: str = "numpyro", folder: Path = Path("demo_output")) -> Path:
    """Fit, print the report, write it as HTML; the file."""
    model, *args = PROBLEMS["fuel_economy"].models[language]()
    idata = isogmm.fit_isogmm(model, *args, random_seed=1, progressbar=False)
    report = isogmm.report(idata)
    print(report)
    folder.mkdir(exist_ok=True)
    path = folder / f"report-{language}.html"
    path.write_text(report._repr_html_(), encoding="utf-8")
    for plot in (isogmm.plot_elbo, isogmm.plot_modes):
        plot(idata)
        plt.gcf().savefig(folder / f"{plot.__name__}-{language}.png", dpi=120)
    plt.close("all")
    return path


if __name__ == "__main__":
    main(*sys.argv[1:2])
