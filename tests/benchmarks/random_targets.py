"""Random targets with exact draws, and the number of fits to them that are wrong.

    python tests/benchmarks/random_targets.py --first 0 --count 40 --json results.json

A target is a mixture of 1 to 6 components in 2 to 30 dimensions.  A component is a Gaussian, a
Student t, or a Gaussian that a smooth bijection bends, skews or turns into a funnel.  The centers
are 3 to 12 standard deviations apart.  The mixture is rotated, and its coordinates are then
scaled by factors from 0.001 to 1,000.  Seeds below 1,000 are for development, so that results
with larger seeds are those of targets that no option was chosen for.
"""

import argparse
import functools
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from scipy.special import gammaln

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.synthetic import LOG_2PI, OFFSET, Synthetic

MAX_MODES, MIN_DIM, MAX_DIM = 6, 2, 30
#: Smallest and largest distance of neighboring centers, in the larger sd of the two components.
MIN_DISTANCE, MAX_DISTANCE = 3.0, 12.0
#: Decimal logarithm of the largest factor of a coordinate.
MAX_LOG_SCALE = 3.0
#: Smallest mass of a component.
MIN_MASS = 0.05
#: Draws that measure the masses of the modes, which overlap.
NUM_MASS_DRAWS = 100_000
#: A fit is wrong if the largest error of a mean, a log sd or a quantile exceeds these (see
#: :mod:`benchmarks.metrics` for the units).
BOUNDS = {"mean_max": 0.25, "sd_max": 0.25, "q_max": 0.35}
TRUSTED = ("good", "reweighted", "refined")


