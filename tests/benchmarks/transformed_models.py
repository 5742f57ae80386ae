"""Ten models of several variables with stretching transforms and exact marginals."""

from typing import Any

import numpy as np
from scipy import stats

from benchmarks.transformed import Marginal, Model, marginals

COUNTS, EXPOSURE = np.array([0, 1, 3, 12]), 3.0
NORMALS = np.array([1.1, -0.4, 0.3, -2.0, 0.8, 1.7, -0.9, 0.2])
TIMES, EVENTS = 40.0, 5
SUCCESSES, TRIALS = np.array([2, 9]), np.array([20, 20])
SHARES = np.array([0, 1, 5, 20])
EFFECTS, EFFECT_SD = np.array([0.5, -0.3, 1.2]), np.array([0.5, 1.0, 1.5])
MEANS = np.array([2.1, 1.4, 3.3, 2.0, 1.2])


def models() -> dict[str, Model]:
    """The models by name."""
    ss, n = float(np.sum(NORMALS**2)), len(NORMALS)
    precision = 1.0 + 1.0 / EFFECT_SD**2
    mean, sd = EFFECTS / EFFECT_SD**2 / precision, 1.0 / np.sqrt(precision)
    alpha = 1.0 + SHARES
    rest = alpha.sum() - alpha
    shape, rate = 3.0 + n / 2, 2.0 + ss / 2
    k, m, a, b = _normal_inverse_gamma(MEANS)
    order = [stats.beta(i, 4 - i) for i in (1, 2, 3)]
    levels = np.array([0.5, 1.0, 2.0])
    return {
        "rates": Model(*RATES, marginals(rate=[stats.gamma(1 + y, 0, 1 / 4) for y in COUNTS])),
        "variance": Model(
            *VARIANCE,
            marginals(
                variance=stats.invgamma(shape, 0, rate),
                sd=Marginal(stats.invgamma(shape, 0, rate), np.sqrt),
                precision=stats.gamma(shape, 0, 1 / rate),
            ),
        ),
        "survival": Model(
            *SURVIVAL,
            marginals(
                rate=stats.gamma(0.5 + EVENTS, 0, 1 / (1 + TIMES)),
                lifetime=stats.invgamma(0.5 + EVENTS, 0, 1 + TIMES),
                survival=Marginal(
                    stats.gamma(0.5 + EVENTS, 0, 1 / (1 + TIMES)), lambda r: np.exp(-10.0 * r)
                ),
            ),
        ),
        "two_arms": Model(
            *TWO_ARMS,
            marginals(
                p=[stats.beta(1 + s, 1 + t - s) for s, t in zip(SUCCESSES, TRIALS, strict=True)],
                odds=[
                    stats.betaprime(1 + s, 1 + t - s)
                    for s, t in zip(SUCCESSES, TRIALS, strict=True)
                ],
            ),
        ),
        "shares": Model(
            *SHARES_MODEL,
            {
                **marginals(
                    p=[stats.beta(x, y) for x, y in zip(alpha, rest, strict=True)],
                    odds=[stats.betaprime(x, y) for x, y in zip(alpha, rest, strict=True)],
                ),
            },
        ),
        "ordered": Model(
            *ORDERED,
            marginals(
                x=[Marginal(u, stats.norm.ppf) for u in order],
                rate=[Marginal(u, lambda v: np.exp(stats.norm.ppf(v))) for u in order],
            ),
        ),
        "cholesky": Model(
            *CHOLESKY,
            {
                **marginals(
                    chol_stds=[stats.expon()] * 3,
                    variance=[stats.weibull_min(0.5)] * 3,
                ),
                ("chol_corr", (0, 1)): Marginal(stats.beta(2.5, 2.5, -1, 2)),
            },
        ),
        "rate_ratios": Model(
            *RATIOS,
            marginals(
                effect=[stats.norm(x, s) for x, s in zip(mean, sd, strict=True)],
                ratio=[stats.lognorm(s, 0, np.exp(x)) for x, s in zip(mean, sd, strict=True)],
            ),
        ),
        "mean_and_variance": Model(
            *MEAN_VARIANCE,
            marginals(
                mu=stats.t(2 * a, m, np.sqrt(b / (a * k))),
                variance=stats.invgamma(a, 0, b),
                precision=stats.gamma(a, 0, 1 / b),
            ),
        ),
        "group_scales": Model(
            *SCALES,
            marginals(
                scale=[stats.halfnorm(0, s) for s in levels],
                variance=[stats.gamma(0.5, 0, 2 * s**2) for s in levels],
            ),
        ),
    }


def _normal_inverse_gamma(y: np.ndarray) -> tuple[float, float, float, float]:
    """Posterior of mean and variance under variance ~ IG(3, 2), mean ~ N(0, variance)."""
    n, k = len(y), 1.0 + len(y)
    rest = 0.5 * np.sum((y - y.mean()) ** 2) + 0.5 * n * y.mean() ** 2 / k
    return k, n * y.mean() / k, 3.0 + n / 2, 2.0 + float(rest)


def _numpyro() -> Any:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    return numpyro, dist, jnp


def _rates_numpyro() -> None:
    numpyro, dist, _ = _numpyro()
    with numpyro.plate("groups", 4):
        rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0))
        numpyro.sample("y", dist.Poisson(EXPOSURE * rate), obs=COUNTS)


def _rates_pymc() -> None:
    import pymc as pm

    rate = pm.Gamma("rate", 1.0, 1.0, shape=4)
    pm.Poisson("y", EXPOSURE * rate, observed=COUNTS)


def _variance_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
    sd = numpyro.deterministic("sd", jnp.sqrt(variance))
    numpyro.deterministic("precision", 1.0 / variance)
    numpyro.sample("y", dist.Normal(0.0, sd), obs=NORMALS)


