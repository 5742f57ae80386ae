"""The ELBO trace as a small picture: inline SVG, and a line of block characters."""

import numpy as np
from jaxtyping import Float

WIDTH, HEIGHT, PAD = 420, 96, 6
BLOCKS = "▁▂▃▄▅▆▇█"


def limits(trace: Float[np.ndarray, "t c"]) -> tuple[float, float] | None:
    """The range worth showing: the first steep climb must not flatten the rest."""
    finite = trace[np.isfinite(trace)]
    if not finite.size:
        return None
    high = float(finite.max())
    late = trace[len(trace) // 3 :]
    late = late[np.isfinite(late)]
    low = float(finite.min())
    if late.size:
        low = max(low, high - 4 * max(high - float(late.min()), 1e-9))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def svg(trace: Float[np.ndarray, "t c"], place: np.ndarray) -> str:
    """A self-contained SVG of the ELBO of every chain against gradient evaluations.

    Colors come from classes, so that the page decides about light and dark.  Empty where there
    are fewer than two checks.
    """
    bounds = limits(trace)
    if bounds is None or len(trace) < 2:
        return ""
    low, high = bounds
    place = place.astype(float)
    across = (place - place[0]) / max(place[-1] - place[0], 1e-300) * (WIDTH - 2 * PAD) + PAD
    lines = []
    for chain in range(trace.shape[1]):
        level = np.clip((trace[:, chain] - low) / (high - low), -0.05, 1.05)
        down = HEIGHT - PAD - level * (HEIGHT - 2 * PAD)
        points = " ".join(
            f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True) if np.isfinite(y)
        )
        lines.append(f'<polyline class="isogmm-chain isogmm-chain-{chain % 4}" points="{points}"/>')
    last = trace[-1][np.isfinite(trace[-1])]
    label = f"ELBO of {trace.shape[1]} chains"
    if last.size:
        label += f", at the end {last.mean():,.2f} nats"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
        f'class="isogmm-trace"><title>{label}</title>'
        f'<line class="isogmm-axis" x1="{PAD}" y1="{HEIGHT - 1}" x2="{WIDTH - PAD}" '
        f'y2="{HEIGHT - 1}"/>{"".join(lines)}</svg>'
    )


def blocks(trace: Float[np.ndarray, "t c"], width: int = 48) -> str:
    """The mean over chains as a line of block characters."""
    bounds = limits(trace)
    if bounds is None or len(trace) < 2:
        return ""
    low, high = bounds
    with np.errstate(all="ignore"):
        number = np.isfinite(trace).sum(axis=1)
        mean = np.where(np.isfinite(trace), trace, 0.0).sum(axis=1) / number
    mean = mean[number > 0]
    if len(mean) > width:
        mean = mean[np.linspace(0, len(mean) - 1, width).round().astype(int)]
    level = np.clip((mean - low) / (high - low), 0.0, 1.0)
    return "".join(BLOCKS[i] for i in (level * (len(BLOCKS) - 1)).round().astype(int))
