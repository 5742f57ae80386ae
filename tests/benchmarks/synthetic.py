"""Targets whose truth is known: log density, exact draws, evidence, masses of the modes.

    case = synthetic.load("funnel_10")
    target = case.target()                      # what the optimization loop takes
    metrics.compare({"x": draws}, case.reference)

Every target is a JAX function of an unconstrained position x in R^d, under the one variable name
``x``.  None is normalized: the integral of exp(log density) is exp(``log_evidence``), which is
``OFFSET`` unless the table says otherwise, so that an evidence that was never computed shows.
"""

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from scipy import integrate, stats

from benchmarks.metrics import LEVELS, Reference, evenly

OFFSET = -7.5
LOG_2PI = float(np.log(2.0 * np.pi))
REFERENCE_DRAWS = 200_000

Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Synthetic:
    """A target with known truth.

    Parameters
    ----------
    name, dim
        Name, and dimension d.
    log_density
        JAX function of a position (d,).
    draw
        ``(generator, n) -> (n, d)``, independent exact draws.
    log_evidence
        Log of the integral of exp(log density).
    mode_of, masses
        Which mode each of (n, d) draws belongs to, and the mass of each mode; None where the
        target has one mode.
    start_scale
        Starts are uniform in [-start_scale, start_scale]^d.
    heavy
        Coordinates whose second moment does not exist or is too noisy to compare.
    components
        Masses of the components of a mixture, and exact draws of each.
    exact
        Means and sds (d,) of a Gaussian target, which then needs no draws as reference.
    tags
        What is hard about it.
    """

    name: str
    dim: int
    log_density: Callable[[Any], Any]
    draw: Draw
    log_evidence: float = OFFSET
    mode_of: Callable[[np.ndarray], np.ndarray] | None = None
    masses: np.ndarray | None = None
    start_scale: float = 2.0
    heavy: tuple[int, ...] = ()
    components: tuple[tuple[float, Draw], ...] = ()
    exact: tuple[np.ndarray, np.ndarray] | None = None
    tags: tuple[str, ...] = ()

    @functools.cached_property
    def reference(self) -> Reference:
        """Statistics of many exact draws, or the exact ones of a Gaussian."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        if self.exact is not None:
            mean, sd = self.exact
            quantiles = mean + sd * stats.norm.ppf(LEVELS)[:, None]
            return Reference(
                {"x": mean},
                {"x": sd},
                {"x": mean**2 + sd**2},
                {"x": quantiles},
                {"x": self.draw(rng, 1_000)},
            )
        draws = self.draw(rng, REFERENCE_DRAWS)
        reference = Reference.from_draws({"x": draws})
        reference.sd["x"][list(self.heavy)] = np.nan
        reference.draws["x"] = draws[evenly(len(draws), 1_000)]
        return reference

    def initial_positions(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Overdispersed starts (n, d)."""
        return generator.uniform(-self.start_scale, self.start_scale, (n, self.dim))

    def model(self, x64: bool | None = None) -> Any:
        """The target as a user passes it to ``fit_isogmm``."""
        from isogmm.model.functions.log_density import LogDensity

        return LogDensity(
            self.log_density_of_variables,
            {"x": np.zeros(self.dim)},
            dims={"x": ["coordinate"]},
            initial=lambda generator, n: {"x": self.initial_positions(generator, n)},
            x64=x64,
        )

    def log_density_of_variables(self, variables: dict[str, Any]) -> Any:
        """The log density of the variables by name."""
        return self.log_density(variables["x"])

    def target(self, batch_size: int = 128, x64: bool | None = True) -> Any:
        """The target as the optimization loop takes it."""
        from isogmm.model.jax_target import JaxPrograms, jax_target

        def log_density(x: Any, data: Any) -> Any:
            return self.log_density(x)

        def generate(x: Any, key: Any, data: Any) -> Any:
            return {"posterior": {"x": x}}

        programs = JaxPrograms(log_density, generate, self.dim, (), batch_size=batch_size, x64=x64)
        return jax_target(
            programs,
            (),
            variables={"x": (self.dim,)},
            initial_positions=self.initial_positions,
            dims={"x": ["coordinate"]},
            coords={"coordinate": list(range(self.dim))},
        )


