"""The pictures of "How it works": stages of a fit on a posterior one can look at.

Writes ``locate``, ``whitening`` and ``refine`` as SVG files into ``docs/images``;
``python docs/examples/pictures.py locate`` writes that one alone.  Each shows a run of the library.
"""

import functools
import os
import sys

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from picture import BLUE, GRAY, IMAGE, INK, ellipse

import isogmm
import isogmm.draws.refine
from isogmm.draws.chains.convergence import independence_threshold, start_correlation
from isogmm.locate.gaussian.batch_and_match import batch_and_match_step, batch_size_for, damping
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.paths.candidates import candidates_from
from isogmm.locate.paths.lbfgs import follow_paths
from isogmm.locate.race.race import KEPT_SHARES

WIDTH = 7.4  # inches; pages show it at about that size
ORANGE, GREEN, PINK = "#D55E00", "#009E73", "#CC79A7"
STYLE = {
    "svg.hashsalt": "isogmm",
    "font.size": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9A9EA4",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def save(figure, name: str) -> None:
    path = IMAGE.with_name(f"{name}.svg")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, facecolor="white", dpi=180)
    plt.close(figure)
    print(f"wrote {path.name}, {path.stat().st_size / 1000:.0f} kB")


def shade(axes, log_density, xlim, ylim, levels=(0.01, 0.08, 0.3, 0.6, 0.85, 1.0)) -> None:
    """The density in gray; the first coordinate is drawn to the right."""
    first, second = np.linspace(*xlim, 161), np.linspace(*ylim, 161)
    values = np.asarray(log_density(np.stack(np.meshgrid(first, second), axis=-1)))
    density = np.exp(values - values.max())
    shades = axes.contourf(first, second, density, levels=levels, cmap="Greys", alpha=0.5, zorder=0)
    shades.set_rasterized(True)
    axes.set(xlim=xlim, ylim=ylim)


def draw_components(axes, mixture, color=BLUE, in_whitened: bool = False) -> None:
    """One standard deviation of every component, stronger where the weight is larger."""
    means, shape = np.asarray(mixture.means), np.eye(2)
    if not in_whitened:
        linear = np.asarray(mixture.affine_map.linear(np.eye(2)))
        means, shape = np.asarray(mixture.affine_map.forward(means)), linear.T @ linear
    weights = np.exp(np.asarray(mixture.log_weights))
    for mean, variance, weight in zip(means, mixture.variances, weights, strict=True):
        strength = float(np.clip(weight / weights.max(), 0.15, 1.0))
        axes.add_patch(
            ellipse(mean, variance * shape, fc="none", ec=color, lw=1.0, alpha=0.8 * strength)
        )
        axes.plot(*mean, ".", color=color, ms=3.0, alpha=strength)


# --- locate: a hierarchy whose mode is no place to be -------------------------------------------

EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
NAMES = ["mu", "log_tau", *(f"theta_{school}" for school in range(1, 9))]
SHOWN = [2, 1]  # theta_1 to the right, log tau upward


def eight_schools(x):
    """Centered: mu ~ N(0, 5²), tau ~ half-Cauchy(5), theta ~ N(mu, tau²), effect ~ N(theta, .)."""
    mu, log_tau, theta = x[0], x[1], x[2:]
    prior = -0.5 * (mu / 5) ** 2 - jnp.log1p((jnp.exp(log_tau) / 5) ** 2) + log_tau
    groups = jnp.sum(-0.5 * ((theta - mu) * jnp.exp(-log_tau)) ** 2 - log_tau)
    return prior + groups - 0.5 * jnp.sum(((EFFECT - theta) / ERROR) ** 2)


def exact_draws(generator, count: int) -> np.ndarray:
    """Exact draws of theta_1 and log tau: the scale from its marginal on a grid, then the rest."""
    grid = np.linspace(-9.0, 6.0, 4001)[:, None]
    variances = ERROR**2 + np.exp(2 * grid)  # of the effects, given mu and tau
    precision = (1 / variances).sum(axis=1) + 1 / 25
    center = (EFFECT / variances).sum(axis=1) / precision
    log_mass = grid[:, 0] - np.log1p(np.exp(2 * grid[:, 0]) / 25) - 0.5 * np.log(precision)
    log_mass -= 0.5 * (np.log(variances) + EFFECT**2 / variances).sum(axis=1)
    log_mass += 0.5 * center**2 * precision
    chance = np.exp(log_mass - log_mass.max())
    index = generator.choice(len(grid), size=count, p=chance / chance.sum())
    mu = center[index] + generator.standard_normal(count) / np.sqrt(precision[index])
    prior, data = np.exp(-2 * grid[index, 0]), ERROR[0] ** -2.0
    theta = (prior * mu + data * EFFECT[0]) / (prior + data)
    theta += generator.standard_normal(count) / np.sqrt(prior + data)
    return np.stack([theta, grid[index, 0]], axis=1)


