"""Columns of text, as kubectl lays them out."""

from __future__ import annotations

import re
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


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_HANG = 4
"""Blanks that what is folded away begins with, besides its line's own."""


def folded(line: str, width: int) -> Iterator[str]:
    """A line, coloured or not, as lines of that width at most, broken at blanks."""
    bare = _COLOURS.sub("", line)
    indent = " " * (len(bare) - len(bare.lstrip(" ")) + _HANG)
    text = ""
    for word in re.split(r"(?<= )(?=[^ ])", line):
        seen = _COLOURS.sub("", text)
        if seen.strip() and len(seen) + len(_COLOURS.sub("", word).rstrip()) > width:
            yield text.rstrip()
            text = indent
        text += word
    yield text


def on_a_line(text: str) -> str:
    """As `printable`, with the blanks as they are: for a line of ours with their words in it."""
    shown = (" " if c.isspace() else c for c in text if c.isspace() or c.isprintable())
    return "".join(shown)


def printable(text: str) -> str:
    """Text that somebody else wrote, for a terminal: on one line, without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
