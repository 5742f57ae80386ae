"""Which package may import which: one table, read against the source, lazy imports included."""

import ast
import graphlib
from pathlib import Path

import pytest

from helpers.sources import ADAPTERS, SRC, imports, modules

#: The packages and root modules of isogmm, each with those that it may import.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "arrays": set(),
    "validation": {"errors"},
    "progress": set(),
    "model": {"arrays", "errors", "validation"},
    "results": {"arrays", "errors", "model", "validation"},
    "mixtures": {"arrays", "errors", "model", "results", "validation"},
    "inference_data": {"mixtures", "results"},
    "optimize": {"arrays", "errors", "mixtures", "model", "results", "validation"},
    "draws": {"arrays", "errors", "mixtures", "model", "results", "validation"},
    "views": {"arrays", "errors", "mixtures", "results", "validation"},
    "locate": {"arrays", "draws", "errors", "mixtures", "model", "results", "validation"},
    "recipe": {
        "arrays",
        "draws",
        "errors",
        "inference_data",
        "locate",
        "mixtures",
        "model",
        "optimize",
        "progress",
        "results",
        "validation",
    },
    "samplers": {
        "arrays",
        "draws",
        "errors",
        "locate",
        "mixtures",
        "model",
        "progress",
        "results",
        "validation",
    },
    "api": {"model", "optimize", "recipe", "results"},
    "baselines": {"model", "progress", "results", "samplers", "validation"},
    "empirical_bayes": {"api", "arrays", "errors", "model", "progress", "results", "validation"},
    "studies": {"api", "arrays", "errors", "model", "progress", "results", "validation"},
    "rows": {
        "api",
        "arrays",
        "draws",
        "errors",
        "locate",
        "model",
        "progress",
        "recipe",
        "results",
        "validation",
    },
    # The public names load their modules on first use: see the test of dynamic imports.
    "": {"errors"},
}
#: What an adapter may import of isogmm.
ALLOWED_ADAPTERS = {"arrays", "errors", "model", "results"}
#: Files that import a module whose name is known at run time only.
DYNAMIC_IMPORTS = {
    "isogmm": "public names and modules, loaded on first use",
    "isogmm.errors": "optional packages, by `require`",
    "isogmm.model.programs.precision": "JAX under either of its names",
    "isogmm.progress.line": "IPython, which only notebooks have",
    "isogmm.results.arviz.versions": "either generation of ArviZ",
}
#: Packages and root modules on the longest chain of imports.
MAX_DEPTH = 10
MAX_ROOT_FILES = 8

ISOGMM = modules(SRC, "isogmm")
ADAPTER_MODULES = {
    name: file
    for folder in sorted(path.name for path in ADAPTERS.glob("isogmm_*"))
    for name, file in modules(ADAPTERS, folder).items()
}
ALL = {**ISOGMM, **ADAPTER_MODULES}


def graph_of(files: dict[str, Path]) -> dict[str, set[str]]:
    """Module to the modules among ``files`` that it imports anywhere in its source.

    ``from package import name`` counts as an import of the module that defines the name, where
    the package only hands it on.
    """
    return {
        name: {module for imported in imports(name, file) if (module := owner(imported, files))}
        - {name}
        for name, file in files.items()
    }


def owner(imported: str, files: dict[str, Path]) -> str:
    """The module that an import of a dotted name loads, or an empty string for another package."""
    module, name = imported, ""
    while module and module not in files:
        module, _, name = module.rpartition(".")
    if module and name and files[module].name == "__init__.py":
        for other in imports(module, files[module]):
            if other.rpartition(".")[2] == name:
                return owner(other, files) or module
    return module


def part(module: str) -> str:
    """The row of the table: the package, or the root module, that a module belongs to."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "isogmm" else top


def violations(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Imports that the table does not allow."""
    return {
        (module, imported)
        for module, used in graph.items()
        for imported in used
        if part(module) != part(imported)
        and part(imported) not in ALLOWED.get(part(module), ALLOWED_ADAPTERS)
    }


