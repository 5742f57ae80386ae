"""The report of README's example as a picture.

    python docs/examples/report_image.py

Runs the program of README and writes its report, as a terminal shows it, to
``docs/images/report.svg``.  Run it again after a change of the report or of the program.
"""

import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")

from rich.console import Console
from rich.terminal_theme import TerminalTheme

import isogmm

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "docs" / "images" / "report.svg"
COLUMNS = 96
THEME = TerminalTheme(
    (28, 31, 36),
    (222, 225, 230),
    [(75, 80, 88), (255, 123, 114), (126, 211, 133), (240, 200, 100), (121, 184, 255),
     (210, 168, 255), (118, 215, 222), (222, 225, 230)],
)  # fmt: skip


def program() -> str:
    """The Python program of README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]


def fit_of_readme() -> object:
    """The result that the program of README computes."""
    names: dict = {}
    with redirect_stdout(io.StringIO()):
        exec(compile(program(), "README.md", "exec"), names)
    return names["idata"]


def main(path: Path = IMAGE, idata: object = None) -> str:
    """Write the picture; the report as text."""
    report = isogmm.report(fit_of_readme() if idata is None else idata)
    console = Console(record=True, width=COLUMNS, force_terminal=True, file=io.StringIO())
    console.print(report)
    svg = console.export_svg(title="print(isogmm.report(idata))", theme=THEME, unique_id="report")
    # The fonts of rich's template come from another server, which an image may not load.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace(
        "font-family: Fira Code, monospace", "font-family: DejaVu Sans Mono, monospace"
    )
    path.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")
    return str(report)


if __name__ == "__main__":
    print(main())
    print(f"wrote {IMAGE}")
