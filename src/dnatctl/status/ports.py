"""The ports of gateways that are not free, for the status document. Pure.

There may be tens of thousands, which takes longer than workers may be kept waiting: what is read is
noted first, as of one moment, and the document is made of the notes when others go on already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from msgspec.structs import replace

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, PortRange, Protocol
from dnatctl.objects import Key, PodDNAT, PodDNATSpec
from dnatctl.status.document import EipStatus, GatewayStatus, PortStatus, State, TableStatus
from dnatctl.table.view import Row
from dnatctl.times import format_time


@dataclass(frozen=True, slots=True)
class Outline:
    """A gateway as it stood. `status`: all but what is counted and listed of its rows and ports;
    `offered`: the ports of each EIP that are handed out; `open_ips`: those EIPs that something new
    may be put on; `rows`: of its table.
    """

    status: GatewayStatus
    offered: PortRange
    open_ips: frozenset[str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What stood at one moment. Nothing in it changes: its values cannot, its collections are
    copies.

    `claims`: what PodDNATs claim, by UID; `names`: theirs, by UID; `records`: those of each name;
    `resting`: the seconds that remain.
    """

    at: datetime
    gateways: Sequence[Outline]
    claims: Mapping[str, PodDNATSpec]
    names: Mapping[str, Key]
    records: Sequence[PodDNAT]
    resting: Mapping[Endpoint, float]


def gateways(snapshot: Snapshot) -> tuple[GatewayStatus, ...]:
    """The gateways with their rows and ports."""
    claimed, resting = _claimed(snapshot), _resting(snapshot)
    found = []
    for gateway in snapshot.gateways:
        ports = _ports(gateway, claimed, resting)
        eips = tuple(_eip(gateway, eip, ports.get(eip.ip, [])) for eip in gateway.status.eips)
        table = _table(gateway, snapshot.names)
        found.append(replace(gateway.status, table=table, eips=eips))
    return tuple(found)


_Ports = Mapping[str, Sequence[tuple[Endpoint, PortStatus]]]


def _table(gateway: Outline, names: Mapping[str, Key]) -> TableStatus:
    foreign = sum(not row.owner for row in gateway.rows)
    own = sum(row.owner in names for row in gateway.rows)
    orphans = len(gateway.rows) - foreign - own
    return replace(gateway.status.table, own=own, foreign=foreign, orphans=orphans)


def _eip(gateway: Outline, eip: EipStatus, ports: list[PortStatus]) -> EipStatus:
    taken: dict[str, set[int]] = {protocol: set() for protocol in Protocol}
    for port in ports:
        taken[port.protocol].update(PortRange(port.first, port.last).common(gateway.offered))
    size = len(gateway.offered) if eip.ip in gateway.open_ips else 0
    free = {str(p): max(size - len(numbers), 0) for p, numbers in taken.items()}
    return replace(eip, ports=tuple(sorted(ports, key=_place)), free=free)


def _ports(gateway: Outline, claimed: _Ports, resting: _Ports) -> dict[str, list[PortStatus]]:
    """All that is not free of a gateway, by external IP."""
    found: dict[str, list[PortStatus]] = defaultdict(list)
    here = claimed.get(gateway.status.id, ())
    taken = {endpoint for endpoint, _ in here}
    made = _made(gateway.rows, {e for e, port in here if port.state is State.PENDING})
    for endpoint, port in here:
        entry = port.entry or made.get((port.uid, endpoint), "")
        found[endpoint.ip].append(replace(port, entry=entry) if entry != port.entry else port)
    for row in gateway.rows:
        found[row.entry.external_ip] += _unclaimed(row, taken, gateway.offered)
    bound = (resting.get(eip.ip, ()) for eip in gateway.status.eips)
    for endpoint, port in chain.from_iterable(bound):
        if endpoint not in taken and endpoint.port in gateway.offered:
            found[endpoint.ip].append(port)
    return found


def _made(rows: Sequence[Row], pending: Set[Endpoint]) -> dict[tuple[str, Endpoint], str]:
    """The entries that are there of what is not usable, by owner and endpoint."""
    if not pending:
        return {}
    return {
        (row.owner, endpoint): row.entry.entry_id
        for row in rows
        if row.owner and row.entry.protocol
        for number in row.entry.external_ports
        if (endpoint := Endpoint(row.entry.external_ip, number, row.entry.protocol)) in pending
    }


def _claimed(snapshot: Snapshot) -> _Ports:
    """What is claimed, by gateway."""
    records = {record.key: record for record in snapshot.records}
    found: dict[str, list[tuple[Endpoint, PortStatus]]] = defaultdict(list)
    for uid, spec in snapshot.claims.items():
        key = snapshot.names.get(uid)
        found[spec.gateway_id] += _claim(uid, spec, key, records.get(key) if key else None)
    return found


def _claim(
    uid: str, spec: PodDNATSpec, key: Key | None, record: PodDNAT | None
) -> Iterable[tuple[Endpoint, PortStatus]]:
    pod, since = str(key) if key else "", record.created if record else ""
    usable = {e.endpoint: e.entry_id for e in record.status.entries} if record else {}
    for mapping in spec.ports:
        endpoint = spec.endpoint(mapping)
        yield (
            endpoint,
            PortStatus(
                endpoint.port,
                endpoint.port,
                endpoint.protocol,
                State.USED if endpoint in usable else State.PENDING,
                pod=pod,
                uid=uid,
                internal=f"{spec.internal_ip}:{mapping.internal}",
                entry=usable.get(endpoint, ""),
                since=since,
            ),
        )


def _resting(snapshot: Snapshot) -> _Ports:
    """What rests, by external IP."""
    found: dict[str, list[tuple[Endpoint, PortStatus]]] = defaultdict(list)
    for endpoint, seconds in snapshot.resting.items():
        number, until = endpoint.port, format_time(snapshot.at + timedelta(seconds=seconds))
        rests = PortStatus(number, number, endpoint.protocol, State.RESTING, until=until)
        found[endpoint.ip].append((endpoint, rests))
    return found


def _unclaimed(row: Row, claimed: set[Endpoint], offered: PortRange) -> Iterator[PortStatus]:
    """What a row covers of the pool that no claim accounts for."""
    entry = row.entry
    within = entry.external_ports.common(offered)
    if not within:
        return
    state = State.ORPHAN if row.owner else State.FOREIGN
    for protocol in (entry.protocol,) if entry.protocol else Protocol:
        if Endpoint(entry.external_ip, within[0], protocol) in claimed:
            continue
        yield PortStatus(
            within[0],
            within[-1],
            protocol,
            state,
            uid=row.owner,
            internal=_internal(entry),
            entry=entry.entry_id,
            problem="" if entry.status is EntryStatus.AVAILABLE else entry.status_text,
        )


def _place(port: PortStatus) -> tuple[str, int]:
    return port.protocol, port.first


def _internal(entry: ForwardEntry) -> str:
    return f"{entry.internal_ip}:{entry.internal_ports}"
