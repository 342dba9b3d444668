"""docs/images/status.svg: `dnatctl status --watch` of the same moment as the page's picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dnatctl.cli.status import painted
from dnatctl.status.show import lines
from dnatctl.status.table import folded
from dnatctl.times import parse_time
from tests.support.leader import AT, known_document

from .terminal import BRIGHT, PLAIN, Span, drawn

PICTURE = Path("docs/images/status.svg")
COLUMNS = 100
CODE = re.compile(r"\x1b\[(\d+)m")
COLOURS = {
    "0": PLAIN,
    "2": "#6e7681",
    "31": "#f85149",
    "32": "#3fb950",
    "33": "#d29922",
    "34": "#58a6ff",
    "35": "#bc8cff",
}
"""By what a terminal is told."""


def render() -> str:
    """The picture."""
    now = parse_time(AT)
    assert now is not None
    shown = (
        part for line in lines(known_document(), now, painted) for part in folded(line, COLUMNS)
    )
    command = [("$ dnatctl status --watch", BRIGHT)]
    return drawn("dnatctl status", [command, *(list(_spans(line)) for line in shown)])


def _spans(line: str) -> Iterator[Span]:
    first, *more = CODE.split(line)
    yield first, PLAIN
    for code, text in zip(more[::2], more[1::2], strict=True):
        if text:
            yield text, COLOURS[code]
