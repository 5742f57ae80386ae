"""Targets with a known truth, written in NumPy: nothing to compile, no language."""

from dataclasses import dataclass, field

import numpy as np

from isogmm.model.target import Target


def make_target(log_density_and_gradient, dim, batch_size=128):
    """A target from a function of points (n, d)."""

    def single(position):
        values, gradients = log_density_and_gradient(position[None])
        return values[0], gradients[0]

    def constrain(positions, seed):
        return {"posterior": {"x": positions}, "log_likelihood": {}, "log_prior": {}}

    return Target(
        variables={"x": (dim,)},
        evaluate_point=single,
        evaluate_batch=log_density_and_gradient,
        constrain=constrain,
        initial_positions=lambda generator, n: generator.uniform(-2, 2, (n, dim)),
        batch_size=batch_size,
    )


@dataclass(frozen=True)
class GaussianMixtureTruth:
    """A normalized mixture of Gaussians: density, gradient, moments.

    Parameters
    ----------
    means, covariances, weights
        (k, d), (k, d, d), (k,).
    """

    means: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray
    precisions: np.ndarray = field(init=False)
    log_normalizers: np.ndarray = field(init=False)

    def __post_init__(self):
        d = self.means.shape[-1]
        object.__setattr__(self, "precisions", np.linalg.inv(self.covariances))
        log_dets = np.linalg.slogdet(self.covariances)[1]
        log_normalizers = np.log(self.weights) - 0.5 * (d * np.log(2 * np.pi) + log_dets)
        object.__setattr__(self, "log_normalizers", log_normalizers)

    @property
    def dim(self):
        return self.means.shape[-1]

    def log_density_and_gradient(self, points):
        shifted = points[:, None, :] - self.means
        pulled = np.einsum("nkd,kde->nke", shifted, self.precisions)
        joint = self.log_normalizers - 0.5 * (shifted * pulled).sum(-1)
        largest = joint.max(-1, keepdims=True)
        values = np.log(np.exp(joint - largest).sum(-1)) + largest[:, 0]
        responsibilities = np.exp(joint - values[:, None])
        return values, -np.einsum("nk,nkd->nd", responsibilities, pulled)

    def log_density(self, x):
        return float(self.log_density_and_gradient(np.asarray(x)[None])[0][0])

    def gradient(self, x):
        return self.log_density_and_gradient(np.asarray(x)[None])[1][0]

    def target(self, batch_size=128):
        return make_target(self.log_density_and_gradient, self.dim, batch_size)


def gaussian(mean, covariance):
    """A single Gaussian."""
    mean, covariance = np.asarray(mean, float), np.asarray(covariance, float)
    return GaussianMixtureTruth(mean[None], covariance[None], np.ones(1))


def isotropic_mixture(means, variances, weights=None):
    """A mixture inside the family."""
    means, variances = np.asarray(means, float), np.asarray(variances, float)
    k, d = means.shape
    weights = np.full(k, 1 / k) if weights is None else np.asarray(weights, float)
    return GaussianMixtureTruth(means, variances[:, None, None] * np.eye(d), weights)


def rotation(generator, dim):
    """A random orthogonal matrix."""
    return np.linalg.qr(generator.standard_normal((dim, dim)))[0]


def correlated_gaussian(dim, condition=100.0, seed=0):
    """A rotated Gaussian whose eigenvalues run from 1/condition to 1."""
    generator = np.random.default_rng(seed)
    values = np.geomspace(1 / condition, 1.0, dim)
    axes = rotation(generator, dim)
    return gaussian(generator.normal(size=dim), (axes * values) @ axes.T)


def half_space(dim):
    """A standard normal cut at x₀ > 0: no finite log density on the other side."""

    def evaluate(points):
        values = -0.5 * (points**2).sum(-1)
        return np.where(points[:, 0] > 0, values, -np.inf), -points

    return make_target(evaluate, dim)


def quartic(dim, tail):
    """Independent coordinates with log density -x²/2 - tail x⁴."""

    def evaluate(points):
        values = -0.5 * points**2 - tail * points**4
        return values.sum(axis=1), -points - 4 * tail * points**3

    return make_target(evaluate, dim)


def nowhere(dim):
    """A log density that is never finite."""
    return make_target(lambda x: (np.full(len(x), np.nan), np.full(x.shape, np.nan)), dim)
