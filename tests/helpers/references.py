"""Coordinate ascent and expectation propagation, written for tests and not used by the library."""

import numpy as np
from scipy.special import digamma, gammaln, log_ndtr
from scipy.stats import norm


def variational_em(x, y, alpha, *, shape, rate, num_steps=2000):
    """Regression with unit noise and β_j ~ N(0, 1/α_j), α_j ~ Gamma(shape, rate).

    The approximation is q(β) Π q(α_j).  Returns mean and covariance of β, the means of α and the
    ELBO after each step.  With shape = rate = 0 the updates are those of EM with ARD.
    """
    alpha, trace = np.array(alpha, dtype=float), []
    for _ in range(num_steps):
        covariance = np.linalg.inv(x.T @ x + np.diag(alpha))
        mean = covariance @ x.T @ y
        rates = rate + 0.5 * (mean**2 + np.diag(covariance))
        alpha = (shape + 0.5) / rates
        if rate > 0:
            trace.append(variational_bound(x, y, mean, covariance, rates, shape, rate))
    return mean, covariance, alpha, np.array(trace)


def variational_bound(x, y, mean, covariance, rates, shape, rate):
    """E_q[log p(y, β, α) - log q] for q(β) = N(mean, covariance), q(α_j) = Gamma(shape + ½, rates).

    Every term stands alone, so that no optimality is assumed.
    """
    size, dim = x.shape
    expected, expected_log = (shape + 0.5) / rates, digamma(shape + 0.5) - np.log(rates)
    squares = mean**2 + np.diag(covariance)
    error = np.sum((y - x @ mean) ** 2) + np.trace(x.T @ x @ covariance)
    bound = -0.5 * (size * np.log(2 * np.pi) + error)
    bound += 0.5 * np.sum(expected_log - np.log(2 * np.pi) - expected * squares)
    bound += np.sum(
        shape * np.log(rate) - gammaln(shape) + (shape - 1) * expected_log - rate * expected
    )
    bound += 0.5 * (np.linalg.slogdet(covariance)[1] + dim * (1 + np.log(2 * np.pi)))
    own = shape + 0.5
    entropies = own - np.log(rates) + gammaln(own) + (1 - own) * digamma(own)
    return float(bound + entropies.sum())


def mean_field(precision, shift, num_sweeps=500):
    """Coordinate ascent for N(Λ⁻¹ h, Λ⁻¹) by independent Gaussians: means and variances."""
    mean = np.zeros(len(shift))
    for _ in range(num_sweeps):
        for j in range(len(shift)):
            rest = precision[j] @ mean - precision[j, j] * mean[j]
            mean[j] = (shift[j] - rest) / precision[j, j]
    return mean, 1 / np.diag(precision)


def sites_of(rows, update, prior_precision, num_sweeps, damping):
    """Expectation propagation for Π_i t_i(rows_i · β) N(β; 0, prior_precision⁻¹ I).

    ``update(i, center, width)`` returns mean and variance of t_i(z) N(z; center, width).  Returns
    mean, covariance, and the precisions and shifts of the factors.
    """
    precisions, shifts = np.zeros(len(rows)), np.zeros(len(rows))
    for _ in range(num_sweeps):
        for i, row in enumerate(rows):
            mean, covariance = _posterior(rows, precisions, shifts, prior_precision)
            width, center = row @ covariance @ row, row @ mean
            rest = 1 / width - precisions[i]
            center, width = (center / width - shifts[i]) / rest, 1 / rest
            new_mean, new_variance = update(i, center, width)
            precisions[i] += damping * (1 / new_variance - rest - precisions[i])
            shifts[i] += damping * (new_mean / new_variance - center * rest - shifts[i])
    return *_posterior(rows, precisions, shifts, prior_precision), precisions, shifts


def _posterior(rows, precisions, shifts, prior_precision):
    total = prior_precision * np.eye(rows.shape[1]) + (rows.T * precisions) @ rows
    covariance = np.linalg.inv(total)
    return covariance @ rows.T @ shifts, covariance


def clutter_ep(observed, *, share=0.5, variance=10.0, prior_variance=100.0):
    """EP for observations (1 - share) N(θ, 1) + share N(0, variance), θ ~ N(0, prior_variance)."""
    background = share * norm.pdf(observed, 0, np.sqrt(variance))

    def update(i, center, width):
        signal = (1 - share) * norm.pdf(observed[i], center, np.sqrt(width + 1))
        weight = signal / (signal + background[i])
        # The posterior is a mixture: N(center, width) and its update by one observation.
        own = center + width * (observed[i] - center) / (width + 1), width / (width + 1)
        mean = weight * own[0] + (1 - weight) * center
        second = weight * (own[1] + own[0] ** 2) + (1 - weight) * (width + center**2)
        return mean, second - mean**2

    rows = np.ones((len(observed), 1))
    return sites_of(rows, update, 1 / prior_variance, num_sweeps=200, damping=0.5)


def probit_ep(rows, *, prior_precision):
    """EP for Π Φ(rows_i · β) with β ~ N(0, I / prior_precision); labels multiply the rows."""

    def update(_, center, width):
        z = center / np.sqrt(1 + width)
        ratio = np.exp(norm.logpdf(z) - log_ndtr(z)) / np.sqrt(1 + width)
        return center + width * ratio, width - width**2 * ratio * (ratio + z / np.sqrt(1 + width))

    return sites_of(rows, update, prior_precision, num_sweeps=100, damping=1.0)
