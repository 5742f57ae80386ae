"""The ELBO trace as a small picture: inline SVG, or one line of block characters."""

import numpy as np
from jaxtyping import Float

from isogmm.views.elbo_range import lower_limit

#: Size of the SVG and its margin, in pixels.
WIDTH, HEIGHT, PAD = 420, 96, 6
#: Number of colors that the style sheet defines for chains.
NUM_COLORS = 4
#: Characters from the lowest to the highest ELBO.
BLOCKS = "▁▂▃▄▅▆▇█"
#: Smallest range of the ELBO after the initial climb that counts, in nats.
MIN_SPREAD = 1e-9
#: Half the range that is shown if all ELBO values are equal, in nats.
HALF_RANGE_OF_CONSTANT = 0.5
#: How far a line may leave the picture, as a share of its height.
OVERSHOOT = 0.05


def limits(trace: Float[np.ndarray, "t c"]) -> tuple[float, float] | None:
    """The range of the ELBO to show; None if no entry is finite, or the range has no number."""
    finite = trace[np.isfinite(trace)]
    if not finite.size:
        return None
    high = float(finite.max())
    if high - float(finite.min()) == np.inf:
        return None
    low = lower_limit(trace, float(finite.min()), high, MIN_SPREAD)
    if not high > low:
        low, high = low - HALF_RANGE_OF_CONSTANT, high + HALF_RANGE_OF_CONSTANT
    return (low, high) if high > low and high - low < np.inf else None


def svg(trace: Float[np.ndarray, "t c"], gradients: np.ndarray) -> str:
    """An SVG of the ELBO of every chain against gradient evaluations.

    Colors come from CSS classes, so that the page chooses between light and dark.  The text is
    empty if there are fewer than two checks.
    """
    bounds = limits(trace)
    if bounds is None or len(trace) < 2:
        return ""
    low, high = bounds
    gradients = gradients.astype(float)
    with np.errstate(all="ignore"):
        across = (gradients - gradients[0]) / max(gradients[-1] - gradients[0], 1e-300)
    across = across * (WIDTH - 2 * PAD) + PAD
    lines = []
    for chain in range(trace.shape[1]):
        level = np.clip((trace[:, chain] - low) / (high - low), -OVERSHOOT, 1 + OVERSHOOT)
        down = HEIGHT - PAD - level * (HEIGHT - 2 * PAD)
        points = " ".join(
            f"{x:.1f},{y:.1f}"
            for x, y in zip(across, down, strict=True)
            if np.isfinite(x) and np.isfinite(y)
        )
        css_class = f"isogmm-chain isogmm-chain-{chain % NUM_COLORS}"
        # Attributes for pages that remove the style sheet, which has precedence over them.
        lines.append(
            f'<polyline class="{css_class}" fill="none" stroke="currentColor" points="{points}"/>'
        )
    label = _label(trace)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
        f'class="isogmm-trace"><title>{label}</title>'
        f'<line class="isogmm-axis" x1="{PAD}" y1="{HEIGHT - 1}" x2="{WIDTH - PAD}" '
        f'y2="{HEIGHT - 1}"/>{"".join(lines)}</svg>'
    )


def _label(trace: Float[np.ndarray, "t c"]) -> str:
    """The picture in words."""
    label = f"ELBO of {trace.shape[1]} chains"
    last = trace[-1][np.isfinite(trace[-1])]
    return f"{label}, final mean {last.mean():,.2f} nats" if last.size else label


def blocks(trace: Float[np.ndarray, "t c"], width: int = 48) -> str:
    """The mean over chains as a line of block characters, at most ``width`` of them."""
    bounds = limits(trace)
    if bounds is None or len(trace) < 2:
        return ""
    low, high = bounds
    with np.errstate(all="ignore"):
        num_finite = np.isfinite(trace).sum(axis=1)
        mean = np.where(np.isfinite(trace), trace, 0.0).sum(axis=1) / num_finite
    mean = mean[num_finite > 0]
    if len(mean) > width:
        mean = mean[np.linspace(0, len(mean) - 1, width).round().astype(int)]
    level = np.clip((mean - low) / (high - low), 0.0, 1.0)
    return "".join(BLOCKS[i] for i in (level * (len(BLOCKS) - 1)).round().astype(int))
