"""Regain: a living pod whose PodDNAT was lost keeps the addresses that still lead to it.

PodDNATs can be lost without their release: a backup that lacks them is restored, their definition
is deleted and made anew. The rows stay, and say by their names for which pod they were made; of
those that were adopted the ledger says it. What leads to that very pod is claimed again as it is,
and noted in the ledger as the new PodDNAT's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from msgspec.structs import replace

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry
from dnatctl.objects import Adopted, Key, PodDNAT, PodDNATSpec, PortMapping
from dnatctl.plan.exposure import Ask, Exposure
from dnatctl.plan.rows import OwnRow, own_rows
from dnatctl.plan.values import Plan, Reclaim, Retire, Seen
from dnatctl.pool import Allocation, Pool
from dnatctl.table.marks import Marks
from dnatctl.table.view import Table


def regain(seen: Seen, pool: Pool) -> Allocation | None:
    """What still leads to the pod, of those ports that it asks for; None if nothing does.

    All ports of a pod share one external IP: that which most of them are had on, of a gateway that
    takes rows for the others if there is one.
    """
    places: dict[tuple[str, str], list[PortMapping]] = defaultdict(list)
    for left in _left(seen, seen.tables):
        ports = _carried(left.row.entry)
        if ports and all(_is_to_be_had(seen, pool, left, port) for port in ports):
            places[left.gateway_id, left.row.entry.external_ip] += ports
    if not places:
        return None

    def rank(place: tuple[str, str]) -> tuple[bool, int]:
        return not pool.problem(place[0]), len(places[place])

    gateway_id, ip = best = max(places, key=rank)
    ports = places[best]
    order = {port: n for n, port in enumerate(seen.exposure.ports)}
    ports.sort(key=lambda port: order[port.internal, port.protocol])
    return Allocation(gateway_id, ip, tuple(ports))


def go_back(seen: Seen, record: PodDNAT, pool: Pool) -> Plan | None:
    """What to do for a claim that was never of use while addresses from before still lead to the
    pod, and bar its own: they were not known to be its when it claimed anew."""
    if not _was_never_of_use(seen, record):
        return None
    found = regain(seen, pool)
    if found is None:
        return None
    if resting := tuple(e for e in record.spec.endpoints() if e not in seen.durable):
        return Plan(Retire(resting))
    protocol = found.ports[0].protocol
    place = replace(record.spec, gateway_id=found.gateway_id, external_ip=found.external_ip)
    return Plan(Reclaim(replace(place, ports=found.ports, protocol=protocol)))


def regained(seen: Seen, record: PodDNAT) -> tuple[str, ...]:
    """The rows from before that the record claims by now, in the table that it is in."""
    spec = record.spec
    table = {spec.gateway_id: seen.tables[spec.gateway_id]}
    return tuple(
        left.entry_id
        for left in _left(seen, table)
        if left.row.entry.external_ip == spec.external_ip
        and (ports := _carried(left.row.entry))
        and set(ports) <= set(spec.ports)
    )


def left_by_lost(seen: Seen) -> frozenset[str]:
    """The rows, by ID, that a pod is left with which has lost its PodDNAT: it has them until it
    ends, whether or not it can claim them again just now."""
    return frozenset(
        left.entry_id
        for left in _left(seen, seen.tables)
        if _is_asked_for(seen.exposure, left.row.entry)
    )


def is_left_to(
    key: Key, exposure: Exposure, row: ForwardEntry, marks: Marks, adopted: Mapping[str, Adopted]
) -> bool:
    """Whether that row, of no PodDNAT, is one that the pod of that name is left with: it leads to
    the pod, was made for it, and is nothing that the pod does not ask for any more."""
    return (
        exposure.ask in (Ask.ON, Ask.KEEP)
        and row.internal_ip == exposure.ip
        and _made_for(key, row, marks, adopted)
        and _is_asked_for(exposure, row)
    )


def _is_asked_for(exposure: Exposure, row: ForwardEntry) -> bool:
    asked = frozenset(exposure.ports)  # none where what is asked for makes no sense
    return not asked or {(port.internal, port.protocol) for port in _carried(row)} <= asked


def _left(seen: Seen, tables: Mapping[str, Table]) -> list[OwnRow]:
    """Rows that lead to the pod and were made for it, by a PodDNAT that there is no more.

    One that was seen to go is no loss: what it leaves behind is released.
    """
    return [
        OwnRow(gateway_id, row)
        for gateway_id, table in tables.items()
        for row in table.leading_to(seen.exposure.ip)
        if row.owner not in seen.going
        and row.owner not in seen.names
        and row.entry.status is not EntryStatus.DELETING
        and _made_for(seen.key, row.entry, seen.marks, seen.adopted)
    ]


def _made_for(key: Key, row: ForwardEntry, marks: Marks, adopted: Mapping[str, Adopted]) -> bool:
    """Whether the row's name says so, or the ledger of a row that was adopted."""
    noted = adopted.get(row.entry_id)
    if noted is not None and noted.pod:
        return noted.pod == key.digest
    return marks.made_for(row.name, str(key))


def _carried(row: ForwardEntry) -> list[PortMapping]:
    if row.protocol is None:
        return []
    first = row.internal_ports.first
    return [PortMapping(p, first + n, row.protocol) for n, p in enumerate(row.external_ports)]


def _is_to_be_had(seen: Seen, pool: Pool, left: OwnRow, port: PortMapping) -> bool:
    """Whether it is asked for, can lead to the pod still, and is nobody else's by now."""
    if (port.internal, port.protocol) not in seen.exposure.ports:
        return False
    endpoint = Endpoint(left.row.entry.external_ip, port.external, port.protocol)
    own = endpoint in (seen.asked or PodDNATSpec()).endpoints()
    return pool.may_regain(left.gateway_id, endpoint, claimed=own)


def _was_never_of_use(seen: Seen, record: PodDNAT) -> bool:
    """Whether nobody can have been told what it claims."""
    idle = not (record.status.entries or seen.unanswered or own_rows(seen, record))
    known = seen.made_here or not seen.exposure.fixed
    return idle and known and seen.exposure.ask is Ask.ON
