"""The writer of one forward table: the only thread that writes to it, one write at a time.

It takes the next write from the backlog (`dnatctl.table.backlog`), sends it, and tells the backlog
what its answer means. It paces itself by what the table answers (`dnatctl.table.write_pace`), asks
before each write whether this process is still the leader, and takes each answer into the view of
the table at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

import structlog

from dnatctl.amounts import amount
from dnatctl.cloud.api import CloudApi, Stopped
from dnatctl.cloud.errors import CloudError
from dnatctl.control.gateway.listener import Listener, NextDoor
from dnatctl.control.gateway.outcomes import Outcomes
from dnatctl.control.gateway.sending import begin, send, token_of
from dnatctl.control.state.views import Views
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.loop import Loop
from dnatctl.model import NewEntry
from dnatctl.table.backlog import Backlog
from dnatctl.table.view import Change
from dnatctl.table.write_pace import TablePace
from dnatctl.table.writes import (
    DeleteRow,
    PendingWrite,
    Refusal,
    Write,
    in_words,
)

log = structlog.get_logger(__name__)

IDLE_S = 60.0
"""Longest sleep with nothing to do."""

FENCED_S = 0.1
"""How soon is asked again whether this process may write: it leads no more, or is to stop."""


class TableWriter:
    """Owns every write to one table."""

    def __init__(
        self,
        gateway_id: str,
        views: Views,
        cloud: CloudApi,
        *,
        listener: Listener,
        next_door: NextDoor,
        fence: Callable[[], bool],
        hearts: Heartbeats | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self.gateway_id = gateway_id
        self.written_at = 0.0
        """When a write was last accepted: a Unix time, 0 for never."""
        self._sent = 0.0
        self._views = views
        self._clock = views.clock
        self._cloud = cloud
        self._next_door = next_door
        self._fence = fence
        self._table = views.table(gateway_id)
        self._backlog = Backlog() if backlog is None else backlog
        self._lock = threading.Lock()
        self._pace = TablePace(views.clock.monotonic())
        self._outcomes = Outcomes(
            gateway_id,
            views,
            cloud,
            self._backlog,
            lock=self._lock,
            pace=self._pace,
            listener=listener,
            next_door=next_door,
        )
        hearts = hearts or Heartbeats(views.clock)
        self._loop = Loop(f"dnatctl-writer-{gateway_id}", self.step, hearts)

    # --- for workers

    def want(
        self, uid: str, namespace: str, writes: tuple[Write, ...], *, orphan: bool = False
    ) -> None:
        """Replace what is wanted for that PodDNAT."""
        with self._lock:
            if self._backlog.want(uid, namespace, writes, orphan=orphan):
                self._loop.wake()

    def expedite(self, uid: str) -> None:
        """Deletes for that PodDNAT go first: its rows stand in another pod's way.

        When the table takes the next write is another matter: nobody is woken.
        """
        with self._lock:
            self._backlog.expedite(uid)

    def is_wanted(self, uid: str, write: Write, *, first: bool = False) -> bool:
        """Whether that is wanted for that PodDNAT already; `first`: and goes first."""
        with self._lock:
            return self._backlog.is_wanted(uid, write, first=first)

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        with self._lock:
            self._backlog.forget(uid)

    def orphans(self) -> dict[str, list[DeleteRow]]:
        """The deletes of orphans that are wanted, by the UID that their rows bear."""
        with self._lock:
            return self._backlog.waiting.orphans()

    def call_off(self, uid: str, writes: Collection[DeleteRow]) -> None:
        """These deletes of orphans are wanted no more; what is under way goes on."""
        with self._lock:
            self._backlog.call_off(uid, writes)

    def unanswered(self, uid: str) -> bool:
        """Whether a write for that PodDNAT is under way or its outcome unknown."""
        with self._lock:
            return self._backlog.unanswered(uid)

    def refusals(self, uid: str) -> dict[NewEntry, Refusal]:
        """What the cloud last refused for that PodDNAT."""
        with self._lock:
            return self._backlog.refusals(uid)

    def hindrances(self, uid: str) -> dict[str, str]:
        """What keeps rows of that PodDNAT from being deleted, by row ID."""
        why = self._outcomes.standstill
        with self._lock:
            waiting = self._backlog.waiting.deletes(uid) if why else ()
            return dict.fromkeys(waiting, why) | self._backlog.hindrances(uid)

    def trouble(self) -> str:
        """Why no write gets through, the same at each try; empty if they do, or none is wanted."""
        why = self._outcomes.trouble or self._outcomes.standstill
        with self._lock:
            return why if why and self._backlog.waiting.kinds() else ""

    def unready(self, uid: str) -> str:
        """Why entries of that PodDNAT are not made, where the table takes others; else empty."""
        with self._lock:
            return self._backlog.waiting.unready(uid)

    def complaints(self) -> list[str]:
        """Which writes get nowhere, and why; none where all do.

        Only of such as are wanted: nobody else would ever find out that the cloud takes them again.
        """
        denied = self._outcomes.denied.copy()
        with self._lock:
            vain = self._backlog.waiting.in_vain()
            kinds = self._backlog.waiting.kinds()
            unready = self._backlog.waiting.unready_ips()
        told = (
            f"the cloud accepts {amount(len(vain), 'write')} and does nothing: {vain[0]}"
            if vain
            else ""
        )
        barred = (why for kind, why in denied.items() if kind in kinds)
        shut = (f"no entry is made on {ip}, while others are: {why}" for ip, why in unready.items())
        return list(filter(None, (self._all_held_up(), *barred, *shut, told)))

    def _all_held_up(self) -> str:
        trouble = self.trouble()
        if not trouble or self._outcomes.trouble:
            return trouble
        return f"it has taken no write for {self._outcomes.stood_still:.0f} s: {trouble}"

    def backlog(self) -> int:
        """How many writes wait."""
        with self._lock:
            return len(self._backlog)

    # --- for the poller

    def busy(self) -> bool:
        """Whether there is more to write right now."""
        with self._lock:
            return self._backlog.sending is not None or self._backlog.due(self._clock.monotonic())

    def namespaces(self) -> set[str]:
        """For which namespaces there is more to write right now."""
        with self._lock:
            return self._backlog.namespaces_due(self._clock.monotonic())

    def read(self, changes: list[Change]) -> None:
        """A reading has shown rows otherwise than was known."""
        with self._lock:
            self._backlog.read(changes)

    def readable(self) -> None:
        """The table could not be read, and can be again."""
        self._outcomes.readable()
        self._loop.wake()

    def room_made(self, rows: int) -> None:
        """So many rows are gone from the table: what was refused for quota may be tried again."""
        with self._lock:
            if self._backlog.room_made(rows, self._clock.monotonic()):
                self._loop.wake()

    def pace(self) -> TablePace:
        """What is known of the times for which the table is busy."""
        return self._pace

    # --- the thread

    def start(self) -> None:
        """Start writing."""
        self._loop.start()

    def stop(self) -> None:
        """Send nothing more; a call on its way is waited for by `join`."""
        with self._lock:
            self._loop.stop()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; whether it did."""
        return self._loop.join(timeout)

    def step(self) -> float:
        """Send the next write if one is due; returns the seconds to the next step."""
        with self._lock:
            now = self._clock.monotonic()
            wait = self._wait(now)
            if wait > 0 or self._loop.stopping:
                return min(wait, IDLE_S)
            if not self._fence():
                return FENCED_S
            pending = self._backlog.take(now)
        if pending is not None:
            self._loop.by(CALL_S, pending.write)
            return self._carry_out(pending)
        return 0.0

    def _carry_out(self, pending: PendingWrite) -> float:
        """Send it; returns the seconds to the next step."""
        whose = self._views.records.whose(pending.uid)
        with structlog.contextvars.bound_contextvars(gateway=self.gateway_id, **whose):
            try:
                self._write(pending)
            except Stopped:
                self._outcomes.unsent(pending)
                return FENCED_S
            except Exception:
                log.exception("writer failed", write=in_words(pending.write))
                self._outcomes.lost(pending)  # how far it got is not known
        return 0.0

    def _wait(self, now: float) -> float:
        due = self._backlog.next_due()
        if due is None:
            return IDLE_S
        return max(due, self._pace.next, self._outcomes.quiet_until) - now

    def _write(self, pending: PendingWrite) -> None:
        if pending.lost_at is not None and self._outcomes.resolve(pending):
            return
        begun = begin(self._views, pending)
        if begun is None:
            self._outcomes.withdrawn(pending)
            return
        self._sent = self._clock.monotonic()
        try:
            entry_id = self._send(pending)
        except CloudError as error:
            self._next_door.written(pending.write, error.kind)
            if not error.kind.leaves_doubt and pending.lost_at is None:
                self._views.never_sent(begun)
            self._outcomes.failed(pending, error, self._sent)
            return
        self.written_at = self._clock.now().timestamp()
        self._outcomes.accepted(pending, entry_id, self._sent)
        # Now that the view has the row: whoever reads the table looks there when to read.
        self._next_door.written(pending.write, "ok")

    def _send(self, pending: PendingWrite) -> str:
        with self._lock:
            attempt = self._backlog.attempt(pending)
        token = token_of(self._views.marks, pending, attempt)
        return send(self._cloud, self._table.table_id, pending.write, token, self._let_go)

    def _let_go(self) -> bool:
        """Whether the write may be sent, which then happens at once: what waited its turn under a
        rate limit was not sent when it was handed over, and the table's pace is to be told so."""
        self._sent = self._clock.monotonic()
        return self._fence()