def locate() -> None:
    target = isogmm.LogDensity(eight_schools, np.zeros(10), names="x").to_target()
    generator = np.random.default_rng(4)
    starts = target.initial_positions(generator, 4)
    starts[1::2] *= 6.0  # every second one is spread wider
    paths = [path for path in follow_paths(target, starts) if path is not None]
    found = [entry for path in paths for entry in candidates_from(target, path)]
    names = [place.value.replace("%", " %") for place, _, _ in found]
    colors = dict(zip(names[:5], (GREEN, BLUE, "#56B4E9", PINK, ORANGE), strict=True))
    first = Gaussians.start(
        np.stack([mean for _, mean, _ in found]), np.stack([factor for _, _, factor in found])
    )
    gaussians, alive, size = first, np.arange(len(found)), batch_size_for(target.dim)
    elbos: dict[int, list] = {index: [] for index in alive}
    for iteration in range(40):
        strength = damping(iteration, size, target.dim)
        gaussians = batch_and_match_step(target, gaussians, generator, size, strength)
        for index, elbo in zip(alive, gaussians.elbo, strict=True):
            elbos[index].append(elbo)
        if iteration + 1 in KEPT_SHARES:
            keep = max(2, round(KEPT_SHARES[iteration + 1] * len(found)))
            order = np.argsort(-gaussians.elbo)[:keep]
            gaussians, alive = gaussians.take(order), alive[order]
    best, draws = int(np.argmax(gaussians.elbo)), exact_draws(generator, 1500)
    winner = alive[best]
    print("locate: the best comes from", names[winner], gaussians.elbo[best])

    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(WIDTH, 3.3), width_ratios=(1, 1, 1.1), layout="constrained"
    )
    for axes in (left, middle):
        axes.plot(*draws.T, ".", color=GRAY, ms=2.2, alpha=0.6, mew=0, zorder=0,
                  rasterized=True)  # fmt: skip
        axes.set(xlim=(-20, 34), ylim=(-4.6, 4.2), xlabel=r"$\theta_1$")
    left.set(ylabel=r"$\log\tau$", title="Paths of L-BFGS")
    for path in paths:
        line = path.positions[path.positions[:, 1] > -5.5][:, SHOWN].T
        left.plot(*line, ".-", color=INK, lw=0.9, ms=3)
        left.plot(*line[:, 0], "o", color="white", mec=INK, ms=5)
    chosen = winner // 5
    middle.set_title("Candidates on one path")
    line = paths[chosen].positions
    middle.plot(*line[line[:, 1] > -5.5][:, SHOWN].T, "-", color=INK, lw=0.8, alpha=0.7)
    block = np.ix_(SHOWN, SHOWN)
    for index in range(5 * chosen, 5 * chosen + 5):
        mean, color = first.means[index, SHOWN], colors[names[index]]
        shape = first.covariance(index)[block]
        middle.add_patch(ellipse(mean, shape, fc="none", ec=color, lw=1.2, ls=(0, (3, 1.5))))
        middle.plot(*mean, "o", color=color, ms=3.5)
    mean, shape = gaussians.means[best, SHOWN], gaussians.covariance(best)[block]
    middle.add_patch(ellipse(mean, shape, fc=BLUE + "22", ec="black", lw=1.8))
    middle.annotate("the best", (mean[0] + 2.5, mean[1] - 0.2), (13, -1.2), fontsize=8.5,
                    arrowprops={"arrowstyle": "-", "lw": 0.8})  # fmt: skip
    labels = set()
    for index, trace in elbos.items():
        label = None if names[index] in labels else names[index]
        labels.add(names[index])
        right.plot(np.arange(1, len(trace) + 1), trace, color=colors[names[index]], lw=1.1,
                   label=label, alpha=0.9)  # fmt: skip
    for iteration in KEPT_SHARES:
        right.axvline(iteration, color=GRAY, lw=0.8, zorder=0)
    top = max(gaussians.elbo)
    right.set(xlim=(0, 40.5), ylim=(top - 16, top + 2), xlabel="iteration",
              title="ELBO of the candidates, nats")  # fmt: skip
    right.legend(loc="lower right", handlelength=1.4, title="candidates from", title_fontsize=8)
    save(figure, "locate")


