"""Sending one write to a table: what has to hold right before, its token, the call."""

from __future__ import annotations

from collections.abc import Callable

from dnatctl.cloud.api import CloudApi
from dnatctl.control.state.views import Views
from dnatctl.model import Endpoint
from dnatctl.table.marks import Marks
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, PendingWrite, Write


def begin(views: Views, pending: PendingWrite) -> frozenset[Endpoint] | None:
    """Begin to send; returns the endpoints that count as used only from here on.

    None if, since the write was taken, it or what it carries is not wanted any more; or if the row
    to delete is not that PodDNAT's any more: somebody has made it his own, or another PodDNAT has.
    """
    with views.lock:
        if isinstance(pending.write, DeleteRow):
            row = views.table(pending.write.gateway_id).row(pending.write.entry_id)
            return frozenset() if row is None or row.owner == pending.uid else None
        if not pending.wanted and pending.lost_at is None:
            return None
        return views.about_to_send(pending.uid, pending.write.entry.endpoints())


def token_of(marks: Marks, pending: PendingWrite, attempt: int) -> str:
    """The ClientToken of a write, of which so many tries have been answered."""
    write = pending.write
    if isinstance(write, DeleteRow):
        return marks.token("delete", write.entry_id, attempt)
    row = write.entry_id if isinstance(write, ModifyRow) else ""
    return marks.token(row, pending.uid, write.intent, write.entry, attempt)


def send(
    cloud: CloudApi, table_id: str, write: Write, token: str, fence: Callable[[], bool]
) -> str:
    """Make the call; returns the ID of the row. Raises CloudError, and Stopped."""
    match write:
        case CreateRow():
            return cloud.create_entry(table_id, write.entry, token, fence)
        case ModifyRow():
            cloud.modify_entry(table_id, write.entry_id, write.entry, token, fence)
            return write.entry_id
        case DeleteRow():
            cloud.delete_entry(table_id, write.entry_id, token, fence)
            return write.entry_id
