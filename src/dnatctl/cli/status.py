"""`dnatctl status`: gateways, ports, tables, who waits."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NoReturn

import click
import msgspec

from dnatctl.cli.asking import Asking, aside, asking, colours, give_document, now
from dnatctl.kube.errors import KubeError
from dnatctl.status.document import State, StatusDocument
from dnatctl.status.show import lines, plain
from dnatctl.status.table import folded, printable

PAINTED = {
    State.FREE: {"dim": True},
    State.USED: {"fg": "green"},
    State.PENDING: {"fg": "yellow"},
    State.RESTING: {"fg": "blue"},
    State.FOREIGN: {"fg": "magenta"},
    State.ORPHAN: {"fg": "red"},
    None: {"fg": "red"},
}
HOME, REST_OF_LINE, REST = "\x1b[H", "\x1b[K", "\x1b[J"
"""To the top, and what erases what an earlier, longer text has left."""
PAUSE_S = 2.0


@click.command()
@click.option("-w", "--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@asking(all_namespaces=False)
def status(it: Asking, watch: bool) -> None:
    """Show what the leader knows: gateways, each port, backlogs, and who waits for what.

    Exits with 1 if no leader answers, or it is not ready; with --watch it goes on asking.
    """
    if watch:
        _watch(it)
    try:
        found = it.status()
    except KubeError as error:
        for line in _silence(error):
            aside(line)
        sys.exit(1)
    _show(it, found)
    sys.exit(0 if found.ready else 1)


def _watch(it: Asking) -> NoReturn:
    try:
        while True:
            try:
                _show(it, it.status(), watched=True)
            except KubeError as error:
                _draw(_silence(error))
            time.sleep(PAUSE_S)
    except KeyboardInterrupt:
        sys.exit(0)


def _silence(error: KubeError) -> tuple[str, ...]:
    return (
        f"the leader does not answer: {printable(str(error))}",
        "dnatctl list shows what the PodDNATs say",
    )


def _show(it: Asking, found: StatusDocument, *, watched: bool = False) -> None:
    if it.output in ("json", "yaml"):
        give_document(it.output, msgspec.to_builtins(found))
    elif watched:
        _draw(_lines(found), _lines(found, maps=False))
    else:
        click.echo("\n".join(_folded(_lines(found))))


def _draw(text: Iterable[str], shorter: Iterable[str] = ()) -> None:
    """In place of what was there, where this is a terminal, and as much as has room; `shorter` is
    what is shown where all of it has none."""
    shown = _folded(text)
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().lines - 1
        if len(shown) > room and (less := _folded(shorter)):
            shown = [*less, "(the ports are left out: make the window taller)"]
        if (more := len(shown) - room) > 0:
            last = f"({more + 1} more lines: make the window taller, or leave out --watch)"
            shown = [*shown[: room - 1], last]
        shown = [HOME, *(f"{line}{REST_OF_LINE}\n" for line in shown), REST]
        click.echo("".join(shown), nl=False)
    else:
        click.echo("\n".join(shown))


def _folded(text: Iterable[str]) -> list[str]:
    """As wide as the terminal at most, where this is one."""
    if not sys.stdout.isatty():
        return list(text)
    width = shutil.get_terminal_size().columns
    return [part for line in text for part in folded(line, width)]


def _lines(found: StatusDocument, *, maps: bool = True) -> Iterator[str]:
    return lines(found, now(), painted if colours() else plain, maps=maps)


def painted(text: str, state: State | None) -> str:
    """In the colour of a state, for a terminal."""
    return click.style(text, **PAINTED[state])  # type: ignore[arg-type]