# --- whitening ----------------------------------------------------------------------------------

TIMES = np.arange(8.0) / 5
COUNTS = np.array([2, 1, 4, 3, 6, 9, 8, 14])


def regression(x):
    """Counts that grow over eight years: intercept and slope of a Poisson regression."""
    log_rate = x[..., :1] + x[..., 1:] * TIMES
    prior = -0.5 * jnp.sum((x / 5) ** 2, axis=-1)
    return jnp.sum(COUNTS * log_rate - jnp.exp(log_rate), axis=-1) + prior


def whitening() -> None:
    model = isogmm.LogDensity(regression, np.zeros(2), names="x")
    options = {"num_components": 6, "random_seed": 0, "progressbar": False}
    fits = {name: isogmm.fit_isogmm(model, whitening=name, **options) for name in ("none", "auto")}
    mixtures = {name: isogmm.Mixture.from_idata(idata)[0] for name, idata in fits.items()}
    evidence = fits["auto"].attrs["log_evidence"]
    gaps = {name: evidence - idata.attrs["elbo"] for name, idata in fits.items()}
    print("whitening:", gaps, {name: idata.attrs["verdict"] for name, idata in fits.items()})
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9), layout="constrained")
    xlim, ylim = (-1.0, 1.7), (0.2, 2.9)
    for panel, name in ((axes[0], "none"), (axes[2], "auto")):
        shade(panel, regression, xlim, ylim)
        draw_components(panel, mixtures[name], ORANGE if name == "none" else BLUE)
        panel.set(xlabel="intercept", ylabel="slope", aspect="equal")
    affine_map = mixtures["auto"].affine_map
    shade(axes[1], lambda y: regression(affine_map.forward(y)), (-3.5, 3.5), (-3.5, 3.5))
    draw_components(axes[1], mixtures["auto"], in_whitened=True)
    axes[1].set(xlabel="$y_1$", ylabel="$y_2$", aspect="equal")
    axes[0].set_title(f"Round on the user's scale:\nKL {gaps['none']:.2f} nats")
    axes[1].set_title("Round in whitened\ncoordinates")
    axes[2].set_title(f"These on the user's scale:\nKL {gaps['auto']:.3f} nats")
    save(figure, "whitening")


# --- the mixture and the chains -------------------------------------------------------------------

BEND, SPREAD, THICKNESS = 0.7, 1.4, 0.5


def banana(x):
    """x₁ ~ N(0, 1.4²), x₂ ~ N(0.7 (x₁² - 1.4²), 0.5²); its integral is 1."""
    first = -0.5 * (x[..., 0] / SPREAD) ** 2 - jnp.log(SPREAD)
    ridge = BEND * (x[..., 0] ** 2 - SPREAD**2)
    second = -0.5 * ((x[..., 1] - ridge) / THICKNESS) ** 2 - jnp.log(THICKNESS)
    return first + second - jnp.log(2 * jnp.pi)


def tail_to_tail(draws) -> np.ndarray:
    """Distance of the 5 % and the 95 % quantile, over the last axis but one."""
    low, high = np.quantile(draws, [0.05, 0.95], axis=-2)
    return high - low


class Watched(isogmm.draws.refine.Sampler):
    """The sampler of the refinement, which stores the positions of its chains."""

    runs: list = []  # noqa: RUF012

    def transition(self, *, tune: bool):
        if self.count == 0:
            self.runs.append([(True, self.chains.positions)])
        result = super().transition(tune=tune)
        self.runs[-1].append((tune, self.chains.positions))
        return result


