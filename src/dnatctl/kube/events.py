"""Events for people, recorded without ever holding up who records them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Generic, TypeVar, overload

import structlog
from msgspec import Struct

from dnatctl.backoff import doubled
from dnatctl.budget import UNUSED, Budget
from dnatctl.clock import Clock
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube import paths
from dnatctl.kube.cancel import Canceller
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.event_json import EventSource, Fact, Ref, event_json, event_name, series_json
from dnatctl.kube.outbox import Outbox
from dnatctl.loop import Loop
from dnatctl.objects import Key

_log = structlog.get_logger()

V = TypeVar("V")

_ROOM = 1000
"""Events that wait to be written."""
_REMEMBERED = 4096
"""Series, and objects with a budget, that are kept in mind."""
_BUDGET = Budget(at_once=25, a_second=1 / 300)
"""Events of an object."""
_REFRESH = 300.0
"""Seconds between writes of the count of a series that goes on."""
_IDLE = 360.0
"""Seconds without a repeat after which a series is over; the next is a new event."""
_SWEEP = 10.0
_TRIES = 5
_PAUSE_S = (0.5, 4.0)
_TIMEOUT = 5.0
_LONGEST = 60.0
"""Longest write of an event, however slowly the answer comes."""

_PASSING = frozenset(
    {
        Failure.UNREACHABLE,
        Failure.UNKNOWN,
        Failure.SERVER,
        Failure.TOO_MANY_REQUESTS,
        Failure.UNSERVED,
    }
)


class EventRecorder:
    """A bounded outbox and one daemon thread that writes events.

    Repeats of the same (object, type, reason, action, note) become one event with a series: its
    second occurrence is written at once, later ones are counted and written every 5 minutes. Each
    object has a budget; what is above it, or finds no room, is dropped and counted.

    A namespace whose events are slow to be written, or are not, holds up no other.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        controller: str,
        instance: str,
        clock: Clock,
        dnat_version: str = "v1",
        hearts: Heartbeats | None = None,
    ) -> None:
        self.dropped = 0
        """Events not written: no room, budget spent, or refused by the server."""
        self._client = client
        self._clock = clock
        self._reporter = EventSource(
            controller,
            instance,
            {
                "Pod": "v1",
                "PodDNAT": f"alibabacloud.com/{dnat_version}",
                "Lease": "coordination.k8s.io/v1",
            },
        )
        self._lock = threading.Lock()
        self._series: _Recent[Fact, _Series] = _Recent(_REMEMBERED)
        self._paid_off: _Recent[str, float] = _Recent(_REMEMBERED)
        self._number = 0
        self._outbox: Outbox[_Series] = Outbox(_ROOM)
        self._done = threading.Condition()
        """Guards the outbox; notified when something has been done with."""
        self.pending = 0
        """Events that have not been written yet."""
        self._swept = clock.monotonic()
        self._cancel = Canceller()
        hearts = hearts or Heartbeats(clock)
        self._loop = Loop("dnatctl-events", self._step, hearts, longest_s=_LONGEST)

    def start(self) -> None:
        """Start the thread."""
        self._loop.start()

    def record(
        self,
        regarding_kind: str,
        key: Key,
        uid: str,
        type: str,  # noqa: A002 - the field's name in the API
        reason: str,
        action: str,
        note: str,
        related: Ref | None = None,
    ) -> None:
        """Take down an event; returns at once.

        `regarding_kind` is `Pod`, `PodDNAT` or `Lease` (for the controller); `type` `Normal` or
        `Warning`; `reason` and `action` UpperCamel words; `note` a sentence, cut to 1024 bytes;
        `related` (kind, key, UID).
        """
        fact = Fact((regarding_kind, key, uid), type, reason, action, note, related)
        now = self._clock.now()
        with self._lock:
            series = self._series.get(fact)
            if series is not None and (now - series.last).total_seconds() < _IDLE:
                series.count += 1
                series.last = now
                if series.count == 2:
                    self._enqueue(series)
                return
            if self._may_have_one(uid):
                self._number += 1
                name = event_name(fact, int(now.timestamp() * 1e9) + self._number)
                series = _Series(fact, name, first=now, last=now)
                if self._enqueue(series):
                    self._series.put(fact, series)
            else:
                self.dropped += 1

    def _may_have_one(self, uid: str) -> bool:
        """Whether an event of this object is within its budget; it counts. The lock is held."""
        now = self._clock.monotonic()
        paid_off = self._paid_off.get(uid, UNUSED)
        if _BUDGET.due(paid_off, now) > now:
            return False
        self._paid_off.put(uid, _BUDGET.used(paid_off, now))
        return True

    def flush(self, timeout: float) -> bool:
        """Wait until all that was recorded is written or dropped; whether that was in time."""
        with self._done:
            return self._done.wait_for(lambda: not self.pending, timeout)

    def stop(self, timeout: float = 2.0) -> None:
        """Write what there is, counts of series as well, for so long at most; end the thread."""
        if self._loop.running:
            self._refresh(idle_after=0.0)
            self.flush(timeout)
        self._loop.stop()
        self._cancel.cancel()
        self._loop.join(1.0)

    def _enqueue(self, series: _Series) -> bool:
        """Have it written; whether there is room. The lock is held."""
        with self._done:
            given = self._outbox.put(series.fact.namespace, series)
            if given is not None:
                self.dropped += 1
                self._series.forget(given.fact)
            else:
                self.pending += 1
        self._loop.wake()
        return given is not series

    def _step(self) -> float:
        """Write one event; returns the seconds until the next is due."""
        with self._done:
            series = self._outbox.take(self._clock.monotonic())
        if series is not None:
            self._handle(series)
        if self._clock.monotonic() - self._swept >= _SWEEP:
            self._swept = self._clock.monotonic()
            self._refresh(idle_after=_REFRESH)
        with self._done:
            due = self._outbox.next_due()
        return _SWEEP if due is None else min(max(due - self._clock.monotonic(), 0.0), _SWEEP)

    def _handle(self, series: _Series) -> None:
        began, rest = self._clock.monotonic(), None
        try:
            rest = self._write(series)
        except Exception:  # noqa: BLE001 - no event is worth the thread
            _log.exception("event not written")
            self.dropped += 1
        ended, namespace = self._clock.monotonic(), series.fact.namespace
        with self._lock, self._done:
            self._outbox.sent(namespace, ended - began)
            self.pending -= 1
            if rest is not None:
                self._outbox.rest(namespace, ended + rest)
                self._enqueue(series)
            self._done.notify_all()

    def _refresh(self, *, idle_after: float) -> None:
        """Have counts written that were last written so many seconds ago; forget what is over."""
        now = self._clock.now()
        with self._lock:
            for series in self._series.values():
                age = (now - series.written_at).total_seconds() if series.written_at else 0.0
                if series.written and series.count > series.written and age >= idle_after:
                    self._enqueue(series)
                elif (now - series.last).total_seconds() >= _IDLE:
                    self._series.forget(series.fact)

    def _write(self, series: _Series) -> float | None:
        """Returns the seconds for which its namespace is to rest before another try; None if there
        is nothing left to do."""
        with self._lock:
            count, last = series.count, series.last
        if count == series.written:
            return None
        self._loop.by(_LONGEST, "writes an event")
        try:
            self._send(series, count, last)
        except KubeError as error:
            return self._try_again(series, error)
        series.written, series.tries = count, 0
        series.written_at = self._clock.now()
        return None

    def _try_again(self, series: _Series, error: KubeError) -> float | None:
        series.tries += 1
        if _namespace_ends(error):
            with self._lock:
                self._series.forget(series.fact)
            return None
        gone = error.failure is Failure.NOT_FOUND and series.written
        known = gone or error.failure is Failure.ALREADY_EXISTS
        passing = known or error.failure in _PASSING
        if not passing or series.tries >= _TRIES or self._loop.stopping:
            self._drop(series, str(error))
            return None
        if known:
            # Gone: they are kept for an hour, write it anew. There: an answer was lost.
            series.written = 0 if gone else 1
            return 0.0
        return max(doubled(_PAUSE_S, series.tries - 1), error.retry_after or 0.0)

    def _send(self, series: _Series, count: int, last: datetime) -> None:
        fact = series.fact
        repeats = series_json(count, last) if count > 1 else None
        if series.written:
            self._client.request(
                "PATCH",
                _path(fact.namespace, series.name),
                body={"series": repeats},
                content_type=MERGE_PATCH,
                timeout=_TIMEOUT,
                cancel=self._cancel,
            )
            return
        body = event_json(fact, self._reporter, series.name, series.first, repeats)
        self._client.request(
            "POST", _path(fact.namespace), body=body, timeout=_TIMEOUT, cancel=self._cancel
        )

    def _drop(self, series: _Series, why: str) -> None:
        self.dropped += 1
        with self._lock:
            self._series.forget(series.fact)
        _log.warning(
            "event dropped", key=str(series.fact.regarding[1]), reason=series.fact.reason, error=why
        )


def _path(namespace: str, *names: str) -> str:
    return paths.in_namespace("events.k8s.io/v1", namespace, "events", *names)


def _namespace_ends(error: KubeError) -> bool:
    """Whether nothing may be created any more, as the namespace is being deleted.

    That is nothing to warn of: its pods are released, and nobody will read about it.
    """
    causes = error.details.get("causes")
    return isinstance(causes, list) and any(
        isinstance(cause, dict) and cause.get("reason") == "NamespaceTerminating"
        for cause in causes
    )


class _Series(Struct):
    """An event and its repeats; `written` is the count that the server has, 0 before the first.
    `tries`: those in vain since it was written last.
    """

    fact: Fact
    name: str
    first: datetime
    last: datetime
    count: int = 1
    written: int = 0
    written_at: datetime | None = None
    tries: int = 0


K = TypeVar("K")


class _Recent(Generic[K, V]):
    """Values by key, of which only the most recently used are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[K, V] = OrderedDict()

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V) -> V: ...
    def get(self, key: K, default: V | None = None) -> V | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key, default)

    def put(self, key: K, value: V) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)

    def forget(self, key: K) -> None:
        self._held.pop(key, None)

    def values(self) -> list[V]:
        return list(self._held.values())