# --- families --------------------------------------------------------------------------


def gaussian(
    name: str,
    dim: int,
    condition: float = 1e6,
    rotated: bool = False,
    rank: int | None = None,
    seed: int = 0,
) -> Synthetic:
    """N(m, Σ), the eigenvalues of Σ (variances) spread evenly over their logarithm.

    ``rotated`` turns it by a random orthogonal matrix; ``rank`` makes Σ = D (I + U (λ - 1) Uᵀ) D
    instead, with sds D of the coordinates and ``rank`` eigenvalues λ of the correlation part.
    """
    rng = np.random.default_rng(seed)
    if rank is not None:
        scale = np.logspace(-0.25, 0.25, dim) * np.log10(condition) ** 0.5
        vectors = np.linalg.qr(rng.standard_normal((dim, rank)))[0]
        values = np.logspace(-np.log10(condition) / 2, np.log10(condition) / 2, rank)
        log_det = 2 * np.log(scale).sum() + np.log(values).sum()
        variances = scale**2 * (1 + (vectors**2) @ (values - 1))
    else:
        roots = np.logspace(-0.25, 0.25, dim) ** np.log10(condition)
        values, scale = roots**2, np.ones(dim)
        vectors = np.linalg.qr(rng.standard_normal((dim, dim)))[0] if rotated else None
        log_det = np.log(values).sum()
        variances = values if vectors is None else (vectors**2) @ values
        if vectors is None:
            scale, values = roots, np.ones(dim)
    mean = np.sqrt(variances) * rng.standard_normal(dim)
    constant = OFFSET - 0.5 * (dim * LOG_2PI + log_det)

    def log_density(x: Any) -> Any:
        y = (x - jnp.asarray(mean)) / jnp.asarray(scale)
        square = jnp.sum(y * y)
        if vectors is not None:
            along = jnp.asarray(vectors).T @ y
            square = square + jnp.sum((1.0 / jnp.asarray(values) - 1.0) * along**2)
        return constant - 0.5 * square

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        noise = generator.standard_normal((n, dim))
        if vectors is not None:
            noise = noise + ((noise @ vectors) * (np.sqrt(values) - 1)) @ vectors.T
        return mean + scale * noise

    tags = ("gaussian", "ill-conditioned")
    return Synthetic(name, dim, log_density, draw, exact=(mean, np.sqrt(variances)), tags=tags)


def funnel(name: str, dim: int) -> Synthetic:
    """Neal's funnel: v ~ N(0, 3²) first, the others N(0, exp(v))."""

    def log_density(x: Any) -> Any:
        v, rest = x[0], x[1:]
        first = -0.5 * (v / 3.0) ** 2 - 0.5 * LOG_2PI - jnp.log(3.0)
        others = -0.5 * rest**2 * jnp.exp(-v) - 0.5 * LOG_2PI - 0.5 * v
        return OFFSET + first + jnp.sum(others)

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        v = 3.0 * generator.standard_normal((n, 1))
        rest = np.exp(0.5 * v) * generator.standard_normal((n, dim - 1))
        return np.concatenate([v, rest], axis=1)

    heavy = tuple(range(1, dim))
    return Synthetic(name, dim, log_density, draw, heavy=heavy, tags=("funnel",))


def banana(name: str, dim: int = 2, bend: float = 0.03, scale: float = 10.0) -> Synthetic:
    """Haario's banana: x₁ ~ N(0, scale²), x₂ ~ N(bend (x₁² - scale²), 1), the others N(0, 1)."""

    def log_density(x: Any) -> Any:
        first = -0.5 * (x[0] / scale) ** 2 - jnp.log(scale)
        second = -0.5 * (x[1] - bend * (x[0] ** 2 - scale**2)) ** 2
        return OFFSET + first + second - 0.5 * jnp.sum(x[2:] ** 2) - 0.5 * dim * LOG_2PI

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        x = generator.standard_normal((n, dim))
        x[:, 0] *= scale
        x[:, 1] += bend * (x[:, 0] ** 2 - scale**2)
        return x

    return Synthetic(name, dim, log_density, draw, tags=("curved",))


