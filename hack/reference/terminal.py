"""The picture of a terminal: lines of text in colours, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

CHARACTER, LINE, MARGIN, SIZE = 7.8, 18, 16, 13
"""In pixels: the advance of a character, the pitch of lines, the space around, the font."""
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
NO_BREAK = "\N{NO-BREAK SPACE}"
PLAIN, BRIGHT = "#c9d1d9", "#ffffff"

Span = tuple[str, str]
"""A text and its colour."""


def drawn(title: str, lines: Sequence[Sequence[Span]]) -> str:
    """The picture."""
    width = round(max(map(_width, lines)) * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    frame = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    text = f'font-family="{FONT}" font-size="{SIZE}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {frame} role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            f"<g {text}>",
            *(_line(number, spans) for number, spans in enumerate(lines) if _width(spans)),
            "</g>",
            "</svg>\n",
        ]
    )


def _width(spans: Iterable[Span]) -> int:
    return sum(len(text) for text, _ in spans)


def _line(number: int, spans: Sequence[Span]) -> str:
    """Its length is stated, so that columns stay columns in whichever font there is."""
    y = MARGIN + number * LINE + SIZE
    length = f"{_width(spans) * CHARACTER:.1f}"
    (first, colour), *more = spans
    rest = "".join(f'<tspan fill="{fill}">{_kept(text)}</tspan>' for text, fill in more)
    return (
        f'<text x="{MARGIN}" y="{y}" fill="{colour}" textLength="{length}">'
        f"{_kept(first)}{rest}</text>"
    )


def _kept(text: str) -> str:
    """Blanks that no browser makes one of, whatever it thinks of xml:space and white-space."""
    return escape(text).replace(" ", NO_BREAK)
