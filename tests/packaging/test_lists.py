"""What is in the tree, in the wheel and among the entry points is the same."""

import importlib
from importlib.metadata import entry_points, metadata

import pytest

from helpers.sources import ADAPTERS, ROOT, project

# Entry points are those of the installed package.
pytestmark = pytest.mark.stack


def folders() -> set[str]:
    return {path.parent.name for path in ADAPTERS.glob("*/__init__.py")}


def test_adapters_are_found():
    assert {"isogmm_numpyro", "isogmm_pymc"} <= folders()


def test_wheel_holds_every_package():
    packages = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) == {"src/isogmm"} | {f"adapters/{name}" for name in folders()}


def test_entry_points_name_every_adapter():
    declared = project()["project"]["entry-points"]["isogmm.adapters"]
    assert {value.partition(":")[0] for value in declared.values()} == folders()


def test_installed_entry_points_are_the_declared_ones():
    declared = project()["project"]["entry-points"]["isogmm.adapters"]
    installed = {e.name: e.value for e in entry_points(group="isogmm.adapters")}
    ours = {name: value for name, value in installed.items() if name in declared}
    assert ours == declared, "reinstall: entry points are read when the package is installed"


@pytest.mark.parametrize("name", sorted(project()["project"]["entry-points"]["isogmm.adapters"]))
def test_entry_points_resolve_without_the_language(name):
    from isogmm.model.adapter import AbstractAdapter

    (entry_point,) = (e for e in entry_points(group="isogmm.adapters") if e.name == name)
    adapter = entry_point.load()()
    assert isinstance(adapter, AbstractAdapter)
    assert adapter.name == name


def test_every_adapter_has_an_extra():
    extras = project()["project"]["optional-dependencies"]
    assert set(project()["project"]["entry-points"]["isogmm.adapters"]) <= set(extras)


def test_packages_are_marked_as_typed():
    packages = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert [path for path in packages if not (ROOT / path / "py.typed").is_file()] == []


def test_version_is_written_once():
    isogmm = importlib.import_module("isogmm")
    assert isogmm.__version__ == metadata("isogmm")["Version"] == project()["project"]["version"]


def test_test_suite_checks_every_package_at_run_time():
    options = project()["tool"]["pytest"]["ini_options"]["addopts"]
    (hook,) = (option for option in options if option.startswith("--jaxtyping-packages="))
    assert folders() | {"isogmm", "beartype.beartype"} == set(hook.partition("=")[2].split(","))
