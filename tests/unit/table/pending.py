"""A backlog, and what becomes of its writes, in as few words as a test needs."""

from __future__ import annotations

from dnatctl.model import NewEntry, PortRange, Protocol
from dnatctl.table.backlog import RETRY_S, Backlog
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, PendingWrite, Write

GATEWAY = "ngw-1"


def entry(port: int, ip: str = "1.1.1.1") -> NewEntry:
    ports = PortRange(port, port)
    return NewEntry(ip, ports, "10.0.0.1", PortRange(80, 80), Protocol.TCP, "name")


def create(port: int = 600, intent: str = "1/", ip: str = "1.1.1.1") -> CreateRow:
    return CreateRow(GATEWAY, entry(port, ip), intent)


def modify(entry_id: str = "fwd-1", port: int = 600) -> ModifyRow:
    return ModifyRow(GATEWAY, entry_id, entry(port), "1/")


def delete(entry_id: str = "fwd-1") -> DeleteRow:
    return DeleteRow(GATEWAY, entry_id)


def wanted(*writes: Write, uid: str = "a", namespace: str = "games") -> Backlog:
    backlog = Backlog()
    backlog.want(uid, namespace, writes)
    return backlog


def carry_out(backlog: Backlog, now: float = 0.0) -> PendingWrite | None:
    """Send the next write and have it accepted."""
    pending = backlog.take(now)
    if pending is not None:
        backlog.accepted(pending, 0.0)
    return pending


def order(backlog: Backlog, most: int = 1000) -> list[Write]:
    """Everything there is, in the order in which it is written."""
    done = []
    while (pending := carry_out(backlog)) and len(done) < most:
        done.append(pending.write)
    return done


def lose(backlog: Backlog, now: float = 0.0) -> PendingWrite:
    """Send the next write; no answer comes."""
    pending = backlog.take(now)
    assert pending is not None
    backlog.lost(pending, now)
    return pending


def put_off(backlog: Backlog, pending: PendingWrite, until: float) -> None:
    """The write that is being sent fails for the first time, and is due again then."""
    backlog.failed(pending, until - RETRY_S[0])
