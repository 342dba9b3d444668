"""docs/demo.svg: the picture of a terminal, drawn from docs/demo.txt.

The text was recorded from `make demo` and shortened by hand; record it anew when the story changes.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

RECORDED = Path("docs/demo.txt")
PICTURE = Path("docs/demo.svg")

CHARACTER, LINE, MARGIN, SIZE = 7.8, 18, 16, 13
"""In pixels: the advance of a character, the pitch of lines, the space around, the font."""
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
PLAIN, BRIGHT, TITLE, GOOD, FAINT = "#c9d1d9", "#ffffff", "#e3b341", "#56d364", "#8b949e"


def render() -> str:
    """The picture."""
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    width = round(max(map(len, lines)) * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    frame = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    text = f'font-family="{FONT}" font-size="{SIZE}" xml:space="preserve" style="white-space: pre"'
    drawn = (_line(number, line) for number, line in enumerate(lines) if line)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {frame} role="img">',
            "<title>dnatctl on an emulated cluster: a pod gets a public endpoint</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            f"<g {text}>",
            *drawn,
            "</g>",
            "</svg>\n",
        ]
    )


def _line(number: int, line: str) -> str:
    """Its length is stated, so that columns stay columns in whichever font there is."""
    y = MARGIN + number * LINE + SIZE
    length = f"{len(line) * CHARACTER:.1f}"
    return (
        f'<text x="{MARGIN}" y="{y}" fill="{_colour(line)}" textLength="{length}">'
        f"{escape(line)}</text>"
    )


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
