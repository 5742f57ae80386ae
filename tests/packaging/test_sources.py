"""House rules that a machine can see."""

import json
import re

import pytest

from helpers.sources import ADAPTERS, ROOT, SRC, tracked_files

MAX_LINES = 300

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
