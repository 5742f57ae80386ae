"""Pages and notebooks as programs: what they show is run, with warnings as a reader sees them."""

import ast
import contextlib
import io
import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.sources import ROOT

DOCS, NOTEBOOKS = ROOT / "docs", ROOT / "notebooks"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    """The text of a page of the documentation."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[str]:
    """The Python blocks of a page."""
    return BLOCK.findall(page(name))


def quickstart_model() -> str:
    """The NumPyro model and the data of the quickstart, which other pages use."""
    data, model, *_ = blocks("quickstart.md")
    return data + model.rpartition("idata = ")[0]


def cells(path: Path, kind: str = "code") -> list[str]:
    """The cells of a notebook."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def run(programs: Iterable[str], names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run programs one after another in one namespace, showing the last expression of each.

    What other packages warn of is for the reader to see, not a failure of the page.
    """
    import jax
    import matplotlib.pyplot as plt

    names = {"__name__": "__main__"} if names is None else names
    precision, printed = jax.config.jax_enable_x64, io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("ignore")
            for program in programs:
                body = ast.parse(program).body
                shown = body.pop() if body and isinstance(body[-1], ast.Expr) else None
                exec(compile(ast.Module(body, []), "<page>", "exec"), names)
                if shown is not None:
                    value = eval(compile(ast.Expression(shown.value), "<page>", "eval"), names)
                    if value is not None:
                        print(getattr(value, "_repr_html_", value.__repr__)())
    finally:
        plt.close("all")
        jax.config.update("jax_enable_x64", precision)
    names["__printed__"] = printed.getvalue()
    return names
