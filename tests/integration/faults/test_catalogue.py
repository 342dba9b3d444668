"""docs/reliability.md and docs/threat-model.md promise nothing that no test shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`")
PAGES = {
    "reliability.md": ("## Recycled IPs", "| fault"),
    "threat-model.md": ("## What remains", "| actor"),
}
"""Where the tables of promises end, and how their heads begin."""


def functions(file: Path) -> set[str]:
    """The names of all functions in a file."""
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_the_page_names_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    named = NAMED.findall(text)
    assert len(named) > 40
    missing = [f"{file}::{name}" for file, name in named if name not in functions(ROOT / file)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_the_tables_names_a_test(page: str) -> None:
    end, head = PAGES[page]
    promises = (ROOT / "docs" / page).read_text("utf-8").partition(end)[0]
    tables = promises.partition("\n## 1")[2] or promises
    rows = [line for line in tables.splitlines() if line.startswith("| ")]
    assert rows
    bare = [line for line in rows if not NAMED.search(line) and not line.startswith(head)]
    assert bare == []
