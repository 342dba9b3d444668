"""Bits of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def page(title: str, source: str, *parts: str) -> str:
    """A whole page, which says where it comes from."""
    note = f"<!-- Made by `make docs` from {source}; changes to this page are lost. -->"
    return "\n\n".join((f"# {title}", note, *parts)) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown."""
    return "\n".join(map(_row, (head, ["---"] * len(head), *rows)))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def code(text: str) -> str:
    """Text in the font of code; nothing for nothing."""
    return f"`{text}`" if text else ""
