"""Remove outputs and execution counts from notebooks: they are made again by running them.

Usage: strip_notebooks.py [--check] [file or folder ...]; with --check nothing is written, and
the exit status says whether some notebook still holds outputs.
"""

import json
import sys
from pathlib import Path


def stripped(text: str) -> str:
    """The notebook without what a run leaves behind, in Jupyter's own layout."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
        for key in ("execution", "collapsed", "scrolled"):
            cell["metadata"].pop(key, None)
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"].get("language_info", {}).pop("version", None)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Strip or check every notebook named or found; 1 if a check failed."""
    check = "--check" in arguments
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    notebooks = [
        notebook
        for path in paths
        for notebook in ([path] if path.is_file() else sorted(path.rglob("*.ipynb")))
        if notebook.suffix == ".ipynb" and not {"_build", ".ipynb_checkpoints"} & {*notebook.parts}
    ]
    status = 0
    for notebook in notebooks:
        text = notebook.read_text(encoding="utf-8")
        clean = stripped(text)
        if clean == text:
            continue
        if check:
            status = 1
            print(f"{notebook}: holds outputs; run 'make format'")
        else:
            notebook.write_text(clean, encoding="utf-8")
            print(f"{notebook}: stripped")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
