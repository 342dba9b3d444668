"""docs/reliability.md promises nothing that no test shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`")


def functions(file: Path) -> set[str]:
    """The names of all functions in a file."""
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    named = NAMED.findall(text)
    assert len(named) > 40
    missing = [f"{file}::{name}" for file, name in named if name not in functions(ROOT / file)]
    assert missing == []


def test_every_line_of_the_tables_names_a_test() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    promises = text.partition("## Recycled IPs")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")]
    bare = [line for line in rows if not NAMED.search(line) and not line.startswith("| fault")]
    assert bare == []
