"""What the documents point at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.manifests.commands import PAGES, ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")
FILE = re.compile(r"`((?:src|manifests|tests|docs|hack)/[\w./*-]+)`")
CONSTANT = re.compile(r"`([A-Z][A-Z_]+)` in `(src/[\w./]+)`")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        found = page.parent / target if target else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_constants_that_are_named_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in FILE.findall(text):
        assert list(ROOT.glob(name.rstrip("/"))), name
    for constant, name in CONSTANT.findall(text):
        source = (ROOT / name).read_text("utf-8")
        assert re.search(rf"^{constant}\b", source, re.MULTILINE), constant


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert len(set(numbers)) == len(DECISIONS)
    for page, number in zip(DECISIONS, numbers, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number}: "), page.name


def test_each_file_of_end_to_end_tests_says_what_it_shows() -> None:
    folder = ROOT / "tests" / "e2e"
    told = set(re.findall(r"`(test_\w+\.py)`", (folder / "README.md").read_text("utf-8")))
    assert told == {file.name for file in folder.glob("test_*.py")}