def modes(
    name: str,
    means: np.ndarray,
    sds: np.ndarray,
    masses: np.ndarray,
    degrees_of_freedom: float | None = None,
    start_scale: float = 2.0,
    heavy: tuple[int, ...] = (),
) -> Synthetic:
    """Σ_k mass_k N(mean_k, diag(sd_k²)), or multivariate t in place of the normal.

    ``sds`` is (k,) or (k, d).
    """
    k, dim = means.shape
    sds = np.broadcast_to(sds.reshape(k, -1), (k, dim))
    nu = degrees_of_freedom
    if nu is None:
        constant = -0.5 * dim * LOG_2PI
    else:
        at_zero = stats.multivariate_t(np.zeros(dim), np.eye(dim), df=nu).logpdf(np.zeros(dim))
        constant = float(at_zero)
    level = np.log(masses) + constant - np.log(sds).sum(1)

    def joint(x: Any, xp: Any) -> Any:
        square = xp.sum(((x[..., None, :] - xp.asarray(means)) / xp.asarray(sds)) ** 2, axis=-1)
        kernel = -0.5 * square if nu is None else -0.5 * (nu + dim) * xp.log1p(square / nu)
        return xp.asarray(level) + kernel

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        which = np.searchsorted(np.cumsum(masses), generator.random(n))
        which = np.minimum(which, k - 1)
        noise = generator.standard_normal((n, dim))
        if nu is not None:
            noise *= np.sqrt(nu / generator.chisquare(nu, (n, 1)))
        return means[which] + sds[which] * noise

    return Synthetic(
        name,
        dim,
        lambda x: OFFSET + logsumexp(joint(x, jnp)),
        draw,
        mode_of=lambda x: joint(x, np).argmax(-1),
        masses=masses,
        start_scale=start_scale,
        heavy=heavy,
        tags=("multimodal",),
    )


def independent(
    name: str,
    dim: int,
    log_density: Callable[[Any], Any],
    draw: Draw,
    heavy: bool = False,
    tags: tuple[str, ...] = (),
) -> Synthetic:
    """A product of ``dim`` equal one-dimensional targets (normalized, elementwise functions)."""
    return Synthetic(
        name,
        dim,
        lambda x: OFFSET + jnp.sum(log_density(x)),
        lambda generator, n: draw(generator, n * dim).reshape(n, dim),
        heavy=tuple(range(dim)) if heavy else (),
        tags=tags,
    )


def student(name: str, dim: int, nu: float) -> Synthetic:
    """Independent Student t coordinates; of their sds nothing can be asked."""
    constant = float(stats.t.logpdf(0.0, nu))
    return independent(
        name,
        dim,
        lambda x: constant - 0.5 * (nu + 1) * jnp.log1p(x * x / nu),
        lambda generator, n: generator.standard_t(nu, n),
        heavy=True,
        tags=("heavy tail",),
    )


def half_normal_wall(name: str, dim: int) -> Synthetic:
    """|N(0, 1)| without a transform: the log density is -inf where a coordinate is negative."""

    def log_density(x: Any) -> Any:
        inside = jnp.log(2.0) - 0.5 * LOG_2PI - 0.5 * x * x
        return jnp.where(x > 0, inside, -jnp.inf)

    return independent(
        name,
        dim,
        log_density,
        lambda generator, n: np.abs(generator.standard_normal(n)),
        tags=("boundary", "non-smooth"),
    )


