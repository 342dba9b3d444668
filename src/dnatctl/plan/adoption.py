"""Adoption: rows without our mark that a PodDNAT nevertheless rightly calls its own.

A PodDNAT may be written by whoever has rights in its namespace, so its word is not enough: the row
must be what the record says, no more and no less, and lead to the record's own living pod.
`takeOver` waives the last point for the length of a migration.
"""

from __future__ import annotations

from collections import defaultdict

from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.objects import PodDNAT, StatusEntry
from dnatctl.plan.values import Adopt, Seen


def adopt(seen: Seen, record: PodDNAT) -> Adopt | None:
    """The foreign rows that are to be noted as this record's now."""
    table = seen.tables.get(record.spec.gateway_id)
    if table is None or not table.read_once:
        return None
    recorded: dict[str, list[StatusEntry]] = defaultdict(list)
    for entry in record.status.entries:
        recorded[entry.entry_id].append(entry)
    found = tuple(
        entry_id
        for entry_id, entries in recorded.items()
        if (row := table.row(entry_id)) is not None
        and not row.owner
        and _is_as_recorded(row.entry, entries)
        and (seen.policy.take_over or all(_leads_to_own_pod(seen, entry) for entry in entries))
    )
    return Adopt(record.spec.gateway_id, found) if found else None


def _is_as_recorded(row: ForwardEntry, entries: list[StatusEntry]) -> bool:
    """Whether the entries are the row's ports, each of them and nothing else."""
    ports = {entry.endpoint.port for entry in entries}
    return (
        row.status is not EntryStatus.DELETING
        and len(ports) == len(row.external_ports)
        and all(_is_carried(row, entry) for entry in entries)
    )


def _is_carried(row: ForwardEntry, entry: StatusEntry) -> bool:
    offset = entry.endpoint.port - row.external_ports.first
    return (
        row.covers(entry.endpoint)
        and row.protocol == entry.endpoint.protocol
        and row.internal_ip == entry.internal_ip
        and row.internal_ports.first + offset == entry.internal_port
    )


def _leads_to_own_pod(seen: Seen, entry: StatusEntry) -> bool:
    if seen.pod is None or seen.pod.host_network:
        return False  # the address is the node's, and so is what leads to it
    wanted = (entry.internal_port, entry.endpoint.protocol)
    return entry.internal_ip == seen.exposure.ip and wanted in seen.exposure.ports
