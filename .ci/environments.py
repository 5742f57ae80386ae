"""Environments of their own for the checks of what is installed."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USE = ROOT / ".ci" / "use_installed.py"

#: pip without its progress, without the check for a newer pip, and without bytecode of modules that
#: nothing imports here.
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it printed, or stop with its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))[:300]}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def new_environment(path: Path, *, with_pip: bool = True) -> Path:
    """Make an environment and return its Python."""
    venv.create(path, with_pip=with_pip)
    return path / "bin" / "python"


def uv_install(tools: Path, python: Path, *arguments: str | Path, cwd: Path) -> None:
    """Install with uv, which is a package of the environment of ``tools``."""
    run(tools, "-m", "uv", "pip", "install", "--quiet", "--python", python, *arguments, cwd=cwd)


def use(python: Path, language: str, cwd: Path) -> None:
    """Fit a model of one language with the packages of an environment."""
    print(run(python, "-I", "-W", "error::ImportWarning", USE, language, ROOT, cwd=cwd))
