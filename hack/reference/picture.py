"""docs/demo.svg: the picture of a terminal, drawn from docs/demo.txt.

The text was recorded from `make demo` and shortened by hand; record it anew when the story changes.
"""

from __future__ import annotations

from pathlib import Path

from .terminal import BRIGHT, PLAIN, drawn

RECORDED = Path("docs/demo.txt")
PICTURE = Path("docs/demo.svg")

TITLE, GOOD, FAINT = "#e3b341", "#56d364", "#8b949e"


def render() -> str:
    """The picture."""
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    title = "dnatctl on an emulated cluster: a pod gets a public endpoint"
    return drawn(title, [[(line, _colour(line) if line else PLAIN)] for line in lines])


def _colour(line: str) -> str:
    match line.split(maxsplit=1)[0]:
        case "$":
            return BRIGHT
        case "==":
            return TITLE
        case "ok":
            return GOOD
        case "POD":
            return FAINT
    return GOOD if line.endswith(" yes") else PLAIN
