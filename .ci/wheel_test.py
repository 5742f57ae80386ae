"""Build the wheel and the sdist, install the wheel in fresh environments, use it away from here.

Finds what an editable install hides: files that the wheel leaves out, dependencies that are not
declared, entry points that do not resolve, imports of a language that is not there.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from environments import PIP, ROOT, new_environment, run, use, uv_install

PINS = ROOT / "requirements" / ("py311.txt" if sys.version_info < (3, 12) else "py312.txt")
PACKAGES = ("src/isogmm/", "adapters/isogmm_")
#: Each is installed alone, so that an import of the other language is found.
LANGUAGES = ("numpyro", "pymc")


def tracked() -> set[str]:
    """Tracked files, all of which the sdist contains because tests read them."""
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(listing.stdout.splitlines())


def expected_files() -> set[str]:
    """Tracked files of the packages, as paths inside the wheel."""
    return {
        str(PurePosixPath(*PurePosixPath(path).parts[1:]))
        for path in tracked()
        if path.startswith(PACKAGES)
    }


def main() -> None:
    """Build, compare, install, use."""
    with tempfile.TemporaryDirectory(prefix="isogmm-wheel-") as folder:
        here = Path(folder).resolve()
        run(sys.executable, "-m", "hatchling", "build", "-d", here, cwd=ROOT)
        (wheel,), (sdist,) = here.glob("*.whl"), here.glob("*.tar.gz")

        packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        missing = expected_files() - packed
        if missing:
            sys.exit(f"missing from the wheel: {sorted(missing)}")
        with tarfile.open(sdist) as archive:
            inside = {name.split("/", 1)[-1] for name in archive.getnames()}
        missing = tracked() - inside
        if missing:
            sys.exit(f"missing from the sdist: {sorted(missing)}")
        print(f"{wheel.name}: {len(packed)} files, none missing; {sdist.name} is complete")

        tools = new_environment(here / "tools")
        run(tools, *PIP, "twine", "uv", cwd=here)
        run(tools, "-m", "twine", "check", "--strict", wheel, sdist, cwd=here)
        for language in LANGUAGES:
            python = new_environment(here / language, with_pip=False)
            package = f"isogmm[{language}] @ {wheel.as_uri()}"
            uv_install(tools, python, "-c", PINS, package, cwd=here)
            use(python, language, here)


if __name__ == "__main__":
    main()