def skewed(name: str, dim: int = 5, skew: float = 0.8, tail: float = 0.8) -> Synthetic:
    """Sinh-arcsinh (Jones and Pewsey 2009) of a correlated normal: skewed, longer tails.

    x = sinh((asinh(z) + skew) / tail), z ~ N(0, R) with R_ij = 0.6^|i - j|.
    """
    index = np.arange(dim)
    correlation = 0.6 ** np.abs(index[:, None] - index)
    factor = np.linalg.cholesky(correlation)
    precision = np.linalg.inv(correlation)
    constant = OFFSET - 0.5 * dim * LOG_2PI - np.log(np.diag(factor)).sum()

    def log_density(x: Any) -> Any:
        inner = tail * jnp.arcsinh(x) - skew
        z = jnp.sinh(inner)
        stretch = jnp.log(tail) + jnp.log(jnp.cosh(inner)) - 0.5 * jnp.log1p(x * x)
        return constant - 0.5 * z @ jnp.asarray(precision) @ z + jnp.sum(stretch)

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        z = generator.standard_normal((n, dim)) @ factor.T
        return np.sinh((np.arcsinh(z) + skew) / tail)

    return Synthetic(name, dim, log_density, draw, tags=("skewed",))


def label_switching(name: str) -> Synthetic:
    """Three exchangeable locations: the six permutations of one narrow mode, d = 3."""
    orders = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    locations, widths = np.array([-3.0, 0.0, 4.0]), np.array([0.3, 0.6, 0.4])
    return modes(name, locations[orders], widths[orders], np.full(6, 1 / 6))


def two_factors(name: str, observed: float = 1.0, noise: float = 0.2) -> Synthetic:
    """y = a b + noise with a, b ~ N(0, 1): two curved modes that touch.

    b given a is normal; the marginal of a, N(a; 0, 1) N(y; 0, noise² + a²), is integrated and
    inverted on a grid.
    """
    grid = np.linspace(-8.0, 8.0, 160_001)
    density = stats.norm.pdf(grid) * stats.norm.pdf(observed, 0, np.hypot(noise, grid))
    cumulative = integrate.cumulative_simpson(density, x=grid, initial=0.0)

    def log_density(x: Any) -> Any:
        residual = (observed - x[0] * x[1]) / noise
        return OFFSET - 0.5 * (jnp.sum(x * x) + residual**2) - 1.5 * LOG_2PI - jnp.log(noise)

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        a = np.interp(generator.random(n) * cumulative[-1], cumulative, grid)
        precision = 1.0 + (a / noise) ** 2
        b = a * observed / noise**2 / precision
        return np.stack([a, b + generator.standard_normal(n) / np.sqrt(precision)], axis=1)

    return Synthetic(
        name,
        2,
        log_density,
        draw,
        log_evidence=OFFSET + float(np.log(cumulative[-1])),
        mode_of=lambda x: (x[:, 0] > 0).astype(int),
        masses=np.array([0.5, 0.5]),
        tags=("multimodal", "curved"),
    )


def wells(name: str, wells: int = 5, dim: int = 10, distance: float = 3.0) -> Synthetic:
    """2^wells equal modes: the first coordinates are ½ N(-distance, 1) + ½ N(distance, 1)."""

    def log_density(x: Any) -> Any:
        sides = jnp.stack([x[:wells] - distance, x[:wells] + distance])
        hilly = jnp.sum(logsumexp(-0.5 * sides**2, axis=0) - jnp.log(2.0))
        return OFFSET + hilly - 0.5 * jnp.sum(x[wells:] ** 2) - 0.5 * dim * LOG_2PI

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        x = generator.standard_normal((n, dim))
        x[:, :wells] += distance * np.where(generator.random((n, wells)) < 0.5, -1.0, 1.0)
        return x

    return Synthetic(
        name,
        dim,
        log_density,
        draw,
        mode_of=lambda x: (x[:, :wells] > 0) @ (2 ** np.arange(wells)),
        masses=np.full(2**wells, 0.5**wells),
        start_scale=4.0,
        tags=("multimodal", "many modes"),
    )


def _scattered(k: int, dim: int, spread: float, seed: int) -> np.ndarray:
    """Places of modes, uniform in the cube [-spread, spread]^d."""
    return np.random.default_rng(seed).uniform(-spread, spread, (k, dim))


