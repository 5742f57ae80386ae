"""Thumbnails of the notebooks for the gallery.

    python docs/examples/gallery.py [notebook ...]

Runs the notebooks, which takes about ten minutes for all of them, and writes one figure of each to
``docs/images/thumb_{notebook}.png``.
"""

import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")

import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
#: Width of a thumbnail in pixels: 1.5 times that of its place on the page.
WIDTH = 480
#: Which figure of a notebook is shown, counted from 0; the last one by default.
FIGURES = {"3_several_modes": 0, "14_vae": 0, "15_from_em_to_vb": 1, "16_families": 0}


def figures(path: Path) -> list[bytes]:
    """The figures of a notebook as PNG, in order."""
    pictures: list[bytes] = []

    def keep(*_: object, **__: object) -> None:
        for number in plt.get_fignums():
            figure, stream = plt.figure(number), io.BytesIO()
            dpi = WIDTH / figure.get_size_inches()[0]
            figure.savefig(stream, dpi=dpi, facecolor="white")
            pictures.append(stream.getvalue())
        plt.close("all")

    plt.show = keep
    names = {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            with redirect_stdout(io.StringIO()):
                exec(compile("".join(cell["source"]), path.name, "exec"), names)
            keep()
    return pictures


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        pictures = figures(path)
        if pictures:
            chosen = pictures[FIGURES.get(path.stem, -1)]
            (IMAGES / f"thumb_{path.stem}.png").write_bytes(chosen)
        print(f"{path.stem}: {len(pictures)} figures", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
