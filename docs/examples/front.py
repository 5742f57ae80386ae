"""The figure of the front page: three methods on a posterior with two modes.

    python docs/examples/front.py

The position of an object is measured from three beacons that stand almost in a line.  The object
may be on either side of this line, so the posterior has two modes.  A grid gives the exact density,
mass of the upper mode and evidence.  Writes ``docs/images/front.svg`` and prints the numbers that
README quotes.  Takes about a minute.
"""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist

import isogmm

IMAGE = Path(__file__).resolve().parent.parent / "images" / "front.svg"
BEACONS = np.array([[-2.0, 0.0], [0.0, 0.1], [2.0, 0.0]])
DISTANCES = np.array([3.0, 2.2, 2.6])
NOISE, PRIOR_MEAN, PRIOR_SD = 0.3, np.array([0.0, 0.3]), 2.5
#: One color for each chain; distinguishable with color vision deficiency.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
INK = "#30343A"
TITLES = {
    "exact": "exact density",
    "isogmm": "isogmm: both modes",
    "NUTS": "NUTS: chains stuck",
    "ADVI": "ADVI: one mode",
}


def model(beacons, distances):
    """Distances from known places, measured with an error."""
    prior = dist.Normal(jnp.asarray(PRIOR_MEAN), PRIOR_SD).to_event(1)
    position = numpyro.sample("position", prior)
    away = jnp.linalg.norm(position - beacons, axis=1)
    with numpyro.plate("beacon", len(beacons)):
        numpyro.sample("distance", dist.Normal(away, NOISE), obs=distances)


def exact(axis: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Posterior density on a square grid, mass of the upper mode, and log evidence."""
    place = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    away = np.linalg.norm(place[:, :, None] - BEACONS, axis=-1)
    log_joint = (
        -0.5 * (((away - DISTANCES) / NOISE) ** 2).sum(-1)
        - 0.5 * (((place - PRIOR_MEAN) / PRIOR_SD) ** 2).sum(-1)
        - 3 * np.log(NOISE * np.sqrt(2 * np.pi))
        - 2 * np.log(PRIOR_SD * np.sqrt(2 * np.pi))
    )
    cell = (axis[1] - axis[0]) ** 2
    log_evidence = float(np.log(np.exp(log_joint).sum() * cell))
    density = np.exp(log_joint - log_evidence)
    return density, float(density[:, axis > 0].sum() * cell), log_evidence


def share_above(draws: np.ndarray) -> float:
    """Share of the draws in the upper mode."""
    return float((draws[..., 1] > 0).mean())


def notes(results: dict, mass: float, log_evidence: float) -> dict[str, str]:
    """Two lines below each panel: mass of the upper mode and log evidence."""

    def lines(share: float, evidence: float | None) -> str:
        known = "not estimated" if evidence is None else f"{evidence:.2f}".replace("-", "−")
        return f"mass of the upper mode: {share:.2f}\nlog evidence: {known}"

    text = {"exact": lines(mass, log_evidence)}
    for name, result in results.items():
        share = share_above(np.asarray(result["posterior"]["position"]))
        text[name] = lines(share, result.attrs.get("log_evidence"))
    return text


def draw(results: dict, path: Path) -> dict[str, str]:
    """Exact density on the left, then the draws of each method over it."""
    axis = np.linspace(-4, 4, 321)
    density, mass, log_evidence = exact(axis)
    text = notes(results, mass, log_evidence)
    plt.rcParams.update({"svg.hashsalt": "isogmm", "svg.fonttype": "path", "text.color": INK})
    # Fonts are large relative to the figure: it is also read at a width of 400 pixels.
    plt.rcParams.update({"font.size": 14, "axes.titlesize": 16, "axes.titleweight": "bold"})
    figure, panels = plt.subplots(2, 2, figsize=(6.6, 7.4), sharex=True, sharey=True)
    levels = density.max() * np.array([0.02, 0.1, 0.3, 0.6, 1.0])
    for panel, name in zip(panels.flat, ("exact", *results), strict=True):
        alpha = 0.9 if name == "exact" else 0.35
        grid = axis[::4], axis[::4], density[::4, ::4].T
        panel.contourf(*grid, levels=levels, cmap="Greys", alpha=alpha)
        panel.plot(*BEACONS.T, "^", color=INK, ms=7)
        if name != "exact":
            draws = np.asarray(results[name]["posterior"]["position"])
            for chain, color in enumerate(COLORS):
                points = panel.plot(*draws[chain, ::8].T, ".", ms=3.5, color=color)
                points[0].set_rasterized(True)
        panel.set(xlim=(-2.6, 2.6), ylim=(-3.2, 3.2), xticks=[], yticks=[])
        panel.set_title(TITLES[name])
        panel.set_xlabel(text[name], linespacing=1.4, color=INK)
        panel.spines[:].set_color("#B8BCC2")
    figure.tight_layout(h_pad=1.5, w_pad=1.0)
    path.parent.mkdir(exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, facecolor="white", dpi=110)
    plt.close(figure)
    return text


def main(path: Path = IMAGE) -> dict[str, str]:
    """Fit by three methods and draw; the numbers of every panel."""
    arguments = (model, BEACONS, DISTANCES)
    results = {
        "isogmm": isogmm.fit_isogmm(*arguments, random_seed=0, progressbar=False),
        "NUTS": isogmm.baselines.nuts(*arguments, random_seed=0, progressbar=False),
        "ADVI": isogmm.baselines.advi(*arguments, random_seed=0, progressbar=False),
    }
    text = draw(results, path)
    for name, result in results.items():
        share = (np.asarray(result["posterior"]["position"])[..., 1] > 0).mean(axis=1).round(2)
        print(name, text[name].replace("\n", ", "), "by chain:", share, result.attrs.get("verdict"))
    print("exact", text["exact"].replace("\n", ", "), f"-> {path}")
    return text


if __name__ == "__main__":
    main()
