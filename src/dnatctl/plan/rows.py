"""The rows of one record: which are true, which are wrong, which are missing."""

from __future__ import annotations

from dataclasses import dataclass

from dnatctl.model import EntryStatus
from dnatctl.objects import PodDNAT, PodDNATSpec, PortMapping, StatusEntry
from dnatctl.plan.exposure import Ask
from dnatctl.plan.values import Seen
from dnatctl.table.view import Row, Table


@dataclass(frozen=True, slots=True)
class OwnRow:
    """A row of the record, with the gateway whose table holds it."""

    gateway_id: str
    row: Row

    @property
    def entry_id(self) -> str:
        """The cloud's ID of the row."""
        return self.row.entry.entry_id

    @property
    def deleting(self) -> bool:
        """Whether it is on its way out."""
        return self.row.entry.status is EntryStatus.DELETING

    def carries(self, spec: PodDNATSpec, port: PortMapping, ip: str) -> bool:
        """Whether it leads the claimed port's endpoint to `ip` and the right internal port."""
        entry = self.row.entry
        offset = port.external - entry.external_ports.first
        return (
            self.gateway_id == spec.gateway_id
            and not self.deleting
            and entry.covers(spec.endpoint(port))
            and entry.protocol == port.protocol
            and entry.internal_ip == ip
            and entry.internal_ports.first + offset == port.internal
        )


def own_rows(seen: Seen, record: PodDNAT) -> list[OwnRow]:
    """All rows that belong to the record, on whichever gateway."""
    return [
        OwnRow(gateway_id, row)
        for gateway_id, table in seen.tables.items()
        for row in table.owned_by(record.uid)
    ]


def astray(seen: Seen, record: PodDNAT) -> list[OwnRow]:
    """Rows that lead to an IP which is not the pod's, or no more: another's any moment."""
    own = seen.pod is not None and seen.exposure.ask not in (Ask.ENDED, Ask.NO_ADDRESS)
    ip = seen.pod.ipv4 if seen.pod is not None and own else ""
    return [
        row
        for row in own_rows(seen, record)
        if not row.deleting and row.row.entry.internal_ip != ip
    ]


def carrier(rows: list[OwnRow], spec: PodDNATSpec, port: PortMapping, ip: str) -> OwnRow | None:
    """The row that carries the claimed port, available or not yet."""
    return next((own for own in rows if own.carries(spec, port, ip)), None)


def usable_entries(
    rows: list[OwnRow], spec: PodDNATSpec, ports: tuple[PortMapping, ...], ip: str
) -> tuple[StatusEntry, ...]:
    """What status may list: ports whose row is Available and leads to the pod's present IP."""
    return tuple(
        StatusEntry(spec.endpoint(port), ip, port.internal, own.entry_id)
        for port in ports
        if (own := carrier(rows, spec, port, ip)) is not None and not own.row.in_flux
    )


def misled(
    rows: list[OwnRow], spec: PodDNATSpec, ports: tuple[PortMapping, ...], ip: str
) -> list[OwnRow]:
    """Rows that lead somewhere these of the claimed ports do not say, in whole or in part."""
    return [own for own in rows if not own.deleting and not _all_carried(own, spec, ports, ip)]


def _all_carried(own: OwnRow, spec: PodDNATSpec, ports: tuple[PortMapping, ...], ip: str) -> bool:
    carried = sum(1 for port in ports if own.carries(spec, port, ip))
    return carried == len(own.row.entry.external_ports)


def in_the_way(table: Table, spec: PodDNATSpec, port: PortMapping, uid: str) -> list[Row]:
    """Rows of others that cover the port's endpoint."""
    return [row for row in table.covering(spec.endpoint(port)) if row.owner != uid]


def squatters(table: Table, ip: str, port: PortMapping, uid: str) -> list[Row]:
    """Rows of others that hold the pod's internal address and port: the cloud allows one."""
    return [row for row in table.holding(ip, port.internal, port.protocol) if row.owner != uid]


def strangers(table: Table, ip: str, uid: str) -> set[str]:
    """UIDs of other records whose rows lead to this pod's IP: remains of an earlier holder."""
    return {
        row.owner
        for row in table.leading_to(ip)
        if row.owner not in ("", uid) and row.entry.status is not EntryStatus.DELETING
    }
