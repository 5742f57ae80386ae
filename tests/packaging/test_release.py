"""The release step: what it refuses, and the files that it reads."""

import importlib.util
import re
import shutil

import pytest

from helpers.sources import ROOT, project

VERSION = project()["project"]["version"]
ADDRESS = "https://example.invalid/isogmm"


def release_problems(root, tag):
    spec = importlib.util.spec_from_file_location(
        "release_check", ROOT / ".ci" / "release_check.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.problems(root, tag)


@pytest.fixture
def tree(tmp_path):
    """The files of a release that is ready."""
    (tmp_path / "docs").mkdir()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[project\.urls\]\n(Repository.*\n)?", "[project.urls]\n", text)
    with_address = text.replace("[project.urls]\n", f'[project.urls]\nRepository = "{ADDRESS}"\n')
    (tmp_path / "pyproject.toml").write_text(with_address, encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION} - 2030-01-02\n")
    shutil.copy(ROOT / "CITATION.cff", tmp_path)
    citation = re.sub(r"date-released: .*\n", "", (tmp_path / "CITATION.cff").read_text())
    (tmp_path / "CITATION.cff").write_text(citation + 'date-released: "2030-01-02"\n')
    (tmp_path / "README.md").write_text(f"git clone {ADDRESS}\n")
    return tmp_path


def replace(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_release_that_is_ready_passes(tree):
    assert release_problems(tree, f"v{VERSION}") == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("pyproject.toml", ADDRESS, "", "Repository in"),
        ("pyproject.toml", f'Repository = "{ADDRESS}"\n', "", "Repository in"),
        ("CHANGELOG.md", f"{VERSION} - 2030-01-02", "Unreleased", "CHANGELOG.md has no heading"),
        ("CHANGELOG.md", "2030-01-02", "2030-01-03", "date-released '2030-01-02'"),
        ("CITATION.cff", f"version: {VERSION}", "version: 9.9.9", "version '9.9.9'"),
        ("README.md", ADDRESS, "ADDRESS_OF_THIS_" + "REPOSITORY", "README.md contains"),
    ],
)
def test_a_release_that_is_not_ready_is_refused(tree, file, old, new, message):
    replace(tree / file, old, new)
    (problem,) = release_problems(tree, f"v{VERSION}")
    assert message in problem


def test_a_tag_of_another_version_is_refused(tree):
    (problem,) = release_problems(tree, "v9.9.9")
    assert "the tag is 'v9.9.9'" in problem


def test_the_citation_has_the_version_and_license_of_the_project():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", text, re.MULTILINE) == [VERSION]
    assert re.findall(r"^license: (.*)$", text, re.MULTILINE) == [project()["project"]["license"]]


def supported():
    """The versions of Python among the classifiers, in order."""
    names = [name.rpartition(" ")[2] for name in project()["project"]["classifiers"]]
    return sorted((n for n in names if re.fullmatch(r"3\.\d+", n)), key=lambda n: int(n[2:]))


def listed_in(workflow):
    """The versions of Python that a workflow lists, and its text."""
    text = (ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
    (listed,) = re.findall(r"python: \[(.*)\]", text)
    return re.findall(r"3\.\d+", listed), text


def test_the_workflow_runs_every_supported_python():
    versions, text = listed_in("ci.yml")
    assert set(supported()) <= set(versions)
    assert ".ci/run" in text


def test_all_tests_run_every_week_with_the_oldest_and_the_newest_python():
    versions, text = listed_in("weekly.yml")
    assert versions == [supported()[0], supported()[-1]]
    assert "schedule:" in text
    assert "make test-all PYTHON=python${{ matrix.python }}" in text


def test_publishing_follows_the_check_and_the_tests():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert text.index("needs: ci") < text.index("release_check.py") < text.index("needs: build")
    assert "password" not in text
