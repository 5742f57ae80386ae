"""What the README shows runs, and what it points to is there."""

import re

import pytest

from helpers.sources import ROOT

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


@pytest.mark.slow
@pytest.mark.numpyro
def test_example_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(program, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "tau" in shown
    draws = names["idata"]["posterior"]
    assert draws["mu"].sizes == {"chain": 4, "draw": 1000}
    assert draws["theta"].shape == (4, 1000, 8)