@functools.cache
def banana_fit():
    """Result, positions of the chains (t, m, d), which of them were recorded (t,)."""
    isogmm.draws.refine.Sampler = Watched
    idata = isogmm.fit_isogmm(
        isogmm.LogDensity(banana, np.zeros(2), names="x"),
        random_seed=0, progressbar=False,
    )  # fmt: skip
    print("banana:", idata.attrs["verdict"], "with", idata.attrs["num_components"], "components")
    tunes, positions = zip(*Watched.runs[-1], strict=True)
    return idata, np.stack(positions), ~np.array(tunes)


def refine() -> None:
    _, positions, recorded = banana_fit()
    begin, one_mode = int(np.argmax(recorded)) - 1, np.zeros(positions.shape[1], dtype=int)
    remembered = np.stack([start_correlation(positions[0], now, one_mode) for now in positions[1:]])
    limit = independence_threshold(*positions[0].shape)
    forgotten = 1 + int(np.argmax(remembered.max(axis=1) < limit))
    print("refine: forgotten at", forgotten, "recorded from", begin, "to", len(positions) - 1)
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(WIDTH, 3.3), width_ratios=(0.95, 1.05, 1.05), layout="constrained"
    )
    time = np.arange(len(positions))
    shade(left, banana, (-4.2, 4.2), (-3.2, 7.6), levels=(0.002, 0.01, 0.08, 0.3, 0.6, 1.0))
    left.set(xticks=[], yticks=[], title="Chains leave the mixture")
    left.spines[["left", "bottom"]].set_visible(False)
    left.plot(*positions[0].T, ".", color=BLUE, ms=3, mew=0, alpha=0.55, zorder=1,
              rasterized=True)  # fmt: skip
    for number, chain in enumerate((40, 150, 260)):
        walk = positions[: forgotten + 1, chain]
        color = (ORANGE, GREEN, PINK)[number]
        left.plot(*walk.T, "-", color=color, lw=1.1)
        left.plot(*walk[0], "o", color="white", mec=color, ms=5.5, mew=1.4)
        left.plot(*walk[-1], "s", color=color, ms=4.5)
    exact = np.random.default_rng(0).standard_normal((1_000_000, 2)) * [SPREAD, THICKNESS]
    exact[:, 1] += BEND * (exact[:, 0] ** 2 - SPREAD**2)
    exact = tail_to_tail(exact)
    error = 100 * (tail_to_tail(positions) / exact - 1)
    pooled = [positions[begin + 1 : end + 1].reshape(-1, 2) for end in range(begin + 1, len(time))]
    recording = 100 * (np.stack([tail_to_tail(part) for part in pooled]) / exact - 1)
    for coordinate, color in enumerate((ORANGE, BLUE)):
        middle.plot(time, np.append(1.0, remembered[:, coordinate]), color=color, lw=1.3)
        right.plot(time, error[:, coordinate], color=color, lw=0.7, alpha=0.7)
        right.plot(time[: begin + 1], error[: begin + 1, coordinate], color=color, lw=1.5)
        right.plot(time[begin + 1 :], recording[:, coordinate], color=color, lw=2.4)
        right.plot([], [], color=color, lw=1.5, label=f"$x_{coordinate + 1}$")
    middle.axhline(limit, color=INK, lw=0.9, ls=(0, (4, 2)))
    middle.set(ylim=(0, 1), title="Correlation with the start")
    right.axhline(0.0, color=INK, lw=0.9, ls=(0, (4, 2)))
    right.set(title="Error of the width, %")
    right.text(0.5 * (begin + time[-1]), -24, "thick: all recorded\nup to here", va="top",
               ha="center", fontsize=8, color=GREEN)  # fmt: skip
    right.legend(loc="lower right")
    print("refine: error of the width of what was recorded, %:", recording[-1].round(1))
    for axes in (middle, right):
        axes.axvspan(begin, time[-1], color=GREEN, alpha=0.1, lw=0)
        axes.axvline(forgotten, color=GRAY, lw=0.8, zorder=0)
        axes.set(xlim=(0, time[-1]), xlabel="transition")
    middle.text(forgotten + 0.5, 0.97, "independent", va="top", fontsize=8)
    middle.text(0.5 * (begin + time[-1]), 0.97, "recorded", va="top", ha="center", fontsize=8,
                color=GREEN)  # fmt: skip
    save(figure, "refine")


PICTURES = {f.__name__: f for f in (locate, whitening, refine)}

if __name__ == "__main__":
    with plt.rc_context(STYLE):
        for name in sys.argv[1:] or PICTURES:
            PICTURES[name]()
