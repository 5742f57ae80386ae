"""What the README shows runs, and what it points to is there."""

import os
import re
import shutil
import subprocess

import pytest

from helpers.sources import ADAPTERS, ROOT, SRC, tracked_files

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_point_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if "://" not in link]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_first_page_answers_in_this_order():
    """What, why and when not, one figure, speed, installation, the example, the verdict."""
    parts = ["fits a mixture", "**Use it**", "**Prefer NUTS**", "front.svg", "`make demo`",
             "## Installation", "git clone", "pip install", "fit_isogmm(model", "report.svg",
             "## How to read the verdict", "## Next"]  # fmt: skip
    assert [part for part in parts if part not in README] == []
    places = [README.index(part) for part in parts]
    assert places == sorted(places)
    assert "Repository layout" not in README


def test_first_page_fits_on_a_screen():
    before = README.partition("## Installation")[0]
    assert len(before.split()) < 200


def test_nothing_suggests_a_package_index():
    # Another package could have the name isogmm there.
    unwanted = re.compile(r"pip install (?:-\S+ )*[\"'\\]*isogmm")
    texts = [f for f in tracked_files() if f.suffix in (".py", ".md", ".ipynb", ".toml")]
    found = [
        str(file.relative_to(ROOT))
        for file in texts
        if file.name != "test_readme.py" and unwanted.search(file.read_text(encoding="utf-8"))
    ]
    assert found == []
    assert unwanted.search('pip install "isogmm[pymc]"')


def test_the_command_that_installs_an_extra_is_written_once():
    files = [f for top in (SRC, ADAPTERS) for f in top.rglob("*.py")]
    writing = [f.name for f in files if re.search(r'pip install .*"?\.\[', f.read_text("utf-8"))]
    assert writing == ["errors.py"]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_alone_begins_with_a_usage_line():
    # Without the settings of a make that runs this test, which print the directory.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make"], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    shown = done.stdout
    assert shown.startswith("usage: make TARGET")
    targets = re.findall(r"^([a-z0-9-]+)  +\S", shown, re.MULTILINE)
    assert {"help", "demo", "docs", "test"} <= set(targets)
    assert "1 to 3 minutes" in shown


@pytest.mark.slow
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked", "short_search")
def test_example_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(program, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "tau" in shown
    draws = names["idata"]["posterior"]
    assert draws["mu"].sizes == {"chain": 4, "draw": 1000}
    assert draws["theta"].shape == (4, 1000, 8)
