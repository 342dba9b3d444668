"""Answers about rows: what one says of a row of ours has to make sense, or it is no answer.

Of a row of somebody else's that is odd, it is enough to know that it covers more
(`dnatctl.cloud.wire`). One of ours would seem to lead astray, and be changed or deleted.
"""

from __future__ import annotations

from dnatctl.cloud.api import CloudApi
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.state.views import Views
from dnatctl.model import ForwardEntry
from dnatctl.table.view import Table


def read_page(
    cloud: CloudApi, views: Views, table: Table, number: int
) -> tuple[int, tuple[ForwardEntry, ...]]:
    """How many rows the table has, and those of a page. Raises CloudError, also for a row of ours
    that makes no sense."""
    page = cloud.read_page(table.table_id, number)
    for entry in page.entries:
        _require_sense(entry, views, table)
    return page.total, page.entries


def read_entry(cloud: CloudApi, views: Views, table: Table, entry_id: str) -> ForwardEntry | None:
    """A row by its ID, None if there is none. Raises CloudError as `read_page` does."""
    entry = cloud.read_entry(table.table_id, entry_id)
    if entry is not None:
        _require_sense(entry, views, table)
    return entry


def _require_sense(entry: ForwardEntry, views: Views, table: Table) -> None:
    if not entry.senseless:
        return
    with views.lock:
        known = table.row(entry.entry_id)
        ours = (known is not None and known.owner) or views.owner_of(entry)
    if ours:
        why = f"unreadable answer: row {entry.entry_id} makes no sense: {entry.senseless}"
        raise CloudError(Operation.READ_TABLE, ErrorKind.UNKNOWN, message=why)
