"""`dnatctl status`: gateways, ports, tables, who waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click
import msgspec

from dnatctl.cli.asking import Asking, aside, asking, colours, give_document, now
from dnatctl.kube.errors import KubeError
from dnatctl.status.document import State, StatusDocument
from dnatctl.status.show import lines, plain

PAINTED = {
    State.FREE: {"dim": True},
    State.USED: {"fg": "green"},
    State.PENDING: {"fg": "yellow"},
    State.RESTING: {"fg": "blue"},
    State.FOREIGN: {"fg": "magenta"},
    State.ORPHAN: {"fg": "red"},
    None: {"fg": "red"},
}
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@click.command()
@click.option("-w", "--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@asking(all_namespaces=False)
def status(it: Asking, watch: bool) -> None:
    """Show what the leader knows: gateways, each port, backlogs, and who waits for what.

    Exits with 1 if no leader answers, or it is not ready.
    """
    try:
        while True:
            found = it.status()
            _show(it, found, clear=watch)
            if not watch:
                sys.exit(0 if found.ready else 1)
            time.sleep(2)
    except KeyboardInterrupt:
        sys.exit(0)
    except KubeError as error:
        aside(f"the leader does not answer: {error}")
        aside("dnatctl list shows what the PodDNATs say")
        sys.exit(1)


def _show(it: Asking, found: StatusDocument, *, clear: bool) -> None:
    if it.output in ("json", "yaml"):
        give_document(it.output, msgspec.to_builtins(found))
        return
    text = "\n".join(_lines(found))
    click.echo(f"{CLEAR}{text}" if clear and colours() else text)


def _lines(found: StatusDocument) -> Iterator[str]:
    return lines(found, now(), _paint if colours() else plain)


def _paint(text: str, state: State | None) -> str:
    return click.style(text, **PAINTED[state])  # type: ignore[arg-type]