def _exponential_under_log(x: Any) -> Any:
    return x - jnp.exp(x)


def _uniform_under_logit(x: Any) -> Any:
    return -jax.nn.softplus(x) - jax.nn.softplus(-x)


# --- the table -------------------------------------------------------------------------

_BUILDERS: dict[str, Callable[[str], Synthetic]] = {
    "gaussian_10_rotated": lambda n: gaussian(n, 10, rotated=True, seed=10),
    "gaussian_50_rotated": lambda n: gaussian(n, 50, rotated=True, seed=50),
    "gaussian_50_diagonal": lambda n: gaussian(n, 50, seed=51),
    "gaussian_2000_diagonal": lambda n: gaussian(n, 2_000, seed=2000),
    "gaussian_2000_low_rank": lambda n: gaussian(n, 2_000, rank=10, seed=2001),
    "funnel_2": lambda n: funnel(n, 2),
    "funnel_10": lambda n: funnel(n, 10),
    "banana": lambda n: banana(n),
    "banana_10": lambda n: banana(n, dim=10),
    "student_mixture": lambda n: modes(
        n,
        np.array([[-5.0, 0.0], [5.0, 1.0], [0.0, 6.0], [1.0, -6.0]]),
        np.array([[1.0, 0.5], [0.6, 1.0], [0.8, 0.8], [1.2, 0.6]]),
        np.array([0.4, 0.3, 0.2, 0.1]),
        degrees_of_freedom=5.0,
    ),
    "two_modes_equal": lambda n: modes(
        n, np.array([[-2.0], [2.0]]) * np.ones(10), np.ones(2), np.array([0.5, 0.5])
    ),
    "two_modes_unequal": lambda n: modes(
        n, np.array([[-2.0], [2.0]]) * np.ones(10), np.array([0.7, 1.0]), np.array([0.1, 0.9])
    ),
    "five_modes": lambda n: modes(
        n,
        _scattered(5, 10, 4.0, seed=5),
        np.array([1.0, 0.7, 1.3, 0.8, 1.1]),
        np.array([0.4, 0.3, 0.15, 0.1, 0.05]),
        start_scale=4.0,
    ),
    # The narrowest mode attracts about one start in 100,000: nothing that looks at local
    # gradients can find it, and no diagnostic of ours can know.
    "five_modes_hidden": lambda n: modes(
        n,
        _scattered(5, 10, 6.0, seed=5),
        np.array([1.0, 0.5, 1.5, 0.7, 1.2]),
        np.array([0.4, 0.3, 0.15, 0.1, 0.05]),
        start_scale=6.0,
    ),
    "forty_modes": lambda n: modes(
        n, _scattered(40, 2, 40.0, seed=40), np.ones(40), np.full(40, 1 / 40), start_scale=50.0
    ),
    "label_switching": label_switching,
    "two_factors": two_factors,
    "wells_32": wells,
    "student_3": lambda n: student(n, 10, 3.0),
    "student_2": lambda n: student(n, 10, 2.0),
    "exponential_log": lambda n: independent(
        n,
        5,
        _exponential_under_log,
        lambda generator, size: np.log(generator.exponential(size=size)),
        tags=("boundary", "skewed"),
    ),
    "uniform_logit": lambda n: independent(
        n,
        5,
        _uniform_under_logit,
        lambda generator, size: generator.logistic(size=size),
        tags=("boundary",),
    ),
    "laplace": lambda n: independent(
        n,
        5,
        lambda x: -jnp.abs(x) - jnp.log(2.0),
        lambda generator, size: generator.laplace(size=size),
        tags=("non-smooth",),
    ),
    "half_normal_wall": lambda n: half_normal_wall(n, 3),
    "skewed": skewed,
}


def names() -> list[str]:
    """Names of the synthetic targets."""
    return list(_BUILDERS)


@functools.cache
def load(name: str) -> Synthetic:
    """The synthetic target of that name."""
    return _BUILDERS[name](name)