def _variance_pymc() -> None:
    import pymc as pm

    variance = pm.InverseGamma("variance", 3.0, 2.0)
    sd = pm.Deterministic("sd", pm.math.sqrt(variance))
    pm.Deterministic("precision", 1.0 / variance)
    pm.Normal("y", 0.0, sd, observed=NORMALS)


def _survival_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    rate = numpyro.sample("rate", dist.Gamma(0.5, 1.0))
    numpyro.deterministic("lifetime", 1.0 / rate)
    numpyro.deterministic("survival", jnp.exp(-10.0 * rate))
    numpyro.factor("times", EVENTS * jnp.log(rate) - TIMES * rate)


def _survival_pymc() -> None:
    import pymc as pm

    rate = pm.Gamma("rate", 0.5, 1.0)
    pm.Deterministic("lifetime", 1.0 / rate)
    pm.Deterministic("survival", pm.math.exp(-10.0 * rate))
    pm.Potential("times", EVENTS * pm.math.log(rate) - TIMES * rate)


def _two_arms_numpyro() -> None:
    numpyro, dist, _ = _numpyro()
    with numpyro.plate("arms", 2):
        p = numpyro.sample("p", dist.Beta(1.0, 1.0))
        numpyro.sample("y", dist.Binomial(TRIALS, p), obs=SUCCESSES)
    numpyro.deterministic("odds", p / (1.0 - p))


def _two_arms_pymc() -> None:
    import pymc as pm

    p = pm.Beta("p", 1.0, 1.0, shape=2)
    pm.Binomial("y", TRIALS, p, observed=SUCCESSES)
    pm.Deterministic("odds", p / (1.0 - p))


def _shares_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    p = numpyro.sample("p", dist.Dirichlet(jnp.ones(4)))
    numpyro.deterministic("odds", p / (1.0 - p))
    numpyro.sample("y", dist.Multinomial(int(SHARES.sum()), p), obs=SHARES)


def _shares_pymc() -> None:
    import pymc as pm

    p = pm.Dirichlet("p", np.ones(4))
    pm.Deterministic("odds", p / (1.0 - p))
    pm.Multinomial("y", int(SHARES.sum()), p, observed=SHARES)


def _ordered_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.ordered_vector, (), (3,)))
    numpyro.factor("prior", dist.Normal(0.0, 1.0).log_prob(x).sum())
    numpyro.deterministic("rate", jnp.exp(x))


def _ordered_pymc() -> None:
    import pymc as pm

    transform = pm.distributions.transforms.ordered
    x = pm.Normal("x", 0.0, 1.0, shape=3, transform=transform, initval=[-1.0, 0.0, 1.0])
    pm.Deterministic("rate", pm.math.exp(x))


def _cholesky_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    with numpyro.plate("scales", 3):
        scale = numpyro.sample("chol_stds", dist.Exponential(1.0))
    factor = numpyro.sample("factor", dist.LKJCholesky(3, 2.0))
    numpyro.deterministic("chol_corr", factor @ factor.T)
    covariance = (scale[:, None] * factor) @ (scale[:, None] * factor).T
    numpyro.deterministic("variance", jnp.diag(covariance))


def _cholesky_pymc() -> None:
    import pymc as pm

    factor, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=2.0, sd_dist=pm.Exponential.dist(1.0))
    pm.Deterministic("variance", (factor**2).sum(axis=1))


def _ratios_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    with numpyro.plate("effects", 3):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(effect, EFFECT_SD), obs=EFFECTS)
    numpyro.deterministic("ratio", jnp.exp(effect))


def _ratios_pymc() -> None:
    import pymc as pm

    effect = pm.Normal("effect", 0.0, 1.0, shape=3)
    pm.Normal("y", effect, EFFECT_SD, observed=EFFECTS)
    pm.Deterministic("ratio", pm.math.exp(effect))


def _mean_variance_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
    mu = numpyro.sample("mu", dist.Normal(0.0, jnp.sqrt(variance)))
    numpyro.deterministic("precision", 1.0 / variance)
    numpyro.sample("y", dist.Normal(mu, jnp.sqrt(variance)), obs=MEANS)


def _mean_variance_pymc() -> None:
    import pymc as pm

    variance = pm.InverseGamma("variance", 3.0, 2.0)
    mu = pm.Normal("mu", 0.0, pm.math.sqrt(variance))
    pm.Deterministic("precision", 1.0 / variance)
    pm.Normal("y", mu, pm.math.sqrt(variance), observed=MEANS)


def _scales_numpyro() -> None:
    numpyro, dist, jnp = _numpyro()
    with numpyro.plate("groups", 3):
        scale = numpyro.sample("scale", dist.HalfNormal(jnp.array([0.5, 1.0, 2.0])))
    numpyro.deterministic("variance", scale**2)


def _scales_pymc() -> None:
    import pymc as pm

    scale = pm.HalfNormal("scale", np.array([0.5, 1.0, 2.0]), shape=3)
    pm.Deterministic("variance", scale**2)


RATES = (_rates_numpyro, _rates_pymc)
VARIANCE = (_variance_numpyro, _variance_pymc)
SURVIVAL = (_survival_numpyro, _survival_pymc)
TWO_ARMS = (_two_arms_numpyro, _two_arms_pymc)
SHARES_MODEL = (_shares_numpyro, _shares_pymc)
ORDERED = (_ordered_numpyro, _ordered_pymc)
CHOLESKY = (_cholesky_numpyro, _cholesky_pymc)
RATIOS = (_ratios_numpyro, _ratios_pymc)
MEAN_VARIANCE = (_mean_variance_numpyro, _mean_variance_pymc)
SCALES = (_scales_numpyro, _scales_pymc)
