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


def test_floor_plan_names_what_exists():
    names = re.findall(r"`((?:src|adapters|tests|docs|notebooks)/[\w/.]*)`", README)
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []


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
