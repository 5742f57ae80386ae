"""Gaussian candidates from optimization paths: the start, points on the way, the end."""

import numpy as np
from jaxtyping import Float

from isogmm.locate.paths import DENSE_LIMIT, Path, factor_of, inverse_hessian
from isogmm.model.target import Target

#: Where along a path candidates are put, as shares of its length: everywhere, where they do not
#: lie in the spike that caught the path, and at the one place that served most often.
EVERYWHERE, BEGINNING, EARLY = (0.0, 0.1, 0.25, 0.5, 1.0), (0.0, 0.1, 0.25), (0.1,)
#: Where it comes from, its mean (d,) and its factor (d, d) or standard deviations (d,).
Candidate = tuple[str, np.ndarray, np.ndarray]
#: Finite differences move this many standard deviations.
_STEP = 1e-3


def laplace_factor(
    target: Target, position: Float[np.ndarray, " d"], guess: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """A factor of (-∇² log π)⁻¹ at a point, from central differences of batched gradients.

    The differences are taken along the columns of ``guess``, where the Hessian is near the
    identity, so that scales from 0.01 to 10,000 lose no digits.  Eigenvalues are replaced by
    their absolute values, bounded away from zero: each round makes a direction at most 100 times
    as wide.  A path that stopped on a narrow ridge (a regression on years that nobody centered)
    knows nothing of its length, and needs three.
    """
    for _ in range(4):
        shifts = _STEP * guess.T
        _, gradients = target.evaluate(np.concatenate([position + shifts, position - shifts]))
        dim = len(position)
        hessian = -(gradients[:dim] - gradients[dim:]) @ guess / (2.0 * _STEP)
        if not np.all(np.isfinite(hessian)):
            break
        values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
        values = np.clip(np.abs(values), 1e-4, 1e12)
        _, upper = np.linalg.qr((guess @ (vectors / np.sqrt(values))).T)
        guess = (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T
        if values.max() / values.min() < 100.0:
            break
    return guess


def laplace_scales(
    target: Target, position: Float[np.ndarray, " d"], num_probes: int = 16
) -> Float[np.ndarray, " d"]:
    """Standard deviations from a diagonal estimate of -∇² log π, for dimensions too many for a
    matrix: E[z ∘ (H z)] over random signs z (Bekas, Kokiopoulou and Saad 2007)."""
    dim = len(position)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(num_probes, dim))
    scale = np.ones(dim)
    for _ in range(3):
        shifts = 1e-4 * signs * scale
        _, gradients = target.evaluate(np.concatenate([position + shifts, position - shifts]))
        products = -(gradients[:num_probes] - gradients[num_probes:]) * signs * scale / 2e-4
        scale = scale / np.sqrt(np.clip(np.abs(products.mean(axis=0)), 1e-6, 1e12))
    return scale


def candidates_from(
    target: Target, path: Path, places: tuple[float, ...] = EVERYWHERE
) -> list[Candidate]:
    """The candidates of one path.

    No single place serves every model: the start does on funnels, an early point on badly
    scaled hierarchies (where the scales of the groups are still wide; later points lie in the
    spike at scale zero), the end on regressions.
    """
    end, last = path.end, len(path.positions) - 1
    if len(end) > DENSE_LIMIT:
        return [("end of the path", end, laplace_scales(target, end))]
    found = []
    for place in places:
        if place == 1.0:
            factor = laplace_factor(target, end, path.guess())
            found.append(("end of the path", end, factor))
            continue
        index = max(round(place * last), min(1, last)) if place else 0
        factor = factor_of(inverse_hessian(path, index))
        name = f"{place:.0%} of the path" if place else "start"
        found.append((name, path.positions[index], factor))
    return found
