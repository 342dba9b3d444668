"""What the documents point at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dnatctl.observe.pool import IpCount, PoolCollector
from dnatctl.status.document import State
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


def test_the_states_of_ports_are_told_in_both_words() -> None:
    """Those of the metric are not those of the status document."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| ([`\w, ]+) \|", page.partition("| `state` |")[2], re.MULTILINE
    )
    count = IpCount("ngw-1", "192.0.2.1", "tcp", free=0, used=0, quarantined=0, foreign=0)
    ports = next(PoolCollector(lambda: [count], list).collect())
    assert [name for name, _ in rows] == [sample.labels["state"] for sample in ports.samples]
    assert {told for _, names in rows for told in re.findall(r"\w+", names)} == set(State)
    told = (ROOT / "docs" / "reference" / "status.md").read_text("utf-8")
    assert all(
        f"`{state}`" in told.partition("## State")[2].partition("One of")[0] for state in State
    )


def test_the_version_is_told_to_be_a_label() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    assert "| `dnatctl_build_info` | gauge | `version` |" in page


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert len(set(numbers)) == len(DECISIONS)
    for page, number in zip(DECISIONS, numbers, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number}: "), page.name


def test_each_file_of_end_to_end_tests_says_what_it_shows() -> None:
    folder = ROOT / "tests" / "e2e"
    told = set(re.findall(r"`(test_\w+\.py)`", (folder / "README.md").read_text("utf-8")))
    assert told == {file.name for file in folder.glob("test_*.py")}
