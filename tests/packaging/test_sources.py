"""House rules that a machine can see."""

import ast
import json
import re

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from helpers.sources import ADAPTERS, ROOT, SRC, tracked_files
from isogmm.draws.importance import effective_sample_size
from isogmm.mixtures.isotropic import IsotropicMixture

MAX_LINES = 300
MAX_PARAMETERS = 8

# Written in pieces, so that this file does not find itself.
PATHS = re.compile(
    "|".join(rf"(?<![\w.~-])/{top}/\w" for top in ("home", "root", "work", "tmp", "Users"))
)
HOSTS = re.compile(
    "|".join(re.escape(".".join(p)) for p in (("pypi", "org"), ("pythonhosted", "org")))
)


def texts():
    for file in tracked_files():
        try:
            yield file, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize("top", [SRC, ADAPTERS], ids=["src", "adapters"])
def test_modules_are_short(top):
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in top.rglob("*.py")
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize(("top", "most"), [(SRC, 15), (ADAPTERS, 40)], ids=["src", "adapters"])
def test_types_are_named(top, most):
    """``Any`` per 1,000 lines, in annotations and everywhere else."""
    texts = [file.read_text(encoding="utf-8") for file in top.rglob("*.py")]
    lines = sum(len(text.splitlines()) for text in texts)
    assert sum(len(re.findall(r"\bAny\b", text)) for text in texts) <= most * lines / 1000


#: Public functions whose parameters are the options of a user.
WITH_MANY_PARAMETERS = {
    "fit_isogmm",
    "fit_rows",
    "fit_gmmvi",
    "fit_many",
    "calibrate",
    "fit_factorized",
    "LogDensity.__init__",
    "empirical_bayes",
    "nuts_from",
    "optimize",
    "optimize_factorized",
    "optimize_fused",
    "smc_from",
}


def functions(tree, prefix=""):
    """Name and definition of every function and method."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
            yield from functions(node)
        else:
            yield from functions(node, prefix)


@pytest.mark.parametrize("top", [SRC, ADAPTERS], ids=["src", "adapters"])
def test_functions_have_few_parameters(top):
    long = set()
    for file in top.rglob("*.py"):
        for name, node in functions(ast.parse(file.read_text(encoding="utf-8"))):
            part = node.args
            names = [one.arg for one in (*part.posonlyargs, *part.args, *part.kwonlyargs)]
            names += [one.arg for one in (part.vararg, part.kwarg) if one is not None]
            if len([one for one in names if one not in ("self", "cls")]) > MAX_PARAMETERS:
                long.add(name)
    assert long <= WITH_MANY_PARAMETERS


def test_no_path_of_one_machine_and_no_registry():
    guilty = {
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file, text in texts()
        for match in [PATHS.search(text) or HOSTS.search(text)]
        if match
    }
    assert guilty == set()


def test_pins_are_names_and_exact_versions():
    files = sorted((ROOT / "requirements").glob("*.txt"))
    assert len(files) >= 2
    pin = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*")
    for file in files:
        lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
        assert [line for line in lines if not pin.fullmatch(line)] == []


def test_notebooks_hold_no_outputs():
    for file, text in texts():
        if file.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            assert [cell for cell in cells if cell.get("outputs")] == [], file.name


def test_annotations_stay_objects():
    # Postponed annotations are strings, which blind the run-time check of shapes.
    phrase = "from __future__ import " + "annotations"
    assert [file.name for file, text in texts() if file.suffix == ".py" and phrase in text] == []


def test_shapes_are_checked_while_testing():
    with pytest.raises(TypeCheckError):
        IsotropicMixture(np.zeros((2, 3)), np.ones(2), log_weights="not an array")
    for _ in range(2):  # the checks of a function are built when it is first called
        with pytest.raises(TypeCheckError):
            effective_sample_size(np.zeros((2, 3)))
