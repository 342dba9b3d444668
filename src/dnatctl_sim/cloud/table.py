"""A forward table: rows that settle with time, and the one write it lets through."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.mapping import Mapping, Taken

NEVER = float("inf")
Status = Literal["Pending", "Available", "Deleting"]


@dataclass(slots=True)
class Row:
    """A forward entry. Times are of the cloud's monotonic clock.

    `settles_at`: when a status in flux ends. `visible_at`: when lists begin to show the row.
    `origin`: `api`, or `third-party` for what was not made by a call.
    """

    entry_id: str
    mapping: Mapping
    name: str
    status: Status
    settles_at: float
    visible_at: float
    port_break: bool = False
    origin: str = "api"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows that a backend lists."""

    at: float
    rows: dict[str, Row]
    hidden_until: float = -NEVER

    def __len__(self) -> int:
        return len(self.rows)


class ForwardTable:
    """The rows of one gateway. Not thread-safe: the cloud's lock guards it."""

    def __init__(self, table_id: str, gateway_id: str, seed: int) -> None:
        self.table_id = table_id
        self.gateway_id = gateway_id
        self.rows: dict[str, Row] = {}
        self.external = Taken()
        self.internal = Taken()
        self.in_service: Call | None = None
        self.rng = random.Random(f"{seed}:{table_id}")
        self.peak_unsettled = 0
        self.hidden_until = -NEVER
        self.reads = 0
        self._unsettled: dict[str, Row] = {}
        self._history: deque[Snapshot] = deque()
        self._dropped: deque[tuple[float, Row]] = deque(maxlen=1000)

    def __len__(self) -> int:
        return len(self.rows)

    def remember(self, now: float, keep_s: float) -> None:
        """Keep what lists show now, for a backend that is up to `keep_s` behind."""
        rows = {i: replace(row) for i, row in self.rows.items() if row.visible_at <= now}
        if not self._history or self._history[-1].rows != rows:
            self._history.append(Snapshot(now, rows))
        while len(self._history) > 1 and self._history[1].at <= now - keep_s:
            self._history.popleft()

    def as_of(self, then: float) -> Snapshot:
        """What lists showed then, or at first."""
        known = [old for old in self._history if old.at <= then]
        return known[-1] if known else Snapshot(then, {})

    def with_dropped(self, now: float, lag: float) -> Snapshot:
        """What is there, and what was deleted less than `lag` seconds ago as if it still were."""
        late = [row for at, row in self._dropped if now - at < lag]
        old = {row.entry_id: replace(row, status="Available") for row in late}
        return Snapshot(now, old | self.rows, self.hidden_until)

    def new_id(self) -> str:
        """An ID for a row, never used before."""
        return f"fwd-bp1{self.rng.getrandbits(60):015x}"

    def settle(self, now: float) -> None:
        """Bring rows whose time has come to their final state."""
        if not self._unsettled:
            return
        for row in [row for row in self._unsettled.values() if row.settles_at <= now]:
            if row.status == "Deleting":
                self.drop(row, now)
            else:
                row.status = "Available"
                del self._unsettled[row.entry_id]

    def unsettled(self, *, deleting: bool = True) -> Iterator[Row]:
        """Rows in flux, those being deleted only if `deleting`."""
        return (row for row in self._unsettled.values() if deleting or row.status != "Deleting")

    def put(self, row: Row) -> None:
        """Add a row whose mapping was checked to be free."""
        self.rows[row.entry_id] = row
        self.hidden_until = max(self.hidden_until, row.visible_at)
        self._take(row)
        self.mark(row, row.status, row.settles_at)

    def mark(self, row: Row, status: Status, settles_at: float) -> None:
        """Give a row a status, for as long as `settles_at` says if it is one in flux."""
        row.status, row.settles_at = status, settles_at
        if status == "Available":
            self._unsettled.pop(row.entry_id, None)
        else:
            self._unsettled[row.entry_id] = row
            self.peak_unsettled = max(self.peak_unsettled, len(self._unsettled))

    def remap(self, row: Row, mapping: Mapping) -> None:
        """Give a row another mapping, checked to be free."""
        self._release(row)
        row.mapping = mapping
        self._take(row)

    def drop(self, row: Row, now: float = -NEVER) -> None:
        """Remove a row at once."""
        self._dropped.append((now, row))
        self._release(row)
        del self.rows[row.entry_id]
        self._unsettled.pop(row.entry_id, None)

    def _take(self, row: Row) -> None:
        m = row.mapping
        self.external.add(row.entry_id, m.external_ip, m.protocol, m.external_ports)
        self.internal.add(row.entry_id, m.internal_ip, m.protocol, m.internal_ports)

    def _release(self, row: Row) -> None:
        m = row.mapping
        self.external.remove(row.entry_id, m.external_ip, m.protocol, m.external_ports)
        self.internal.remove(row.entry_id, m.internal_ip, m.protocol, m.internal_ports)
