"""The glossary has every term that the report, the advice and the pages use, and no other."""

import re

import pytest

from helpers.pages import DOCS, page
from helpers.sources import ROOT, SRC

TERMS = re.findall(r"^## (.+)$", page("glossary.md"), re.MULTILINE)
#: Words of the report and the advice that a reader may not know, and the term that explains each.
USED = {
    "ELBO": "ELBO", "Pareto k": "Pareto k", "importance ESS": "ESS", "R-hat": "R-hat",
    "log evidence": "log evidence", "mass": "mass of a mode", "drift": "drift",
    "starting point": "path", "path": "path", "mode": "mode", "unconstrained":
    "unconstrained coordinates", "non-centered": "non-centered form", "HMC chains": "HMC chains",
    "mixture": "mixture", "chain": "chain", "symmetry": "symmetry",
}  # fmt: skip
FOLDERS = ("views/report", "recipe")
OTHERS = ("whitening", "window", "funnel", "log sd", "trusted")


def text() -> str:
    """All strings and comments of the report and of the recipe."""
    files = [file for folder in FOLDERS for file in (SRC / "isogmm" / folder).rglob("*.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("word", USED)
def test_words_of_the_report_are_explained(word):
    assert word in text(), "the report has another word now: change the table"
    assert USED[word] in TERMS


def test_terms_are_sorted_and_used():
    assert sorted(TERMS, key=str.lower) == TERMS
    assert set(TERMS) == {*USED.values(), *OTHERS}
    pages = [ROOT / "README.md", *DOCS.glob("*.md")]
    rest = "\n".join(p.read_text("utf-8") for p in pages if p.name != "glossary.md") + text()
    stems = {term.partition(" (")[0].split()[0] for term in TERMS}
    assert [stem for stem in stems if stem.lower() not in rest.lower()] == []


def test_links_to_the_glossary_lead_to_terms():
    anchors = {term.lower().replace(" ", "-") for term in TERMS}
    linked = set()
    for path in DOCS.glob("*.md"):
        linked |= set(re.findall(r"glossary\.md#([\w-]+)", path.read_text(encoding="utf-8")))
    assert linked
    assert linked <= anchors
