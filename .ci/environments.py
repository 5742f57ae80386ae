"""Environments of their own for the checks of what is installed."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USE = ROOT / ".ci" / "use_installed.py"

#: pip without its progress and without the check for a newer pip.
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it printed, or stop with its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))[:300]}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def new_environment(path: Path) -> Path:
    """Make an environment with pip and return its Python."""
    venv.create(path, with_pip=True)
    return path / "bin" / "python"


def use(python: Path, language: str, cwd: Path) -> None:
    """Fit a model of one language with the packages of an environment."""
    print(run(python, "-I", "-W", "error::ImportWarning", USE, language, ROOT, cwd=cwd))
