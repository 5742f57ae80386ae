"""The declared lower bounds are those that `make lowest-test` installs and uses."""

import itertools
import re
import tomllib

import pytest

from helpers.sources import ROOT

#: The lowest versions that work.  With the release before these, a fit or a method fails: arviz
#: 0.20 has no ``warn_on_custom_groups``, blackjax 1.2.5 has no ``tempering_param``, and the
#: clean-up of a result by bambi 0.15 takes other arguments.
LOWEST = {
    "arviz": "0.21",
    "bambi": "0.16",
    "blackjax": "1.3",
    "h5py": "3.11",
    "jax": "0.4.35",
    "matplotlib": "3.8.4",
    "numpy": "2.0",
    "numpyro": "0.16",
    "pandas": "2.2.2",
    "pymc": "5.23",
    "scipy": "1.13",
    "xarray": "2024.10",
}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def declared() -> dict[str, str]:
    """The lower bound of every package that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = itertools.chain.from_iterable(project["optional-dependencies"].values())
    lines = [*project["dependencies"], *extras]
    matches = [re.match(r"([a-z0-9-]+)>=([0-9.]+)", line) for line in lines]
    return {match[1]: match[2] for match in matches if match}


@pytest.mark.parametrize("package", LOWEST)
def test_the_lower_bound_works(package):
    assert numbers(declared()[package]) >= numbers(LOWEST[package])


def test_the_lowest_versions_are_installed_before_a_merge():
    assert "lowest-test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