@dataclass(frozen=True)
class Component:
    """One component: center, scale, shape of its base density, and the bijection.

    Parameters
    ----------
    center, scale
        (d,) and a factor for all coordinates.
    shape
        ``gaussian``, ``student``, ``banana``, ``skew`` or ``funnel``.
    amount
        Degrees of freedom, bend, skewness, or the slope of the log scale.
    """

    center: np.ndarray
    scale: float
    shape: str
    amount: float

    def forward(self, u: np.ndarray) -> np.ndarray:
        """Positions (n, d) of draws of the base density."""
        r = u.copy()
        if self.shape == "banana":
            r[:, 1] += self.amount * (u[:, 0] ** 2 - 1.0)
        if self.shape == "skew":  # sinh-arcsinh, Jones and Pewsey (2009)
            r[:, 0] = np.sinh(np.arcsinh(u[:, 0]) + self.amount)
        if self.shape == "funnel":
            r[:, 1:] *= np.exp(self.amount * u[:, :1])
        return self.center + self.scale * r

    def draw(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Exact draws (n, d)."""
        u = generator.standard_normal((n, len(self.center)))
        if self.shape == "student":
            u *= np.sqrt(self.amount / generator.chisquare(self.amount, (n, 1)))
        return self.forward(u)

    def log_prob(self, z: Any, xp: Any) -> Any:
        """The normalized log density of positions (..., d); ``xp`` is NumPy or jax.numpy."""
        dim = len(self.center)
        r = (z - xp.asarray(self.center)) / self.scale
        first, rest, log_det = r[..., :1], r[..., 1:], -dim * np.log(self.scale)
        if self.shape == "banana":
            bend = self.amount * (first**2 - 1.0)
            rest = xp.concatenate([rest[..., :1] - bend, rest[..., 1:]], axis=-1)
        if self.shape == "skew":
            angle = xp.arcsinh(first) - self.amount
            slope = xp.log(xp.cosh(angle)) - 0.5 * xp.log1p(first**2)
            log_det = log_det + slope[..., 0]
            first = xp.sinh(angle)
        if self.shape == "funnel":
            rest = rest * xp.exp(-self.amount * first)
            log_det = log_det - (dim - 1) * self.amount * first[..., 0]
        square = xp.sum(first**2, axis=-1) + xp.sum(rest**2, axis=-1)
        if self.shape == "student":
            nu = self.amount
            constant = (
                gammaln(0.5 * (nu + dim)) - gammaln(0.5 * nu) - 0.5 * dim * np.log(nu * np.pi)
            )
            return log_det + constant - 0.5 * (nu + dim) * xp.log1p(square / nu)
        return log_det - 0.5 * dim * LOG_2PI - 0.5 * square


#: Shapes of components, and the range of their amounts.
SHAPES = {
    "gaussian": (0.0, 0.0),
    "student": (5.0, 10.0),
    "banana": (0.3, 1.0),
    "skew": (0.3, 0.8),
    "funnel": (0.2, 0.5),
}


def components(generator: np.random.Generator, dim: int, count: int) -> list[Component]:
    """Random components; each is near one of those before it and away from all others."""
    found: list[Component] = []
    while len(found) < count:
        scale = float(np.exp(generator.uniform(np.log(0.5), np.log(2.0))))
        center = np.zeros(dim)
        if found:
            anchor = found[generator.integers(len(found))]
            direction = generator.standard_normal(dim)
            distance = generator.uniform(MIN_DISTANCE, MAX_DISTANCE) * max(scale, anchor.scale)
            center = anchor.center + distance * direction / np.linalg.norm(direction)
        gaps = [np.linalg.norm(center - c.center) / max(scale, c.scale) for c in found]
        if min(gaps, default=np.inf) < MIN_DISTANCE:
            continue
        shape = str(generator.choice(list(SHAPES)))
        found.append(Component(center, scale, shape, float(generator.uniform(*SHAPES[shape]))))
    return found


@functools.lru_cache(maxsize=8)
def random_target(seed: int) -> Synthetic:
    """The target with this number."""
    generator = np.random.default_rng([seed, 25])
    dim = round(np.exp(generator.uniform(np.log(MIN_DIM), np.log(MAX_DIM))))
    count = int(generator.integers(1, MAX_MODES + 1))
    parts = components(generator, dim, count)
    masses = MIN_MASS + (1.0 - count * MIN_MASS) * generator.dirichlet(np.ones(count))
    rotation = np.linalg.qr(generator.standard_normal((dim, dim)))[0]
    scales = 10.0 ** generator.uniform(-MAX_LOG_SCALE, MAX_LOG_SCALE, dim)
    log_det = float(np.log(scales).sum())

    def joint(x: Any, xp: Any) -> Any:
        z = (x / xp.asarray(scales)) @ xp.asarray(rotation)
        terms = [
            np.log(mass) + part.log_prob(z, xp) for mass, part in zip(masses, parts, strict=True)
        ]
        return xp.stack(terms, axis=-1)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        counts = rng.multinomial(n, masses)
        z = np.concatenate([p.draw(rng, size) for p, size in zip(parts, counts, strict=True)])
        return rng.permutation(z) @ rotation.T * scales

    def draw_of(part: Component, rng: np.random.Generator, n: int) -> np.ndarray:
        return part.draw(rng, n) @ rotation.T * scales

    def mode_of(x: np.ndarray) -> np.ndarray:
        return joint(np.asarray(x, np.float64), np).argmax(axis=-1)

    labels = mode_of(draw(np.random.default_rng([seed, 26]), NUM_MASS_DRAWS))
    return Synthetic(
        f"random_{seed}",
        dim,
        lambda x: OFFSET - log_det + logsumexp(joint(x, jnp)),
        draw,
        mode_of=mode_of,
        masses=np.bincount(labels, minlength=count) / NUM_MASS_DRAWS,
        components=tuple(
            (float(mass), functools.partial(draw_of, part))
            for mass, part in zip(masses, parts, strict=True)
        ),
        tags=tuple(sorted({part.shape for part in parts})),
    )


def is_wrong(row: dict[str, Any]) -> bool:
    """Whether the errors of a fit exceed the bounds; errors that are not finite do."""
    return not all(row.get(key, np.nan) <= bound for key, bound in BOUNDS.items())


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Counts over all fits, and shares of the fits with a trusted verdict."""
    rows = list(rows)
    trusted = [row for row in rows if row.get("verdict") in TRUSTED]
    correct = [row for row in rows if not is_wrong(row)]
    scores = [
        abs(row["evidence_error"]) / max(row["log_evidence_se"], 1e-12)
        for row in trusted
        if "evidence_error" in row
    ]
    return {
        "fits": len(rows),
        "trusted": len(trusted),
        "wrong_trusted": sum(is_wrong(row) for row in trusted),
        "correct_unreliable": sum(row.get("verdict") not in TRUSTED for row in correct),
        "modes_missed": sum(row.get("modes_found", 0) < row.get("modes", 0) for row in rows),
        "masses_within_0.03": float(np.mean([row["mass_error"] < 0.03 for row in trusted])),
        "evidence_within_3_se": float(np.mean(np.array(scores) < 3.0)),
        "seconds": float(np.median([row["seconds"] for row in rows])),
        "gradients": float(
            np.median([row.get("num_gradient_evaluations", np.nan) for row in rows])
        ),
    }


def _line(seed: int, row: dict[str, Any]) -> str:
    """One fit in one line."""
    numbers = {key: row.get(key, np.nan) for key in (*BOUNDS, "mass_error", "evidence_error")}
    word = row.get("verdict") or row.get("error", "")[:60]
    found = f"{row.get('modes_found', 0)}/{row.get('modes', 0)} modes"
    errors = "  ".join(f"{key} {value:.3f}" for key, value in numbers.items())
    judged = "WRONG" if is_wrong(row) else "right"
    return f"{seed:4d}  d={row.get('dim', 0):2d}  {found}  {word:12s} {judged}  {errors}"


def main() -> None:
    """Fit the targets, print one line for each, and the summary."""
    from benchmarks.run import run_case

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--method", default="isogmm", help="a name of benchmarks.methods")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.first, arguments.first + arguments.count):
        row = run_case(f"random/{seed}", seed, arguments.method)
        rows.append(row)
        print(_line(seed, row), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1, default=str))
    for key, value in summary(rows).items():
        print(f"{key:22s} {value:.3g}")


if __name__ == "__main__":
    main()
