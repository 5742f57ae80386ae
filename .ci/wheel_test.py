"""Build the wheel and the sdist, install the wheel in a fresh environment, use it away from here.

Finds what an editable install hides: files that the wheel leaves out, dependencies that are not
declared, entry points that do not resolve, imports of a language that is not there.
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / ("py311.txt" if sys.version_info < (3, 12) else "py312.txt")
PACKAGES = ("src/isogmm/", "adapters/isogmm_")

# Runs with NumPyro installed and PyMC not.
SMOKE = """
import importlib.metadata, importlib.util, pathlib, sys
import isogmm

checkout = pathlib.Path(sys.argv[1])
assert checkout not in pathlib.Path(isogmm.__file__).parents, isogmm.__file__
assert importlib.util.find_spec("pymc") is None
names = {entry.name for entry in importlib.metadata.entry_points(group="isogmm.adapters")}
assert names == {"numpyro", "pymc"}, names

import numpyro.distributions as dist
import numpyro
from isogmm.model.adapter import installed_adapters

assert set(installed_adapters()) == names, installed_adapters()
for name in isogmm.__all__:
    getattr(isogmm, name)

def model(y):
    mean = numpyro.sample("mean", dist.Normal(0.0, 10.0))
    numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)

import numpy as np
y = np.array([1.0, 2.0, 3.0])
idata = isogmm.fit_isogmm(model, y, random_seed=0, progressbar=False)
draws = np.asarray(idata["posterior"]["mean"])
expected = y.sum() / (3.0 + 0.01)
error = np.sqrt(1.0 / 3.01 / draws.size)
assert abs(draws.mean() - expected) < 5.0 * error, (draws.mean(), expected, error)
isogmm.report(idata)
print(f"fitted a NumPyro model: mean {draws.mean():.3f}, exact {expected:.3f}; "
      f"verdict {idata.attrs['verdict']}")
"""


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command or stop with its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))[:300]}\n{done.stdout}{done.stderr}")
    if done.stdout.strip() and "-c" in command:
        print(done.stdout.strip().splitlines()[-1])


def expected_files() -> set[str]:
    """Tracked files of the packages, as paths inside the wheel."""
    listing = subprocess.run(
        ["git", "ls-files", "src", "adapters"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {
        str(PurePosixPath(*PurePosixPath(path).parts[1:]))
        for path in listing.stdout.splitlines()
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
        missing = {"README.md", "LICENSE", "CHANGELOG.md", "tests/conftest.py"} - inside
        if missing:
            sys.exit(f"missing from the sdist: {sorted(missing)}")
        print(f"{wheel.name}: {len(packed)} files, none missing; {sdist.name} is complete")

        environment = here / "environment"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(python, *quiet, "-c", PINS, f"isogmm[numpyro] @ {wheel.as_uri()}", cwd=here)
        run(python, "-I", "-W", "error::ImportWarning", "-c", SMOKE, ROOT, cwd=here)


if __name__ == "__main__":
    main()
