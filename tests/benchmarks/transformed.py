"""Models with stretching transforms and their exact marginals, in NumPyro and PyMC.

Every scalar that is compared has a :class:`Marginal`: a distribution of SciPy, or a monotone
function of one.  Twenty-three models have one latent scalar; ten have several variables and data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.metrics import LEVELS, NORMAL_RANGE

#: A variable of the posterior group and the index of one of its entries.
Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Marginal:
    """The exact distribution of ``function(x)`` for ``x`` of a distribution of SciPy.

    Parameters
    ----------
    distribution
        A frozen distribution.
    function
        A monotone function; None for the identity.
    has_mean, has_sd
        Whether the moments exist.
    """

    distribution: Any
    function: Callable[[np.ndarray], np.ndarray] | None = None
    has_mean: bool = True
    has_sd: bool = True

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation; NaN where they do not exist."""
        if self.function is None:
            mean, sd = self.distribution.mean(), self.distribution.std()
        else:
            mean = self.distribution.expect(self.function)
            sd = np.sqrt(self.distribution.expect(lambda x: (self.function(x) - mean) ** 2))
        return mean if self.has_mean else np.nan, sd if self.has_sd else np.nan

    def ppf(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles at these levels."""
        if self.function is None:
            return self.distribution.ppf(levels)
        low, high = self.function(self.distribution.ppf([0.25, 0.75]))
        return self.function(self.distribution.ppf(levels if low < high else 1.0 - levels))

    def width(self) -> float:
        """The unit of errors: the sd, or the sd of a normal distribution of the same width."""
        low, high = self.ppf(LEVELS[[0, -1]])
        return self.moments()[1] if self.has_sd else (high - low) / NORMAL_RANGE


@dataclass(frozen=True)
class Model:
    """A model in both languages and the marginals of some of its scalars."""

    numpyro: Callable[[], None]
    pymc: Callable[[], None]
    marginals: dict[Key, Marginal]


def marginals(**named: Any) -> dict[Key, Marginal]:
    """Marginals by name; a list has those of the entries of a vector."""
    found: dict[Key, Marginal] = {}
    for name, given in named.items():
        entries = given if isinstance(given, list) else [given]
        for index, entry in enumerate(entries):
            key = (name, (index,) if isinstance(given, list) else ())
            found[key] = entry if isinstance(entry, Marginal) else Marginal(entry)
    return found


def _scalar(
    name: str,
    arguments: dict[str, float],
    exact: Any,
    pymc_arguments: dict[str, float],
) -> Model:
    """One latent ``x`` with the same name of the distribution in both languages."""

    def numpyro_model() -> None:
        import numpyro
        import numpyro.distributions as dist

        numpyro.sample("x", getattr(dist, name)(**arguments))

    def pymc_model() -> None:
        import pymc

        pymc_name = "ChiSquared" if name == "Chi2" else name
        getattr(pymc, pymc_name)("x", **pymc_arguments)

    return Model(numpyro_model, pymc_model, marginals(x=exact))


def _derived(
    base: str,
    arguments: dict[str, float],
    pymc_arguments: dict[str, float],
    function: Callable[[Any, Any], Any],
    exact: Any,
) -> Model:
    """One latent ``z`` and the deterministic ``x``; ``function(z, module)`` calls both languages'
    functions by the same names.
    """

    def numpyro_model() -> None:
        import jax
        import numpyro
        import numpyro.distributions as dist

        z = numpyro.sample("z", getattr(dist, base)(**arguments))
        numpyro.deterministic("x", function(z, jax.nn))

    def pymc_model() -> None:
        import pymc

        z = getattr(pymc, base)("z", **pymc_arguments)
        pymc.Deterministic("x", function(z, pymc.math))

    return Model(numpyro_model, pymc_model, marginals(x=exact))


def _softplus(z: Any, module: Any) -> Any:
    return module.softplus(z) if hasattr(module, "softplus") else module.log1pexp(z)


def scalars() -> dict[str, Model]:
    """Models of one transformed scalar by name."""
    half_cauchy = Marginal(stats.halfcauchy(), has_mean=False, has_sd=False)
    return {
        "exponential": _scalar("Exponential", {"rate": 0.1}, stats.expon(0, 10), {"lam": 0.1}),
        "gamma_half": _scalar(
            "Gamma",
            {"concentration": 0.5, "rate": 1.0},
            stats.gamma(0.5),
            {"alpha": 0.5, "beta": 1.0},
        ),
        "gamma_2": _scalar(
            "Gamma",
            {"concentration": 2.0, "rate": 1.0},
            stats.gamma(2),
            {"alpha": 2.0, "beta": 1.0},
        ),
        "gamma_3": _scalar(
            "Gamma",
            {"concentration": 3.0, "rate": 1.0},
            stats.gamma(3),
            {"alpha": 3.0, "beta": 1.0},
        ),
        "weibull_0.8": _scalar(
            "Weibull",
            {"scale": 1.0, "concentration": 0.8},
            stats.weibull_min(0.8),
            {"alpha": 0.8, "beta": 1.0},
        ),
        "weibull_1.5": _scalar(
            "Weibull",
            {"scale": 1.0, "concentration": 1.5},
            stats.weibull_min(1.5),
            {"alpha": 1.5, "beta": 1.0},
        ),
        "gumbel": _scalar(
            "Gumbel", {"loc": 0.0, "scale": 1.0}, stats.gumbel_r(), {"mu": 0.0, "beta": 1.0}
        ),
        "lognormal_0.5": _scalar(
            "LogNormal",
            {"loc": 0.0, "scale": 0.5},
            stats.lognorm(0.5),
            {"mu": 0.0, "sigma": 0.5},
        ),
        "lognormal_1": _scalar(
            "LogNormal", {"loc": 0.0, "scale": 1.0}, stats.lognorm(1.0), {"mu": 0.0, "sigma": 1.0}
        ),
        "half_normal": _scalar("HalfNormal", {"scale": 2.0}, stats.halfnorm(0, 2), {"sigma": 2.0}),
        "half_cauchy": _scalar("HalfCauchy", {"scale": 1.0}, half_cauchy, {"beta": 1.0}),
        "student_5": _scalar(
            "StudentT",
            {"df": 5.0, "loc": 0.0, "scale": 1.0},
            stats.t(5),
            {"nu": 5.0, "mu": 0.0, "sigma": 1.0},
        ),
        "beta_2_5": _scalar(
            "Beta",
            {"concentration1": 2.0, "concentration0": 5.0},
            stats.beta(2, 5),
            {"alpha": 2.0, "beta": 5.0},
        ),
        "beta_half": _scalar(
            "Beta",
            {"concentration1": 0.5, "concentration0": 0.5},
            stats.beta(0.5, 0.5),
            {"alpha": 0.5, "beta": 0.5},
        ),
        "inverse_gamma": _scalar(
            "InverseGamma",
            {"concentration": 5.0, "rate": 4.0},
            stats.invgamma(5, 0, 4),
            {"alpha": 5.0, "beta": 4.0},
        ),
        "chi2_3": _scalar("Chi2", {"df": 3.0}, stats.chi2(3), {"nu": 3.0}),
        "pareto": _scalar(
            "Pareto",
            {"scale": 1.0, "alpha": 5.0},
            stats.pareto(5),
            {"alpha": 5.0, "m": 1.0},
        ),
        "no_events": Model(
            _no_events_numpyro, _no_events_pymc, marginals(x=stats.gamma(1, 0, 1 / 4))
        ),
        "softplus": _derived(
            "Normal",
            {"loc": 0.0, "scale": 2.0},
            {"mu": 0.0, "sigma": 2.0},
            _softplus,
            Marginal(stats.norm(0, 2), lambda z: np.logaddexp(0.0, z)),
        ),
        "square": _derived(
            "Normal",
            {"loc": 0.0, "scale": 1.0},
            {"mu": 0.0, "sigma": 1.0},
            lambda z, _: z**2,
            stats.chi2(1),
        ),
        "reciprocal": _derived(
            "Gamma",
            {"concentration": 6.0, "rate": 1.0},
            {"alpha": 6.0, "beta": 1.0},
            lambda z, _: 1.0 / z,
            stats.invgamma(6),
        ),
        "odds": _derived(
            "Beta",
            {"concentration1": 4.0, "concentration0": 6.0},
            {"alpha": 4.0, "beta": 6.0},
            lambda z, _: z / (1.0 - z),
            stats.betaprime(4, 6),
        ),
        "square_of_exponential": _derived(
            "Exponential",
            {"rate": 1.0},
            {"lam": 1.0},
            lambda z, _: z**2,
            stats.weibull_min(0.5),
        ),
    }


def _no_events_numpyro() -> None:
    import numpyro
    import numpyro.distributions as dist

    x = numpyro.sample("x", dist.Gamma(1.0, 1.0))
    numpyro.sample("y", dist.Poisson(3.0 * x), obs=0)


def _no_events_pymc() -> None:
    import pymc

    x = pymc.Gamma("x", 1.0, 1.0)
    pymc.Poisson("y", 3.0 * x, observed=0)