def cycle_of(graph: dict[str, set[str]]) -> list[str]:
    """A cycle of modules, or an empty list."""
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """The graph of all modules."""
    return graph_of(ALL)


def test_every_package_has_a_row():
    assert {part(module) for module in ISOGMM} == set(ALLOWED)


def test_packages_import_what_the_table_allows(graph):
    assert violations(graph) == set()


def test_the_table_allows_nothing_upwards():
    """The rows of the table can be put in an order in which each imports earlier ones only."""
    assert cycle_of(ALLOWED) == []


def test_no_file_imports_itself_through_others(graph):
    assert cycle_of(graph) == []


def within(package: str, graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph of the modules and packages directly inside a package."""
    start = package + "."
    inner: dict[str, set[str]] = {}
    for module, imported in graph.items():
        if module.startswith(start):
            own = module.removeprefix(start).partition(".")[0]
            others = {
                other.removeprefix(start).partition(".")[0]
                for other in imported
                if other.startswith(start)
            }
            inner.setdefault(own, set()).update(others - {own})
    return inner


PACKAGES = sorted({module.rpartition(".")[0] for module in ALL} - {""})


@pytest.mark.parametrize("package", PACKAGES)
def test_the_parts_of_a_package_import_in_one_direction(package, graph):
    assert cycle_of(within(package, graph)) == []


def test_violations_and_cycles_are_found(graph):
    """The negative control: the checks fail where they should."""
    bad = {**graph, "isogmm.errors": {"isogmm.recipe.fit"}}
    assert ("isogmm.errors", "isogmm.recipe.fit") in violations(bad)
    assert "isogmm.errors" in cycle_of(bad)
    upwards = {**graph, "isogmm.locate.paths.lbfgs": {"isogmm.locate.modes.extend"}}
    assert "paths" in cycle_of(within("isogmm.locate", upwards))
    assert violations({**graph, "isogmm_numpyro._reading.dims": {"isogmm.recipe.fit"}})


def test_the_longest_chain_of_packages_is_short(graph):
    depth: dict[str, int] = {}
    used: dict[str, set[str]] = {}
    for module, imported in graph.items():
        used.setdefault(part(module), set()).update(part(other) for other in imported)
    for row in graphlib.TopologicalSorter(
        {row: others - {row} for row, others in used.items()}
    ).static_order():
        depth[row] = 1 + max((depth[other] for other in used[row] - {row}), default=0)
    assert max(depth.values()) <= MAX_DEPTH


def test_few_files_at_the_root():
    files = [file.name for file in (SRC / "isogmm").glob("*.py")]
    assert len(files) <= MAX_ROOT_FILES


@pytest.mark.parametrize("name", ["fit", "sample", "report", "compare", "plot", "summary"])
def test_no_module_has_the_name_of_a_function(name):
    assert f"isogmm.{name}" not in ISOGMM


def test_dynamic_imports_are_listed():
    found = {
        name
        for name, file in ALL.items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func)
    }
    assert {name for name in found if name in ISOGMM} <= set(DYNAMIC_IMPORTS)


def of_others(name: str, file: Path) -> set[str]:
    """Top-level packages that a module imports at run time; imports for type checkers are none."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_two_files_import_arviz():
    importing = {
        name
        for name, file in ISOGMM.items()
        if any(package.startswith("arviz") for package in of_others(name, file))
    }
    assert importing == {
        "isogmm.results.arviz.loo",
        "isogmm.results.arviz.versions",
    }


def test_the_core_imports_no_language():
    languages = {"numpyro", "pymc", "pytensor", "bambi"}
    importing = {
        (name, package)
        for name, file in ISOGMM.items()
        for package in of_others(name, file) & languages
    }
    assert importing == set()


def test_adapters_do_not_import_each_other(graph):
    mixed = {
        (name, imported)
        for name in ADAPTER_MODULES
        for imported in graph[name]
        if imported.startswith("isogmm_") and part(imported) != part(name)
    }
    assert mixed == set()
