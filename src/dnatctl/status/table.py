"""Columns of text, as kubectl lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

GAP = "   "


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines: the heads, then the rows, each column as wide as its longest cell, the last as is.

    Line ends inside a cell become blanks, and what no terminal should be told is left out.
    """
    lines = [head, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield GAP.join(cells).rstrip()


def printable(text: str) -> str:
    """Text that somebody else wrote, for a terminal: on one line, without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
