"""The rows of a report about the search for modes."""

import json
from collections.abc import Mapping

#: Number of modes whose paths are listed.
MAX_LISTED = 8


def search_rows(attrs: Mapping[str, str | int | float]) -> list[tuple[str, str]]:
    """How the modes were searched, and how likely it is that one was missed."""
    if "starts_by_source" not in attrs:
        return []
    sources: dict[str, int] = json.loads(str(attrs["starts_by_source"]))
    counts: list[int] = json.loads(str(attrs["paths_by_mode"]))
    listed = ", ".join(f"{count:,}" for count in counts[:MAX_LISTED])
    listed += ", ..." if len(counts) > MAX_LISTED else ""
    named = ", ".join(f"{count:,} {source}" for source, count in sources.items() if count)
    bound = float(attrs["unseen_mode_bound"])
    since, points = int(attrs["num_starts_since_new_mode"]), int(attrs["num_screened_points"])
    return [
        ("modes", f"{len(counts):,} ({_paths(listed, counts)})"),
        ("starting points", f"{named}; {points:,} further points evaluated once"),
        ("end of the search", str(attrs["search_end"])),
        (
            "chance of a new mode",
            f"at most {bound:.2g} for the next path (the last {since:,} found none)",
        ),
    ]


def _paths(listed: str, counts: list[int]) -> str:
    """How many paths ended in each mode."""
    if not any(counts):
        return "no path ended in it" if len(counts) == 1 else "no path ended in one"
    return f"paths that ended there: {listed}"
