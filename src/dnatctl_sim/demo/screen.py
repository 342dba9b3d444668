"""How a story is told: in colour with a table that moves, or in plain lines where it is piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dnatctl_sim.demo.scene import PodLine

Show = Callable[[Sequence[PodLine]], None]

_COLUMNS = ("POD", "IP", "PHASE", "ENDPOINT", "ENTRY", "READY")
_WIDTHS = (23, 14, 11, 18, 17, 5)
_LEAST_WIDTHS = (8, 12, 11, 15, 9, 5)
"""In a terminal, where columns are as wide as need be, so that 80 characters hold all of them."""
_FRAMES_PER_SECOND = 10


class Screen:
    """Tells what happens. `out` is a terminal or not; NO_COLOR is heeded."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(
            file=out, force_terminal=out.isatty(), highlight=False, soft_wrap=True
        )
        self._live = out.isatty() and not self._console.is_dumb_terminal
        self._started = time.monotonic()

    def heading(self, title: str, intro: str) -> None:
        """An act begins."""
        self._started = time.monotonic()
        self._print(f"\n== {title}", "bold cyan")
        self._print(intro)

    def command(self, text: str) -> None:
        """What a person would type to do, or see, the same."""
        self._print(f"$ {text}", "bright_black")

    def comment(self, text: str) -> None:
        """A command that is not run: what it would do is done without it."""
        self._print(f"# {text}", "bright_black")

    def say(self, text: str) -> None:
        """Plain text."""
        self._print(text)

    def check(self, text: str, *, held: bool) -> None:
        """The outcome of a check."""
        self._print(f"{'ok  ' if held else 'FAIL'} {text}", "green" if held else "bold red")

    @contextmanager
    def pods(self) -> Iterator[Show]:
        """Show how pods stand, each time anew, while something goes on."""
        if not self._live:
            yield self._changes()
            return
        with Live(console=self._console, auto_refresh=False) as live:
            yield self._frames(live)

    def _frames(self, live: Live) -> Show:
        shown: Sequence[PodLine] | None = None
        at = 0.0

        def show(lines: Sequence[PodLine]) -> None:
            nonlocal shown, at
            now = time.monotonic()
            if lines != shown or now - at > 1 / _FRAMES_PER_SECOND:
                shown, at = lines, now
                table = _table(lines, now - self._started, self._console.width)
                live.update(table, refresh=True)

        return show

    def _changes(self) -> Show:
        shown: dict[str, PodLine] = {}
        self._print(f"{'':>8}  {_row(_COLUMNS)}")

        def show(lines: Sequence[PodLine]) -> None:
            now = {line.name: line for line in lines}
            for name in sorted({*shown, *now}):
                line = now.get(name)
                if line != shown.get(name):
                    cells = _cells(line) if line else (name, "", "released", "", "", "")
                    self._print(f"{time.monotonic() - self._started:6.2f} s  {_row(cells)}")
            shown.clear()
            shown.update(now)

        return show

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style))


def _cells(line: PodLine) -> tuple[str, ...]:
    ready = "yes" if line.ready else "no"
    return (line.name, line.ip, line.phase, line.endpoint, line.entry, ready)


def _row(cells: Sequence[str]) -> str:
    padded = (f"{cell or '-':<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return "  ".join(padded).rstrip()


def _table(lines: Sequence[PodLine], seconds: float, width: int) -> Table:
    """The pods, in `width` characters: where they do not suffice, names lose their beginning."""
    table = Table(
        box=None,
        caption=f"{seconds:.1f} s",
        caption_justify="left",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    rows = [tuple(cell or "-" for cell in _cells(line)) for line in lines]
    widths = [
        max(least, *(len(row[column]) for row in rows), 0)
        for column, least in enumerate(_LEAST_WIDTHS)
    ]
    widths[0] = max(_LEAST_WIDTHS[0], min(widths[0], width - sum(widths[1:]) - len(widths) + 1))
    for name, room in zip(_COLUMNS, widths, strict=True):
        table.add_column(name, no_wrap=True, width=room)
    for line, (name, *cells) in zip(lines, rows, strict=True):
        shown = name if len(name) <= widths[0] else f"…{name[1 - widths[0] :]}"
        style = "green" if line.settled else "yellow"
        table.add_row(*map(Text, (shown, *cells)), style=style)
    return table
