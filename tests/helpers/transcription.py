"""The equations in plain NumPy: the independent reference for the optimization loop.

Loops over components, one chain, float64, nothing shared with the library.
"""

import math

import numpy as np


def component_density(x, mean, variance):
    d = len(mean)
    return math.exp(-((x - mean) @ (x - mean)) / (2 * variance)) / (2 * math.pi * variance) ** (
        d / 2
    )


def mixture_density(x, means, variances, weights):
    parts = zip(means, variances, weights, strict=True)
    return sum(w * component_density(x, m, v) for m, v, w in parts)


def mixture_score(x, means, variances, weights):
    total = np.zeros_like(x)
    for m, v, w in zip(means, variances, weights, strict=True):
        total -= w * component_density(x, m, v) * (x - m) / v
    return total / mixture_density(x, means, variances, weights)


def gradients(noise, log_pi, grad_pi, means, variances, weights, own_score=False):
    """g, s, a for each component from noise (k, s, d); finite samples only.

    ``own_score`` makes the deliberate mistake of the component's own score for the mixture's.
    """
    g = np.zeros_like(means)
    s = np.zeros_like(variances)
    a = np.zeros_like(variances)
    for k, (m, v) in enumerate(zip(means, variances, strict=True)):
        used = 0
        for epsilon in noise[k]:
            x = m + math.sqrt(v) * epsilon
            if not np.isfinite(log_pi(x)):
                continue
            used += 1
            score = -(x - m) / v if own_score else mixture_score(x, means, variances, weights)
            delta = score - grad_pi(x)
            g[k] += delta
            s[k] += (x - m) @ delta / (len(m) * v)
            a[k] += math.log(mixture_density(x, means, variances, weights)) - log_pi(x)
        if used:
            g[k], s[k], a[k] = g[k] / used, s[k] / used, a[k] / used
    return g, s, a


def ibw(m, v, g, s, gamma):
    return m - gamma * g, (1 - gamma * s) ** 2 * v


def md(m, v, g, s, gamma):
    return m - gamma * g, v * math.exp(-gamma * s)


def ngd(m, v, g, s, gamma):
    precision = 1 / v + gamma * s
    if precision < 1e-3 / v:
        precision = 1e-3 / v
    return m - gamma * g / precision, 1 / precision


def means_only(m, v, g, s, gamma):
    return m - gamma * g, v


COMPONENT_STEPS = {"ibw": ibw, "md": md, "ngd": ngd, "means_only": means_only}


def step(name, means, variances, g, s, gamma):
    """One step of a rule by its name in the registry."""
    base = name.removesuffix("_s")
    if base != name:
        s = [sum(s) / len(s)] * len(s)
    new = [
        COMPONENT_STEPS[base](m, v, gk, sk, gamma)
        for m, v, gk, sk in zip(means, variances, g, s, strict=True)
    ]
    return np.array([m for m, _ in new]), np.array([v for _, v in new])


def weights_step(weights, a, gamma):
    """Mirror step of the weights."""
    average = sum(w * ak for w, ak in zip(weights, a, strict=True))
    raw = [w * math.exp(-gamma * (ak - average)) for w, ak in zip(weights, a, strict=True)]
    return np.array(raw) / sum(raw)
