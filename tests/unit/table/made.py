"""Rows and tables, made from as few words as a test needs."""

from __future__ import annotations

from dnatctl.model import EntryStatus, ForwardEntry, PortRange, Protocol
from dnatctl.table.marks import Marks
from dnatctl.table.view import NEVER, Pass, Table

TCP, UDP = Protocol.TCP, Protocol.UDP
PENDING, AVAILABLE, DELETING = EntryStatus.PENDING, EntryStatus.AVAILABLE, EntryStatus.DELETING
GATEWAY = "ngw-1"
EIP = "1.1.1.1"
POD_IP = "10.0.0.1"
MARKS = Marks("c1")


def uid(number: int) -> str:
    """The UID of a PodDNAT."""
    return f"00000000-0000-4000-8000-{number:012d}"


def row(
    entry_id: str,
    external: str = f"{EIP}:600",
    internal: str = f"{POD_IP}:80",
    owner: str = "",
    protocol: Protocol | None = TCP,
    status: EntryStatus = AVAILABLE,
    odd_status: str = "",
) -> ForwardEntry:
    """A row as the cloud lists it; `owner` is a PodDNAT's UID, empty for a foreign row."""
    external_ip, _, external_ports = external.partition(":")
    internal_ip, _, internal_ports = internal.partition(":")
    return ForwardEntry(
        entry_id=entry_id,
        external_ip=external_ip,
        external_ports=PortRange.parse(external_ports),
        internal_ip=internal_ip,
        internal_ports=PortRange.parse(internal_ports),
        protocol=protocol,
        name=MARKS.name(owner, "games-lobby-0") if owner else "made-by-hand",
        status=status,
        odd_status=odd_status,
    )


def reading(started: float, *rows: ForwardEntry, atomic: bool = True) -> Pass:
    """A pass that listed those rows."""
    return Pass(started, {entry.entry_id: entry for entry in rows}, atomic)


def view(*rows: ForwardEntry, gateway_id: str = GATEWAY, read: bool = True) -> Table:
    """A table whose first reading, at 0 s, listed those rows, a while ago; or one never read."""
    table = Table(gateway_id, lambda entry: MARKS.owner(entry.name))
    if read:
        table.merge(reading(0.0, *rows), 0.0)
        table.first_read = NEVER
    return table


def states(table: Table) -> dict[str, EntryStatus]:
    """What the view says there is: rows by ID, with their status."""
    return {held.entry.entry_id: held.entry.status for held in table.rows()}
