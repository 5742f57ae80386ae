"""Addresses outside the checkout: https, a known host, and numbers of papers that agree."""

import re
from urllib.parse import urlsplit

import pytest

from helpers.pages import DOCS, NOTEBOOKS, cells, page
from helpers.sources import ADAPTERS, ROOT, SRC

#: Hosts to which pages may lead.  A new one is looked at before it is added here.
HOSTS = {
    "arxiv.org",
    "doi.org",
    "docs.jax.dev",
    "docs.python.org",
    "docs.xarray.dev",
    "github.com",
    "keepachangelog.com",
    "num.pyro.ai",
    "numpy.org",
    "semver.org",
    "www.pymc.io",
}
TEXTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CITATION.cff",
    ADAPTERS / "README.md",
    DOCS / "conf.py",
    *sorted(DOCS.glob("*.md")),
    *sorted(NOTEBOOKS.glob("*.ipynb")),
]
ADDRESS = re.compile(r"\bhttps?://[^\s)>\"'`\\]+")
#: Papers have the year and month, and since 2015 five digits.
ARXIV = re.compile(
    r"/abs/(?:0[7-9]|1[0-4])(?:0[1-9]|1[0-2])\.\d{4}|/abs/\d\d(?:0[1-9]|1[0-2])\.\d{5}"
)
DOI = re.compile(r"/10\.\d{4,9}/\S+")


def addresses(text: str) -> list[str]:
    """All addresses in a text, without the punctuation after them."""
    return [address.rstrip(".,;:") for address in ADDRESS.findall(text)]


def is_good(address: str) -> bool:
    """Whether an address is https, has a known host and, for a paper, a possible number."""
    parts = urlsplit(address)
    if parts.scheme != "https" or parts.hostname not in HOSTS:
        return False
    forms = {"arxiv.org": ARXIV, "doi.org": DOI}
    form = forms.get(parts.hostname)
    return form is None or form.fullmatch(parts.path) is not None


def content(path) -> str:
    return (
        "\n".join(cells(path, "markdown")) if path.suffix == ".ipynb" else path.read_text("utf-8")
    )


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_addresses_have_known_hosts(path):
    assert [address for address in addresses(content(path)) if not is_good(address)] == []


def test_a_bad_address_is_seen():
    text = (
        "[a](http://arxiv.org/abs/2506.13613) [b](https://example.org) [c](https://doi.org/10.1) "
        "[d](https://arxiv.org/abs/2513.13613) [e](https://arxiv.org/abs/2506.136), and "
        "[f](https://arxiv.org/abs/2506.13613). https://doi.org/10.1214/088342307000000014."
    )
    assert [is_good(address) for address in addresses(text)] == [False] * 5 + [True] * 2


def test_papers_cited_in_the_source_are_listed():
    listed = set(re.findall(r"\d{4}\.\d{4,5}", page("papers.md")))
    assert len(listed) > 10
    texts = [path.read_text("utf-8") for path in (SRC / "isogmm").rglob("*.py")]
    texts.append((ROOT / "CITATION.cff").read_text("utf-8"))
    cited = {number for text in texts for number in re.findall(r"arXiv:(\d{4}\.\d{4,5})", text)}
    assert cited
    assert cited - listed == set()
