"""A picture of How it works: a posterior with two curved modes, and what the mixture makes of it.

Writes ``docs/images/mixture.svg`` beside this script's folder.
"""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

import isogmm

IMAGE = Path(__file__).resolve().parent.parent / "images" / "mixture.svg"
BLUE, GRAY, INK = "#0072B2", "#B8BCC2", "#4A4E54"
EXTENT = (-3.4, 3.4)


def log_density(x):
    """Two moons: a ring of radius 2, heavier at its left and right ends."""
    ring = -0.5 * ((jnp.linalg.norm(x) - 2.0) / 0.4) ** 2
    ends = jnp.logaddexp(-0.5 * ((x[0] - 2.0) / 0.6) ** 2, -0.5 * ((x[0] + 2.0) / 0.6) ** 2)
    return ring + ends


def exact_density(axis: np.ndarray) -> np.ndarray:
    """The same on a square grid, normalized there; first axis is x₁."""
    first, second = np.meshgrid(axis, axis, indexing="ij")
    ring = -0.5 * ((np.hypot(first, second) - 2.0) / 0.4) ** 2
    ends = np.logaddexp(-0.5 * ((first - 2.0) / 0.6) ** 2, -0.5 * ((first + 2.0) / 0.6) ** 2)
    density = np.exp(ring + ends)
    return density / (density.sum() * (axis[1] - axis[0]) ** 2)


def ellipse(mean: np.ndarray, covariance: np.ndarray, **style) -> Ellipse:
    """One standard deviation of a Gaussian."""
    values, vectors = np.linalg.eigh(covariance)
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    return Ellipse(mean, 2 * np.sqrt(values[1]), 2 * np.sqrt(values[0]), angle=angle, **style)


def draw(idata, path: Path) -> None:
    """Density and components on the left, draws beside exact marginals on the right."""
    mixture = isogmm.Mixture.from_idata(idata)[0]  # of the first chain
    draws = np.asarray(idata["posterior"]["x"]).reshape(-1, 2)
    axis = np.linspace(*EXTENT, 161)
    density = exact_density(axis)

    plt.rcParams.update({"svg.hashsalt": "isogmm", "font.size": 9, "axes.labelcolor": INK})
    figure = plt.figure(figsize=(8.4, 3.7), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.0, 1.15))
    plane = figure.add_subplot(grid[:, 0])
    levels = density.max() * np.array([0.03, 0.15, 0.35, 0.6, 0.85, 1.0])
    shades = plane.contourf(
        axis, axis, density.T, levels=levels, cmap="Greys", alpha=0.55, zorder=0
    )
    shades.set_rasterized(True)
    # Components are round where the engine works; the map makes ellipses of them here.
    linear = np.asarray(mixture.affine_map.linear(np.eye(2)))
    shape = linear.T @ linear
    means = np.asarray(mixture.affine_map.forward(np.asarray(mixture.means)))
    weights = np.exp(np.asarray(mixture.log_weights))
    for mean, variance, weight in zip(means, mixture.variances, weights, strict=True):
        strength = float(np.clip(weight / weights.max(), 0.15, 1.0))
        plane.add_patch(
            ellipse(mean, variance * shape, fc="none", ec=BLUE, lw=1.0, alpha=0.75 * strength)
        )
        plane.plot(*mean, ".", color=BLUE, ms=3.0, alpha=strength)
    plane.set(xlim=EXTENT, ylim=EXTENT, aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    for coordinate in range(2):
        panel = figure.add_subplot(grid[coordinate, 1])
        exact = density.sum(axis=1 - coordinate) * (axis[1] - axis[0])
        panel.hist(
            draws[:, coordinate], bins=68, range=EXTENT, density=True, color=BLUE, alpha=0.35,
            label="draws of the fit",
        )  # fmt: skip
        panel.plot(axis, exact, color=INK, lw=1.3, label="exact")
        panel.set(xlim=EXTENT, yticks=[], xlabel=f"$x_{coordinate + 1}$")
        panel.spines[["top", "right", "left"]].set_visible(False)
        if coordinate == 0:
            panel.legend(frameon=False, loc="upper center", fontsize=8)
    plane.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, facecolor="white", dpi=180)
    plt.close(figure)


if __name__ == "__main__":
    target = isogmm.LogDensity(log_density, np.ones(2), names="x")
    options = {"family": "isotropic", "random_seed": 0, "progressbar": False}
    draw(isogmm.fit_isogmm(target, **options), IMAGE)
    print(f"wrote {IMAGE.name} to {IMAGE.parent}")
