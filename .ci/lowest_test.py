"""Install the lowest versions that pyproject.toml declares, each language alone, and use them.

Finds lower bounds that are too low.  Only the packages that pyproject.toml names get their lowest
versions; those that they need are as new as possible.  Needs the oldest supported Python, because
the lowest versions have no wheels for later ones.
"""

import sys
import tempfile
from pathlib import Path

from environments import PIP, ROOT, new_environment, run, use, uv_install

LANGUAGES = ("numpyro", "pymc")


def main() -> None:
    """One environment for each language."""
    if sys.version_info[:2] != (3, 11):
        sys.exit("the lowest versions are tested with Python 3.11, the oldest one supported")
    with tempfile.TemporaryDirectory(prefix="isogmm-lowest-") as folder:
        here = Path(folder).resolve()
        tools = new_environment(here / "tools")
        run(tools, *PIP, "uv", cwd=here)
        for language in LANGUAGES:
            python = new_environment(here / language, with_pip=False)
            uv_install(
                *(tools, python),
                *("--resolution", "lowest-direct"),
                *("--only-binary", ":all:", "--no-binary", "isogmm"),
                f"isogmm[{language}] @ {ROOT.as_uri()}",
                cwd=here,
            )
            use(python, language, here)


if __name__ == "__main__":
    main()
