"""Adoption: rows without our mark that a PodDNAT nevertheless rightly calls its own.

A PodDNAT may be written by whoever has rights in its namespace, so its word is not enough: the row
must be what the record says, no more and no less, and lead to the record's own living pod.
`takeOver` waives the last point for the length of a migration, for PodDNATs that are older than it
and endpoints of the pool; not for rows that a dnatctl of another cluster made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.objects import PodDNAT, StatusEntry
from dnatctl.plan.exposure import Ask
from dnatctl.plan.regain import left_by_lost, regained
from dnatctl.plan.values import Adopt, Seen
from dnatctl.table.marks import is_marked
from dnatctl.table.view import Row, Table


def adopt(seen: Seen, record: PodDNAT) -> Adopt | None:
    """The rows that are to be noted as this record's now: foreign ones, or of one that was lost."""
    table = seen.tables.get(record.spec.gateway_id)
    if table is None or not table.read_once:
        return None
    if again := regained(seen, record):
        return Adopt(record.spec.gateway_id, again, lost=True)
    found = tuple(_rightly_listed(seen, record, table))
    return Adopt(record.spec.gateway_id, found) if found else None


def left_with(seen: Seen) -> frozenset[str]:
    """The rows, by ID, that a pod is left with and that are no PodDNAT's: it has none, or they are
    about to be noted as its own."""
    if seen.exposure.ask not in (Ask.ON, Ask.KEEP):
        return frozenset()
    record = seen.record
    if record is None:
        return left_by_lost(seen)
    table = seen.tables.get(record.spec.gateway_id)
    if table is None:
        return frozenset()
    if awaits_clarity(seen, record, table):
        return frozenset(_recorded(record))
    return frozenset((*regained(seen, record), *_rightly_listed(seen, record, table)))


def awaits_clarity(seen: Seen, record: PodDNAT, table: Table) -> bool:
    """Whether all that status lists leads to the pod, by rows that are not known to be its own as
    long as its annotations make no sense.

    Nothing but status and claim tells that they were made for it: both stay until it is clear.
    """
    exposure, recorded = seen.exposure, _recorded(record)
    return (
        exposure.ask is Ask.KEEP
        and not exposure.refused
        and bool(recorded)
        and not table.owned_by(record.uid)
        and all(entry.internal_ip == exposure.ip for entry in record.status.entries)
        and all(_is_to_be_had(seen, table, *each) for each in recorded.items())
    )


def _rightly_listed(seen: Seen, record: PodDNAT, table: Table) -> Iterator[str]:
    """The rows that status lists rightly and that are nobody's."""
    for entry_id, entries in _recorded(record).items():
        if _is_to_be_had(seen, table, entry_id, entries) and (
            (_is_legacy(seen, record, entries) and not _is_of_dnatctl(table, entry_id))
            or all(_leads_to_own_pod(seen, entry) for entry in entries)
        ):
            yield entry_id


def _recorded(record: PodDNAT) -> dict[str, list[StatusEntry]]:
    """The entries that status lists, by row."""
    recorded: dict[str, list[StatusEntry]] = defaultdict(list)
    for entry in record.status.entries:
        recorded[entry.entry_id].append(entry)
    return recorded


def _is_to_be_had(seen: Seen, table: Table, entry_id: str, entries: list[StatusEntry]) -> bool:
    """Whether the row is nobody's, and as recorded."""
    row = table.row(entry_id)
    if row is None or not (not row.owner or _was_adopted_by_one_lost(seen, row)):
        return False
    return _is_as_recorded(row.entry, entries)


def _was_adopted_by_one_lost(seen: Seen, row: Row) -> bool:
    """Whether the row has no mark, and the PodDNAT that it was noted for is not there any more
    though nobody saw it go: it was lost, and this one may be what was restored of it."""
    there = row.owner in seen.names or row.owner in seen.going
    return not there and not is_marked(row.entry.name)


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


def _is_legacy(seen: Seen, record: PodDNAT, entries: list[StatusEntry]) -> bool:
    """Whether an older controller left them, as far as can be told."""
    migration, spec = seen.policy.take_over, record.spec
    return (
        migration is not None
        and migration.believes(record)
        and all(
            entry.endpoint in spec.endpoints()
            and migration.offered(spec.gateway_id, entry.endpoint)
            for entry in entries
        )
    )


def _is_of_dnatctl(table: Table, entry_id: str) -> bool:
    """Whether it was no older controller that made the row.

    The PodDNATs of a cluster may be restored in another: what they list serves that one's pods.
    """
    row = table.row(entry_id)
    return row is not None and is_marked(row.entry.name)


def _leads_to_own_pod(seen: Seen, entry: StatusEntry) -> bool:
    if seen.pod is None or seen.pod.host_network:
        return False  # the address is the node's, and so is what leads to it
    wanted = (entry.internal_port, entry.endpoint.protocol)
    return entry.internal_ip == seen.exposure.ip and wanted in seen.exposure.ports
