"""The law of arrows: which module may import which, read from the source."""

import pytest

from helpers.sources import ADAPTERS, SRC, imports, modules

ISOGMM = modules(SRC, "isogmm")
ADAPTER_MODULES = {
    name: file
    for folder in sorted(path.name for path in ADAPTERS.glob("isogmm_*"))
    for name, file in modules(ADAPTERS, folder).items()
}

#: The vocabulary that every family may use.
CORE = {
    "errors",
    "target",
    "abstract_mixture",
    "mixture",
    "precision",
    "result",
    "whitening.base",
}

#: Modules with a list of their own; all others are judged by their family.
ALLOWED = {
    "errors": set(),
    "precision": set(),
    "cost": set(),
    "target": {"errors"},
    "whitening.base": {"errors"},
    "abstract_mixture": {"errors", "whitening.base"},
    # from_idata reads a result, and imports the reader only when it is called.
    "mixture": {"abstract_mixture", "errors", "fit_group"},
    "jax_target": {"cost", "errors", "precision", "target"},
    "adapter": {"errors", "target"},
    "result": {"errors", "mixture", "target"},
}

#: Folders of interchangeable parts.
FAMILIES = {"whitening", "gradients", "updates", "initialization"}


def ours(name: str, file) -> set[str]:
    """Modules of isogmm that a module imports, without the package's name in front."""
    found = set()
    for imported in imports(name, file):
        if imported.partition(".")[0] != "isogmm":
            continue
        # ``from isogmm.errors import ModelError`` gives a name: cut to the module.
        while imported not in ISOGMM:
            imported = imported.rpartition(".")[0]
        found.add(imported.removeprefix("isogmm").removeprefix("."))
    return found


def short(name: str) -> str:
    return name.removeprefix("isogmm").removeprefix(".")


def is_base(name: str) -> bool:
    return name.endswith(".base") or name in CORE


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_core_modules_import_little(name):
    module = f"isogmm.{name}"
    assert ours(module, ISOGMM[module]) <= ALLOWED[name]


@pytest.mark.parametrize(
    "name", sorted(name for name in ISOGMM if short(name).partition(".")[0] in FAMILIES)
)
def test_families_import_the_core_and_bases(name):
    family = short(name).partition(".")[0]
    foreign = {
        imported
        for imported in ours(name, ISOGMM[name])
        if imported.partition(".")[0] != family and not is_base(imported)
    }
    assert foreign == set()


@pytest.mark.parametrize("name", ["isogmm.optimize", "isogmm.iteration"])
def test_the_loop_knows_abstract_parts_alone(name):
    loop = {"schedules", "stopping", "iteration", "checks", "runner"}
    concrete = {
        imported
        for imported in ours(name, ISOGMM[name])
        if not is_base(imported) and imported not in loop
    }
    assert concrete == set()


def test_nobody_imports_the_front_door():
    guilty = {
        name
        for name, file in {**ISOGMM, **ADAPTER_MODULES}.items()
        if name != "isogmm" and {"api", ""} & ours(name, file)
    }
    assert guilty == set()


@pytest.mark.parametrize("name", sorted(ADAPTER_MODULES))
def test_adapters_import_the_contract_alone(name):
    contract = {"adapter", "target", "jax_target", "errors", "groups", "precision"}
    assert ours(name, ADAPTER_MODULES[name]) <= contract
    own = name.partition(".")[0]
    others = {
        imported
        for imported in imports(name, ADAPTER_MODULES[name])
        if imported.startswith("isogmm_") and imported.partition(".")[0] != own
    }
    assert others == set()


def test_one_file_knows_arviz():
    knowing = {
        name
        for name, file in {**ISOGMM, **ADAPTER_MODULES}.items()
        if any(i.partition(".")[0].startswith("arviz") for i in imports(name, file))
    }
    stray = {name for name in knowing if not name.endswith("._baselines")}
    assert stray <= {"isogmm.inference_data"}


def test_the_core_knows_no_language():
    languages = {"numpyro", "pymc", "pytensor", "bambi"}
    guilty = {
        (name, imported)
        for name, file in ISOGMM.items()
        for imported in imports(name, file)
        if imported.partition(".")[0] in languages
    }
    assert guilty == set()
