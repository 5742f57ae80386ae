"""The list of faults fits the sources, so that the script can introduce each of them."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from faults import FAULTS  # noqa: E402


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_can_be_introduced(fault):
    source = (ROOT / fault.file).read_text()
    changed = fault.applied_to(source)
    assert changed != source
    compile(changed, fault.file, "exec")
    assert all((ROOT / test).is_file() for test in fault.tests)


def test_the_names_are_distinct():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_standard_suite_detects_the_faults():
    """Tests with the marker ``long`` do not run before a merge, and the script leaves them out."""
    named = sorted({test for fault in FAULTS for test in fault.tests})
    assert [test for test in named if not has_standard_test(ROOT / test)] == []


def has_standard_test(path):
    """Whether a file has a test function without the marker ``long``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return any(
        function.name.startswith("test_")
        and not any("mark.long" in ast.unparse(mark) for mark in function.decorator_list)
        for function in functions
    )
