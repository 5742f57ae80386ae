"""Refuse a release that is not ready: address, version, date and citation.

    python .ci/release_check.py v0.1.0

Steps of a release:

1. Set the version in pyproject.toml, CITATION.cff (with date-released) and docs/papers.md.  Give
   the newest section of CHANGELOG.md the heading "## 0.1.0 - 2026-12-31", with this date.
2. Only once: set Repository in pyproject.toml, and replace the placeholder on the pages.  Make
   .github/workflows/release.yml with its environment "release" a trusted publisher on the package
   index.
3. Run .ci/run, make test-all, tests/faults/detect.py and this program, which lists what is
   missing.
4. Push the tag: "v" and the version of pyproject.toml.  The workflow tests, builds and publishes.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: What pages write in place of the address while there is none.
PLACEHOLDER = "ADDRESS_OF_THIS_" + "REPOSITORY"


def problems(root: Path, tag: str) -> list[str]:
    """What must be changed before the release, one sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    found = []
    address = project.get("urls", {}).get("Repository", "")
    if not re.fullmatch(r"https://[^/\s]+/\S+", address):
        found.append(
            f"Repository in [project.urls] of pyproject.toml is {address!r}. "
            "Set it to the public https address of the project."
        )
    if tag != f"v{version}":
        found.append(f"the tag is {tag!r}, but pyproject.toml has version {version!r}.")

    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(
        rf"^## \[?{re.escape(version)}\]? - (\d{{4}}-\d{{2}}-\d{{2}})$", changelog, re.MULTILINE
    )
    if heading is None:
        found.append(f"CHANGELOG.md has no heading '## {version} - YYYY-MM-DD'.")

    citation = dict(
        re.findall(
            r"^(version|date-released): [\"']?([^\"'\n]+)[\"']?$",
            (root / "CITATION.cff").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    if citation.get("version") != version:
        found.append(f"CITATION.cff has version {citation.get('version')!r}, not {version!r}.")
    if heading is not None and citation.get("date-released") != heading.group(1):
        found.append(
            f"CITATION.cff has date-released {citation.get('date-released')!r}, "
            f"but CHANGELOG.md has {heading.group(1)!r}."
        )

    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    for page in pages:
        if PLACEHOLDER in page.read_text(encoding="utf-8"):
            found.append(
                f"{page.relative_to(root)} contains {PLACEHOLDER}. Write the address there."
            )
    return found


def main(tag: str) -> None:
    """Stop with all problems."""
    found = problems(ROOT, tag)
    if found:
        sys.exit("not released:\n" + "\n".join(f"- {problem}" for problem in found))
    print(f"{tag} can be released")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
