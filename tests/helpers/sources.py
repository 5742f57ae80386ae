"""The checkout seen as text: tracked files, modules and what they import."""

import ast
import functools
import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
ADAPTERS = ROOT / "adapters"


def project() -> dict[str, Any]:
    """The contents of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked_files() -> list[Path]:
    """Files under version control; where there is none (an sdist), all files but caches."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and done.stdout:
        files = [ROOT / name for name in done.stdout.split("\0") if name]
        return [file for file in files if file.is_file()]
    hidden = ("__pycache__", ".venv", ".git", "build", "dist")
    return [
        file
        for file in ROOT.rglob("*")
        if file.is_file() and not any(p.startswith(hidden) for p in file.relative_to(ROOT).parts)
    ]


def modules(top: Path, package: str) -> dict[str, Path]:
    """Dotted name to file, for every module of a package."""
    found = {}
    for file in sorted((top / package).rglob("*.py")):
        parts = list(file.relative_to(top).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = file
    return found


@functools.cache
def imports(name: str, file: Path) -> tuple[str, ...]:
    """Dotted names that a module imports, anywhere in it; ``from a import b`` gives ``a.b``."""
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = name.split(".")
                # A package's own __init__ counts as one level less.
                keep = len(parent) - node.level + (file.name == "__init__.py")
                base = ".".join([*parent[:keep], *([base] if base else [])])
            found += [f"{base}.{alias.name}" for alias in node.names]
    return tuple(found)
