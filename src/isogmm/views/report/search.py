"""The rows of a report about the search for modes."""

import json
from collections.abc import Callable, Mapping

from isogmm.views.report.damage import Damage
from isogmm.views.report.formatting import DASH

#: Number of modes whose paths are listed.
MAX_LISTED = 8
#: Sources of starting points in words, where the name alone is not understood.
_SOURCES = {
    "model": "from the model",
    "prior": "from the prior",
    "first Gaussian": "from the first Gaussian",
    "chains": "from HMC chains",
}

Attributes = Mapping[str, str | int | float]


def search_rows(attrs: Attributes, damage: Damage) -> list[tuple[str, str]]:
    """How the modes were searched, and how likely it is that one was missed."""
    if "starts_by_source" not in attrs:
        return []
    readers: dict[str, Callable[[Attributes], str]] = {
        "modes": _modes,
        "starting points": _starting_points,
        "end of the search": lambda attrs: str(attrs["search_end"]),
        "chance of a new mode": _chance,
    }
    rows = [
        (label, damage.read(label, lambda reader=reader: reader(attrs), DASH))  # type: ignore[misc]
        for label, reader in readers.items()
    ]
    return [(label, value) for label, value in rows if value]


def _modes(attrs: Attributes) -> str:
    counts: list[int] = json.loads(str(attrs["paths_by_mode"]))
    listed = ", ".join(f"{count:,}" for count in counts[:MAX_LISTED])
    listed += ", ..." if len(counts) > MAX_LISTED else ""
    # No path ends in a mode whose density has no maximum; the end of the search says so.
    return f"{len(counts):,}" + (f" (paths that ended there: {listed})" if any(counts) else "")


def _starting_points(attrs: Attributes) -> str:
    sources: dict[str, int] = json.loads(str(attrs["starts_by_source"]))
    named = ", ".join(f"{n:,} {_SOURCES.get(name, name)}" for name, n in sources.items() if n)
    screened = int(attrs["num_screened_points"])
    return named + (f"; {screened:,} further points were evaluated once" if screened else "")


def _chance(attrs: Attributes) -> str:
    """The bound on the chance of a new mode; empty if no path ended in a mode."""
    if not any(json.loads(str(attrs["paths_by_mode"]))):
        return ""
    bound, since = float(attrs["unseen_mode_bound"]), int(attrs["num_starts_since_new_mode"])
    return f"at most {bound:.2g} for the next path (the last {since:,} paths found none)"
