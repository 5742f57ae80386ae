"""Links and anchors lead somewhere, and pictures are there, small and described."""

import json
import re
from pathlib import Path

import pytest

from helpers.pages import DOCS, NOTEBOOKS, cells, page
from helpers.sources import ADAPTERS, ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ADAPTERS / "README.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(NOTEBOOKS.glob("*.ipynb")),
]
#: Of one picture, in bytes: a page loads several.
LARGEST = 250_000


def text_of(path: Path) -> str:
    """The text that readers see, without blocks of code; directives such as figures count."""
    text = (
        "\n".join(cells(path, "markdown")) if path.suffix == ".ipynb" else path.read_text("utf-8")
    )
    kept, fence = [], ""
    for line in text.splitlines():
        marks = re.match(r"`{3,}", line)
        if marks and not fence:
            fence, is_code = marks.group(), not line.startswith(marks.group() + "{")
        elif fence and line.strip() == fence:
            fence, line = "", "" if is_code else line
        if not (fence and is_code):
            kept.append(line)
    return "\n".join(kept)


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page: their words, in lower case, joined by dashes."""
    headings = re.findall(r"^#{1,3} (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(path: Path) -> list[str]:
    """Links within the checkout whose file or anchor does not exist."""
    text = text_of(path)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^```\{\w+\} (\S+)$", text, re.M)
    links = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    found = []
    for link in links:
        name, _, anchor = link.partition("#")
        # The build copies the notebooks into the folder of the pages.
        folder = ROOT if path.parent == DOCS and name.startswith("notebooks/") else path.parent
        target = folder / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_anchors_resolve(path):
    assert broken(path) == []


def test_a_broken_link_is_seen(tmp_path):
    other = tmp_path / "other.md"
    other.write_text("# Other\n\n## What no check sees\n\n```python\n# Not a heading\n```\n")
    first = tmp_path / "first.md"
    first.write_text(
        "# First\n[a](other.md) [b](other.md#what-no-check-sees) [c](#first) [d](https://x.org)\n"
        "[e](none.md) [f](other.md#not-a-heading) [g](#second)\n```{figure} none.svg\n```\n"
    )
    assert broken(first) == ["none.md", "other.md#not-a-heading", "#second", "none.svg"]


def test_every_page_is_in_the_list():
    listed = re.findall(r"^[\w/]+$", page("index.md"), re.MULTILINE)
    pages = {file.stem for file in DOCS.glob("*.md")} - {"index"}
    pages |= {f"notebooks/{file.stem}" for file in NOTEBOOKS.glob("*.ipynb")}
    assert set(listed) == pages


def test_addresses_are_written_in_full():
    # What can be clicked on is https, and an arXiv number is shown as it is linked.
    for path in PAGES:
        links = re.findall(r"\[([^\]]*)\]\((\w+://[^)\s]+)\)", text_of(path))
        assert [link for _, link in links if not link.startswith("https://")] == []
        for shown, link in links:
            number = re.search(r"arXiv:(\d+\.\d+)", shown)
            assert number is None or link == f"https://arxiv.org/abs/{number.group(1)}"


# --- pictures -----------------------------------------------------------------------------------


def figures(text: str) -> list[tuple[str, str]]:
    """Name and description of every picture of a page."""
    found = re.findall(r"^\[?!\[(.*?)\]\((\S+?)\)", text, re.MULTILINE)
    directive = re.compile(r"^```\{(?:figure|image)\} (\S+)\n((?::.*\n)*)", re.MULTILINE)
    for name, options in directive.findall(text):
        words = re.search(r"^:alt: (.*)$", options, re.MULTILINE)
        found.append((words.group(1) if words else "", name))
    return [(name, words) for words, name in found]


def test_pictures_are_small_described_and_shown():
    shown = set()
    for path in PAGES:
        for name, words in figures(text_of(path)):
            picture = (path.parent / name).resolve()
            assert picture.stat().st_size < LARGEST, name
            assert len(words.split()) >= 8, f"{path.name}: say what {name} shows"
            shown.add(picture)
    assert shown == {file.resolve() for file in (DOCS / "images").iterdir()}


def test_every_figure_says_what_to_see():
    without = []
    for path in DOCS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for kind, name, body in re.findall(
            r"^```\{(figure|image)\} (\S+)\n(?::[^\n]*\n)*(.*?)^```$",
            text,
            re.MULTILINE | re.DOTALL,
        ):
            if kind == "image" or len(body.split()) < 5:
                without.append(name)
    assert without == []
    # On the first page, the line after a picture is its sentence.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^!\[.*\n\n\*\w", readme, re.MULTILINE)) == readme.count("\n![")


def test_pictures_are_made_by_a_script():
    scripts = [*(DOCS / "examples").glob("*.py"), *(ROOT / "tests").glob("*/figures.py")]
    code = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    for file in (DOCS / "images").iterdir():
        whole, family = file.stem, file.stem.partition("_")[0]
        assert any(f"{word}" in code for word in (f'"{whole}"', f"{whole}.svg", f"{family}_{{"))


@pytest.mark.long
def test_figures_of_the_benchmarks(tmp_path, monkeypatch):
    from benchmarks import figures as command

    results = [
        {"case": f"pdb/data-{name}", "seed": seed, "method": "isogmm", "mean_rms": 0.02 * seed,
         "sd_rms": 0.3 if name == "b" else 0.01}
        for name in "ab" for seed in range(3)
    ]  # fmt: skip
    results += [{"case": "pdb/data-c", "seed": 0, "method": "nuts", "mean_rms": 1, "sd_rms": 1}]
    speed = [{"case": "hard/a", "language": "numpyro", "ratio": 0.3, "seed": 0}]
    speed += [{"case": "hard/b", "language": "pymc", "ratio": 2.5, "seed": 0}]
    speed += [{"case": "hard/c", "language": "pymc", "error": "nuts: no result", "seed": 0}]
    for name, rows in (("results", results), ("speed", speed)):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    arguments = ["--results", "results.json", "--speed", "speed.json", "--to", "images"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["figures.py", *arguments])
    command.main()
    for name in ("errors", "speed"):
        assert (tmp_path / "images" / f"benchmark_{name}.svg").stat().st_size > 5_000
    assert list(command.by_case(results, "mean_rms")) == ["pdb/data-a", "pdb/data-b"]
    assert command.short("pdb/data-a") == "a"
    assert command.short("hard/growth_centered") == "growth_centered"


@pytest.mark.long
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore")
def test_pictures_of_the_recipe_are_drawn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "examples")
    import picture
    import pictures

    monkeypatch.setattr(pictures, "IMAGE", tmp_path / "mixture.svg")
    # The scripts put a sampler of their own in place of the library's.
    monkeypatch.setattr(pictures.isogmm.draws.refine, "Sampler", pictures.Watched)
    for draw in pictures.PICTURES.values():
        draw()
    assert {file.stem for file in tmp_path.iterdir()} == set(pictures.PICTURES)
    assert picture.IMAGE.parent == DOCS / "images"
