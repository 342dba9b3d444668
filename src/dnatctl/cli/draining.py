"""Who is still there on what is drained, and from when on nobody comes any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from dnatctl.cli.asking import Asking, say
from dnatctl.kube.errors import KubeError
from dnatctl.orders import EIP, READ_EVERY_S, Order
from dnatctl.status.document import State

if TYPE_CHECKING:
    from dnatctl.objects import PodDNAT
    from dnatctl.status.document import StatusDocument

LOOK_S = 2.0
"""Between two looks at who is still there."""

SURE_S: Final = 2 * READ_EVERY_S
"""After so long without a word of the leader it is taken to know of an order: by then it has begun
to read orders after that was written, and had time to end."""


def watch(it: Asking, order: Order, *, wait: bool) -> None:
    """Say who is there, each time that it changes, until nobody is and nobody can come. Not to
    `wait`: once. `order` has just been given.

    Until the leader knows of the order it may put another pod there at any moment.
    """
    ignored, said = time.monotonic(), ""
    while True:
        status = _status(it)  # before the PodDNATs: it has claims that are to be stored yet
        if status is not None and not _knows(status, order):
            ignored = time.monotonic()
            why = "the leader knows of the order"
        elif status is None and time.monotonic() - ignored <= SURE_S:
            why = f"the order is {SURE_S:.0f} s old: the leader cannot be asked whether it knows"
        else:
            why = ""
        there = _there(it, order.target, status)
        if (text := _told(there, why)) != said:
            say(text)
        if not wait or not (there or why):
            return
        said = text
        time.sleep(LOOK_S)


def _told(there: list[str], why: str) -> str:
    """`why`: until when somebody may come yet, "" if nobody may."""
    if there:
        return f"{len(there)} still there: {', '.join(there[:5])}{' ...' if there[5:] else ''}"
    return f"nobody is there so far; somebody may come until {why}" if why else "nobody is there"


def _status(it: Asking) -> StatusDocument | None:
    try:
        return it.status()
    except KubeError:
        return None


def _knows(status: StatusDocument, order: Order) -> bool:
    """Whether the leader heeds it, or one that has been given in its place since.

    An earlier one that it knows may have been taken back meanwhile.
    """
    return any(o.name == order.name and o.since >= order.since for o in status.orders)


def _there(it: Asking, target: str, status: StatusDocument | None) -> list[str]:
    """Whose endpoints are there: by the PodDNATs, and by what the leader has claimed besides."""
    kind, _, name = target.partition("/")
    place: Callable[[PodDNAT], str] = (
        (lambda r: r.spec.external_ip) if kind == EIP else (lambda r: r.spec.gateway_id)
    )
    recorded = [str(record.key) for record in it.all_records() if place(record) == name]
    claimed = _claimed(status, name) if status else ()
    return list(dict.fromkeys((*recorded, *claimed)))


def _claimed(status: StatusDocument, place: str) -> Iterator[str]:
    for gateway in status.gateways:
        for eip in gateway.eips:
            if place in (gateway.id, eip.ip):
                taken = (p for p in eip.ports if p.state in (State.USED, State.PENDING))
                yield from (port.pod or port.uid for port in taken)
