"""Who has an endpoint, and who had it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dnatctl.model import Endpoint
from dnatctl.objects import PodDNAT
from dnatctl.status.document import EipStatus, GatewayStatus, PortStatus, StatusDocument


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


def unheld(asked: Sequence[Endpoint], status: StatusDocument | None) -> str:
    """What to add of one that nobody has: that it is free, or why it is not given out. Empty where
    the leader does not tell.

    `asked`: one port of one IP, of one protocol or of each.
    """
    ip = asked[0].ip
    offered = [(each, eip) for each in (status.gateways if status else ()) for eip in each.eips]
    here = {gateway.id: _closed(gateway, eip, asked) for gateway, eip in offered if eip.ip == ip}
    if not here:
        used = ", ".join(sorted({eip.ip for _, eip in offered}))
        return f": dnatctl uses only {used}" if used else ""
    gateway_id = next((each for each, why in here.items() if not why), "")
    if gateway_id:
        return f": it is free, on {gateway_id}"
    return f", and it is not given out: {'; '.join(here.values())}"


def _closed(gateway: GatewayStatus, eip: EipStatus, asked: Sequence[Endpoint]) -> str:
    """Why the gateway hands out nothing there; empty if it may."""
    if not gateway.first <= asked[0].port <= gateway.last:
        return f"of {eip.ip} dnatctl gives out {gateway.first} to {gateway.last}"
    if eip.problem or gateway.problem:
        return f"{eip.ip}: {eip.problem}" if eip.problem else f"{gateway.id}: {gateway.problem}"
    # This one is not taken: where none is free, none of the EIP is given out.
    if all(eip.free.get(each.protocol, 1) == 0 for each in asked):
        return f"{eip.ip} leaves the pool of {gateway.id}, and only who is there stays"
    return ""


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
