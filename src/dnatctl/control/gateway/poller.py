"""The poller of one forward table: has it read when it is time to, and tells who is concerned by
what changed.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from dnatctl.amounts import amount
from dnatctl.backoff import doubled
from dnatctl.cloud.api import CloudApi, Stopped
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.control.gateway.first_reads import FirstReads
from dnatctl.control.gateway.listener import Listener
from dnatctl.control.gateway.mends import hindrance
from dnatctl.control.gateway.reader import HiddenRowsError, TableReader
from dnatctl.control.gateway.remains import Remains
from dnatctl.control.state.views import Views
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.loop import Loop
from dnatctl.model import EntryStatus
from dnatctl.table.read_pace import (
    BUSY_LEISURE,
    Facts,
    at_leisure,
    earned,
    leisure,
    next_read,
    page_look,
    read_cost,
    whole_look,
)
from dnatctl.table.reading import PAGE_SIZE, EndlessTableError
from dnatctl.table.settling import FluxWatch
from dnatctl.table.standstill import LASTS_S
from dnatctl.table.view import Change, Row
from dnatctl.table.write_pace import TablePace

log = structlog.get_logger(__name__)

UNREADABLE_S = 8.0
"""After so long of failing readings, new rows are better made on another gateway."""

ERROR_PAUSE_S = (1.0, 30.0)

LOOK_S, REST_S = 1.0, 10.0
"""How often is thought about when to read, at least: while the table changes, and at rest, when who
writes to it or doubts it wakes the poller."""

HELD_BACK_S = 15.0
"""A reading that has waited for so long is told in health: every account has a limit of calls."""

TURN_S = 0.05
"""How often a table that waits for its first reading looks whether it has its turn."""


class Writer(Protocol):
    """What the poller asks the writer of the same table."""

    def namespaces(self) -> Collection[str]:
        """For which namespaces there is more to write right now."""
        ...

    def pace(self) -> TablePace:
        """What is known of the times for which the table is busy."""
        ...

    def read(self, changes: list[Change]) -> None:
        """A reading has shown rows otherwise than was known."""
        ...

    def readable(self) -> None:
        """The table could not be read, and can be again."""
        ...

    def room_made(self, rows: int) -> None:
        """So many rows are gone."""
        ...


@dataclass(slots=True)
class _Times:
    last_read: float = float("-inf")
    last_pass: float = float("-inf")
    failures: int = 0
    unreadable_since: float = float("-inf")
    paused_until: float = float("-inf")
    """Not before is it read again after a failure, however many ask for it."""
    credit: float = 0.5
    writes: int = 0
    writes_at_pass: int = 0


class TablePoller:
    """Keeps the view of one table fresh."""

    def __init__(
        self,
        gateway_id: str,
        views: Views,
        cloud: CloudApi,
        *,
        writer: Writer,
        listener: Listener,
        remains: Remains,
        idle_s: float,
        longest_idle_s: float | None = None,
        first_reads: FirstReads | None = None,
        hearts: Heartbeats | None = None,
    ) -> None:
        self.gateway_id = gateway_id
        self.missing = False
        """Whether the last try to read the table was answered that there is no such table."""
        self._views = views
        self._cloud = cloud
        self._clock = views.clock
        self._writer = writer
        self._listener = listener
        self._remains = remains
        self._idle_s = idle_s
        self._longest_idle_s = longest_idle_s or BUSY_LEISURE * idle_s
        self._first_reads = first_reads or FirstReads()
        self._turn = self._first_reads.turn(gateway_id)
        self._table = views.table(gateway_id)
        self._times = _Times()
        self._watch = FluxWatch()
        self._asked = threading.Event()
        self._asked.set()
        hearts = hearts or Heartbeats(views.clock)
        self._loop = Loop(f"dnatctl-poller-{gateway_id}", self.step, hearts)
        self._reader = TableReader(
            gateway_id,
            views,
            cloud,
            tell=self.tell,
            between_pages=self._between_pages,
            calls=partial(self._loop.by, CALL_S),
        )

    def start(self) -> None:
        """Start reading."""
        self._loop.start()

    def stop(self) -> None:
        """Stop reading."""
        self._loop.stop()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; whether it did."""
        return self._loop.join(timeout)

    def read_soon(self) -> None:
        """The view is in doubt: read the whole table."""
        self._asked.set()
        self._loop.wake()

    def nudge(self) -> None:
        """Something was written, so that the cloud answers: think again about when to read."""
        self._times.paused_until = float("-inf")
        self._loop.wake()

    @property
    def failing(self) -> int:
        """How many readings in a row have failed."""
        return self._times.failures

    @property
    def last_pass(self) -> float:
        """When the table was last read whole (monotonic clock)."""
        return self._times.last_pass

    def step(self) -> float | None:
        """Read the table if it is time to; returns the seconds to the next step, None to end."""
        facts = self._facts()
        if (pause := self._times.paused_until - facts.now) > 0:
            return pause
        wait = next_read(facts) - facts.now
        if wait > 0:
            rests = not facts.unsettled and facts.doubts is None
            return min(wait, self._idle_s, REST_S if rests else LOOK_S)
        if self._table.read_once:
            return self._try(facts)
        if not self._first_reads.begin(self, facts.now):
            return TURN_S
        try:
            return self._try(facts)
        finally:
            now, read = self._clock.monotonic(), self._table.read_once
            self._first_reads.end(self, now, read=read)

    def _try(self, facts: Facts) -> float | None:
        """Read the table; returns the seconds to the next step, None to end."""
        asked = facts.doubt_due <= facts.now
        if asked:
            self._asked.clear()
        try:
            self._read(facts, asked=asked)
        except Stopped:
            return None
        except (CloudError, HiddenRowsError, EndlessTableError) as error:
            self.missing = getattr(error, "kind", None) is ErrorKind.GATEWAY
            self._unreadable(hindrance(error) if isinstance(error, CloudError) else str(error))
            return self._failed(str(error))
        except Exception as error:
            log.exception("poller failed", gateway=self.gateway_id)
            self._unreadable(f"the controller failed to read it: {error!r}; its log says more")
            return self._failed(str(error))
        if self._times.failures:
            self._writer.readable()
        self._times.failures = 0
        self.missing = False
        self._unreadable("")
        return 0.0

    def _facts(self) -> Facts:
        now, pace = self._clock.monotonic(), self._writer.pace()
        with self._views.lock:
            flux = self._table.in_flux()
            rows = len(self._table)
            doubts = self._table.doubts_due()
        removing = any(row.entry.status is EntryStatus.DELETING for row in flux)
        cost, whole = read_cost(rows, whole=not self._reader.glances), read_cost(rows, whole=True)
        worth = earned(pace.tries[-1], pace.refusals)
        self._earn(pace.writes, worth, whole if removing else cost)
        more = self._writer.namespaces()
        return Facts(
            now=now,
            rows=rows,
            unsettled=self._watch.unsettled(flux, pace.tries, now, self._namespace_of),
            cost=cost,
            whole=whole,
            more=more,
            strict=pace.strict,
            last_read=self._times.last_read,
            last_pass=self._times.last_pass,
            asked=self._asked.is_set(),
            leisure=self._leisure(writing=bool(flux) and bool(more)),
            credit=self._times.credit,
            saved=(pace.writes - self._times.writes_at_pass) * worth,
            doubts=doubts,
            turn=self._turn,
            settled=self._first_reads.settled(now),
        )

    def _namespace_of(self, row: Row) -> str:
        key = self._views.records.key_of(row.owner)
        return key.namespace if key else ""

    def _leisure(self, *, writing: bool) -> float:
        rows = len(self._table)
        return leisure(rows, self._idle_s, self._longest_idle_s, writing=writing)

    def _earn(self, writes: int, worth: float, cost: int) -> None:
        """What was written allows so much to be read; no more is kept than for the next two looks.

        `writes`: all so far; `worth`: pages that each allows to be read.
        """
        times = self._times
        more = (writes - times.writes) * worth
        times.credit = min(times.credit + more, 2.0 * cost)
        times.writes = writes

    def complaints(self) -> list[str]:
        """What is wrong with the table as it was read, or that it is not, for people."""
        if self.unreadable:
            return [f"its table cannot be read: {self.unreadable}"]
        now = self._clock.monotonic()
        with self._views.lock:
            wait = self._table.read_wait
            held_back = wait.held_back(now) if wait.waits_s(now) >= HELD_BACK_S else ""
            stuck = self._table.unsettled(self._times.last_pass - LASTS_S)
        if held_back:
            return [f"its table {held_back}"]
        if not stuck:
            return []
        first, count = stuck[0].entry, amount(len(stuck), "entry does", "entries do")
        return [f"{count} not settle in the cloud: {first.entry_id} is {first.status_text}"]

    @property
    def unreadable(self) -> str:
        """Why the table cannot be read, empty if it can."""
        return self._table.unreadable

    def _unreadable(self, why: str) -> None:
        """Note why the table cannot be read; those who wait for it are told when that changes, and
        once it lasts, so that they may have rows that can be seen elsewhere."""
        with self._views.lock:
            now, table = self._clock.monotonic(), self._table
            if not table.unreadable:
                self._times.unreadable_since = now
            changed = table.unreadable != why and not table.read_once
            table.unreadable = why
            lasts = bool(why) and now - self._times.unreadable_since >= UNREADABLE_S
            if lasts or not why:
                says = f"its table cannot be read: {why}" if why else ""
                changed |= self._views.pool.trust.unreadable(self.gateway_id, says)
        if changed:
            self._listener.gateway_changed(self.gateway_id)

    def _failed(self, error: str) -> float:
        """Have it read again; returns after how many seconds."""
        pause = doubled(ERROR_PAUSE_S, self._times.failures)
        self._times.failures += 1
        self._times.paused_until = self._clock.monotonic() + pause
        log.warning("reading a table failed", gateway=self.gateway_id, error=error, retry_s=pause)
        self._asked.set()
        return pause

    def _read(self, facts: Facts, *, asked: bool) -> None:
        started = self._clock.monotonic()
        coming = self._reader.coming()
        paged = len(self._table) > PAGE_SIZE
        due = started >= at_leisure(facts)
        whole = not paged or whole_look(facts) <= started
        if not (asked or due):
            cost = facts.whole if whole else facts.cost
            self._times.credit = max(self._times.credit - cost, 0.0)
        if whole or asked or due or not self._reader.glance(coming, started):
            self._pass(started, coming, asked=asked)
            whole = True
        self._was_read(started, whole=whole)

    def _was_read(self, started: float, *, whole: bool) -> None:
        self._times.last_read = max(self._times.last_read, started)
        with self._views.lock:
            left = self._table.in_flux()
        self._watch.was_read(started, left, self._writer.pace().tries, whole=whole)

    def _pass(self, started: float, coming: set[str], *, asked: bool) -> None:
        first = not self._table.read_once
        self._times.last_pass = self._reader.whole(started, coming, asked=asked)
        self._times.writes_at_pass = self._times.writes
        if first:  # what is free there is known now
            self._listener.gateway_changed(self.gateway_id)
        self._strike(self._views.missed(self.gateway_id))
        for key in self._views.reading_done(self.gateway_id):
            self._listener.changed(key)

    def _strike(self, missed: list[str]) -> None:
        """Adopted rows that went while nobody looked are to leave the ledger. One reading may miss
        what is there, and what was adopted must not be forgotten for that."""
        if self._table.generation > 1:
            self._remains.unlisted(self.gateway_id, self._views.disown(missed))
        elif missed:
            self._asked.set()

    def _between_pages(self) -> None:
        """Who waits for a new row does not wait for the end of a whole reading."""
        if not self._table.read_once:
            return
        facts = self._facts()
        if page_look(facts) <= facts.now:
            self._times.credit = max(self._times.credit - facts.cost, 0.0)
            self._reader.glance(self._reader.coming(), facts.now)
            self._was_read(facts.now, whole=False)

    def tell(self, changes: list[Change]) -> None:
        """Rows are not as they were known: who waits for that may go on."""
        self._writer.read(changes)
        gone = [c.before.entry.entry_id for c in changes if c.before and c.after is None]
        if gone:
            self._remains.unlisted(self.gateway_id, self._views.disown(gone))
            self._listener.room_made()
            self._writer.room_made(len(gone))
        for key in self._views.keys_for(changes):
            self._listener.changed(key)
