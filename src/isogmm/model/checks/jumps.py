"""A search for jumps of the log density, which its gradient does not show."""

import numpy as np
from jaxtyping import Float

from isogmm.model.target import Target

#: Largest number of evaluations of the first intervals, and of positions.
MAX_EVALUATIONS, MAX_POSITIONS = 4096, 8
#: Number of halvings of an interval, which is one standard deviation long at first.
NUM_HALVINGS = 16
#: Smallest change of the log density over the last interval, in nats, and how many times larger
#: it must be than the change over each of the intervals beside it, and than the unit in the last
#: place of the log density.
MIN_JUMP, MIN_RATIO, NUM_BESIDE = 0.02, 10.0, 4
#: Share of the positions that must have a jump.
MIN_SHARE = 0.25

#: Log densities and gradients.
Evaluation = tuple[np.ndarray, np.ndarray]


def coordinate_with_jumps(
    target: Target, positions: Float[np.ndarray, "n d"], sd: Float[np.ndarray, " d"]
) -> str | None:
    """A coordinate along which the log density jumps, or None.

    The change of a smooth log density over an interval is explained by the gradients at its ends.
    An interval of one standard deviation is halved repeatedly, and the half with the larger
    unexplained change is kept.  The unexplained change of a continuous log density tends to zero,
    also at a kink.  That of a jump remains.

    Parameters
    ----------
    target
        The target.
    positions
        Positions in the typical set (n, d).
    sd
        Standard deviations of the coordinates (d,).

    Returns
    -------
    str or None
        The name of the coordinate with the most jumps.
    """
    count = min(MAX_EVALUATIONS // target.dim, MAX_POSITIONS, len(positions))
    if count < 2:
        return None
    chosen = np.linspace(0, len(positions) - 1, count).astype(int)
    # Axes: position, coordinate that changes, coordinate.
    begin = np.repeat(positions[chosen][:, None], target.dim, axis=1)
    shift = np.diag(sd)[None]
    left, width = np.zeros(begin.shape[:2]), 1.0
    at_left = target.evaluate(begin)
    at_right = target.evaluate(begin + shift)
    for _ in range(NUM_HALVINGS):
        width *= 0.5
        at_middle = target.evaluate(begin + (left + width)[..., None] * shift)
        first = _unexplained(at_left, at_middle, width * shift)
        second = _unexplained(at_middle, at_right, width * shift)
        keep_first = first >= second
        left = np.where(keep_first, left, left + width)
        at_left = _choose(keep_first, at_left, at_middle)
        at_right = _choose(keep_first, at_middle, at_right)
        if not (np.maximum(first, second) > MIN_JUMP).any():
            return None
    jumps = _unexplained(at_left, at_right, width * shift)
    steps = np.arange(-NUM_BESIDE, NUM_BESIDE + 2)
    points = begin + (left + width * steps[:, None, None])[..., None] * shift
    log_density, gradients = target.evaluate(points)
    beside = _unexplained(
        (log_density[:-1], gradients[:-1]), (log_density[1:], gradients[1:]), width * shift
    )
    beside[NUM_BESIDE] = 0.0  # the interval itself
    dtype = np.float32 if target.single_precision else np.float64
    unit = np.spacing(np.abs(at_left[0]).astype(dtype))
    noise = np.maximum(beside.max(axis=0), unit)
    is_jump = (jumps > MIN_JUMP) & (jumps > MIN_RATIO * noise)
    share = is_jump.mean(axis=0)
    worst = int(np.argmax(share))
    return target.coordinate_labels[worst] if share[worst] >= MIN_SHARE else None


def _unexplained(begin: Evaluation, end: Evaluation, shift: np.ndarray) -> np.ndarray:
    """Absolute change of the log density beyond the trapezoidal rule; 0 beyond the support."""
    slopes = 0.5 * (begin[1] + end[1])
    with np.errstate(invalid="ignore"):
        change = np.abs(end[0] - begin[0] - (slopes * shift).sum(axis=-1))
    return np.where(np.isfinite(change), change, 0.0)


def _choose(condition: np.ndarray, first: Evaluation, second: Evaluation) -> Evaluation:
    """The first evaluation where the condition holds, else the second."""
    return (
        np.where(condition, first[0], second[0]),
        np.where(condition[..., None], first[1], second[1]),
    )
