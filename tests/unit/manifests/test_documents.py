"""What the documents point at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#([^)\s]*))?\)")
FILE = re.compile(r"`((?:src|manifests|tests|docs|hack)/[\w./*-]+)`")
CONSTANT = re.compile(r"`([A-Z][A-Z_]+)` in `(src/[\w./]+)`")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        found = page.parent / target
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", ["concepts.md", "faq.md", "limits.md"])
def test_files_and_constants_that_are_named_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    for name in FILE.findall(text):
        assert (ROOT / name).exists(), name
    for constant, name in CONSTANT.findall(text):
        source = (ROOT / name).read_text("utf-8")
        assert re.search(rf"^{constant}\b", source, re.MULTILINE), constant


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(pages)
    for page, number in zip(pages, numbers, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number}: "), page.name
