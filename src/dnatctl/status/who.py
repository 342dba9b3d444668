"""Who has an endpoint, and who had it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dnatctl.model import Endpoint
from dnatctl.objects import PodDNAT
from dnatctl.status.document import PortStatus, StatusDocument


class Holder(NamedTuple):
    """One of them. `until` is "" for who has it now, or a time to come for what rests."""

    endpoint: str
    what: str
    who: str
    since: str = ""
    until: str = ""
    note: str = ""


def holders(
    asked: Iterable[Endpoint], records: Iterable[PodDNAT], status: StatusDocument | None
) -> Iterator[Holder]:
    """Now first, then those before, latest first; by the leader's word, and by the PodDNATs'."""
    known = list(records)
    for endpoint in asked:
        yield from _claims(endpoint, known)
        if status is not None:
            yield from _stands(endpoint, status)
            yield from _before(endpoint, status)


def _claims(endpoint: Endpoint, records: Iterable[PodDNAT]) -> Iterator[Holder]:
    for record in records:
        if endpoint not in record.spec.endpoints():
            continue
        entry = next((e for e in record.status.entries if e.endpoint == endpoint), None)
        to = f"leads to {entry.internal_ip}:{entry.internal_port}" if entry else "not usable now"
        what = "releasing" if record.deleting else "claimed"
        yield Holder(str(endpoint), what, str(record.key), record.created, "", to)


def _stands(endpoint: Endpoint, status: StatusDocument) -> Iterator[Holder]:
    """What the leader knows besides claims: who else's entry is there, and what rests."""
    for gateway in status.gateways:
        for eip in gateway.eips:
            for port in eip.ports:
                if eip.ip == endpoint.ip and not port.pod and _covers(port, endpoint):
                    note = f"entry {port.entry} to {port.internal}" if port.entry else ""
                    who = f"on {gateway.id}"
                    yield Holder(str(endpoint), port.state, who, "", port.until, note)


def _covers(port: PortStatus, endpoint: Endpoint) -> bool:
    return port.protocol == endpoint.protocol and port.first <= endpoint.port <= port.last


def _before(endpoint: Endpoint, status: StatusDocument) -> Iterator[Holder]:
    past = [p for p in status.history if p.endpoint == str(endpoint) and p.until]
    for p in sorted(past, key=lambda p: p.until, reverse=True):
        yield Holder(p.endpoint, "had it", p.pod, p.since, p.until)
