"""The status document as text for a terminal: a block a gateway, a cell a port."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from dnatctl.amounts import amount
from dnatctl.status.document import (
    USUAL_QUOTA,
    EipStatus,
    GatewayStatus,
    PortStatus,
    State,
    StatusDocument,
)
from dnatctl.status.table import columns, printable
from dnatctl.times import parse_time

CELLS = {
    State.FREE: "·",
    State.USED: "█",
    State.PENDING: "+",
    State.RESTING: "▒",
    State.FOREIGN: "x",
    State.ORPHAN: "!",
}
A_LINE = 64
"""Ports in a line of cells."""

Paint = Callable[[str, State | None], str]
"""Colours a text for a state; None: for what is wrong."""


def plain(text: str, _state: State | None) -> str:
    """No colour."""
    return text


def lines(
    status: StatusDocument, now: datetime, paint: Paint = plain, *, maps: bool = True
) -> Iterator[str]:
    """The whole of it; without `maps` all but the ports one by one."""
    yield from _head(status, now, paint)
    if status.gateways:
        yield f"  {_room_in_all(status.gateways)}"
    for gateway in status.gateways:
        yield ""
        yield from _gateway(gateway, now, paint, maps=maps)
    if maps and any(gateway.eips for gateway in status.gateways):
        yield ""
        yield "   ".join(f"{paint(cell, state)} {state}" for state, cell in CELLS.items())
    if status.waiting:
        yield ""
        yield from waiting(status, now)


def waiting(status: StatusDocument, now: datetime) -> Iterator[str]:
    """Who waits, for how long, and why."""
    rows = (
        (w.pod, age(w.since, now), w.reason, w.message)
        for w in sorted(status.waiting, key=lambda w: (w.since, w.pod))
    )
    yield from columns(("WAITING", "SINCE", "REASON", "WHY"), rows)


def age(since: str, now: datetime) -> str:
    """How long ago that was, as kubectl writes it; "-" where it is not known."""
    then = parse_time(since)
    if then is None:
        return "-"
    seconds = max(int((now - then).total_seconds()), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _head(status: StatusDocument, now: datetime, paint: Paint) -> Iterator[str]:
    lease = status.lease
    who = f"led by {printable(lease.holder)}" if lease.holder else "led by nobody"
    since = f" for {age(lease.since, now)}" if lease.since else ""
    ready = "ready" if status.ready else paint("not ready", None)
    yield f"dnatctl {status.version}, cluster {status.cluster}: {ready}, {who}{since}"
    for text in status.waits_for:
        yield paint(f"  waits for {printable(text)}", None)
    for text in status.notes:
        yield paint(f"  {printable(text)}", None)


def _gateway(gateway: GatewayStatus, now: datetime, paint: Paint, *, maps: bool) -> Iterator[str]:
    table = gateway.table
    rows = table.rows
    kinds = f"{table.own} ours, {table.foreign} foreign"
    if table.orphans:
        kinds += f", {table.orphans} orphaned"
    zone = f" in {gateway.zone}" if gateway.zone else ""
    whose = f", for {', '.join(gateway.namespaces)} only" if gateway.namespaces else ""
    coming = _coming(gateway)
    kinds += f", {coming} more claimed" if coming else ""
    room = _room(rows + coming, table.limit)
    entries = amount(rows, "entry", "entries")
    yield f"{gateway.id}{zone}{whose}: {entries} ({kinds}), {room}"
    pace = f", busy {table.busy_s:.1f} s a write" if table.busy_s else ""
    doubt = f", {table.in_doubt} unanswered" if table.in_doubt else ""
    yield f"  backlog {table.backlog}{pace}{doubt}; table read {age(table.read_at, now)} ago"
    if gateway.problem:
        yield paint(f"  nothing new goes here: {printable(gateway.problem)}", None)
    for note in gateway.notes:
        yield paint(f"  {printable(note)}", None)
    for eip in gateway.eips:
        yield from _eip(eip, paint)
        if maps:
            yield from _map(eip, gateway, paint)


def _room_in_all(gateways: Iterable[GatewayStatus]) -> str:
    """How many more ports any pod may have exposed: rows bound that as well as free ports do."""
    more = Counter[str]()
    for gateway in gateways:
        if gateway.problem or gateway.namespaces:
            continue
        free = sum((Counter(eip.free) for eip in gateway.eips if not eip.problem), Counter[str]())
        more += Counter({name: min(count, _left(gateway)) for name, count in free.items()})
    if len(counts := set(more.values())) == 1 and len(more) > 1:
        return f"room for {amount(counts.pop(), 'more port')}, {' or '.join(sorted(more))}"
    text = ", ".join(amount(count, f"more {name} port") for name, count in sorted(more.items()))
    return f"room for {text or 'nothing more'}"


def _left(gateway: GatewayStatus) -> int:
    """Rows; as many as are wanted where the limit has to be higher than the usual one."""
    taken, limit = gateway.table.rows + _coming(gateway), gateway.table.limit
    if limit is None:
        limit = USUAL_QUOTA if taken < USUAL_QUOTA else sys.maxsize
    return max(limit - taken, 0)


def _coming(gateway: GatewayStatus) -> int:
    """Rows that are claimed and not there yet."""
    ports = (port for eip in gateway.eips for port in eip.ports)
    waits = (port for port in ports if port.state is State.PENDING and not port.entry)
    return sum(port.last - port.first + 1 for port in waits)


def _room(rows: int, limit: int | None) -> str:
    """What the table itself takes, however many ports are free."""
    if limit is not None:
        return f"room for {max(limit - rows, 0)} more of {limit}"
    if rows < USUAL_QUOTA:
        return (
            f"room for {USUAL_QUOTA - rows} more unless its quota was raised: then set maxEntries"
        )
    return "room not known: set maxEntries to its quota"


def _eip(eip: EipStatus, paint: Paint) -> Iterator[str]:
    free = ", ".join(f"{count} {protocol}" for protocol, count in sorted(eip.free.items()))
    yield f"  {eip.ip}: free {free or 'nothing'}"
    if eip.problem:
        yield paint(f"    {printable(eip.problem)}", None)


def _map(eip: EipStatus, gateway: GatewayStatus, paint: Paint) -> Iterator[str]:
    for protocol in sorted({port.protocol for port in eip.ports}):
        ports = [port for port in eip.ports if port.protocol == protocol]
        yield from _cells(ports, protocol, gateway.first, gateway.last, paint)
        outside = [p for p in ports if p.last < gateway.first or p.first > gateway.last]
        if outside:
            yield f"    {protocol} not offered any more: {', '.join(map(_number, outside))}"


def _number(port: PortStatus) -> str:
    return str(port.first) if port.first == port.last else f"{port.first} to {port.last}"


def _cells(
    ports: Iterable[PortStatus], protocol: str, first: int, last: int, paint: Paint
) -> Iterator[str]:
    """Lines of cells; many that are free in a row are told in words."""
    taken = {
        number: port.state
        for port in ports
        for number in range(max(port.first, first), min(port.last, last) + 1)
    }
    free_from: int | None = None
    for start in range(first, last + 1, A_LINE):
        stop = min(start + A_LINE - 1, last)
        if not any(number in taken for number in range(start, stop + 1)):
            free_from = start if free_from is None else free_from
            continue
        if free_from is not None:
            yield _all_free(protocol, free_from, start - 1)
            free_from = None
        states = (taken.get(number, State.FREE) for number in range(start, stop + 1))
        yield f"    {protocol} {start:>5} " + _painted(states, paint)
    if free_from is not None:
        yield _all_free(protocol, free_from, last)


def _all_free(protocol: str, first: int, last: int) -> str:
    return f"    {protocol} {first:>5} to {last}: free"


def _painted(states: Iterable[State], paint: Paint) -> str:
    """Cells; those that stand alike share one colour."""
    text, run, last = "", "", State.FREE
    for state in states:
        if state is not last and run:
            text, run = text + paint(run, last), ""
        run, last = run + CELLS[state], state
    return text + paint(run, last)
