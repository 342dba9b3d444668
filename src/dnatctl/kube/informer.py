"""The informer: a cache of one resource that keeps itself equal to what the API server holds.

List, then watch, for ever:

| state | next step |
|---|---|
| nothing held yet, a version expired, a newer list asked for | list |
| watches fail again and again, and lists may not | list now and then |
| the server was away | look how far it is: list if it went back in time, else watch |
| else | watch from the last version heard of |

Written anew because the official client's informer (37.0.2) lists and watches without timeouts,
spins without a pause when a watch fails, never lists again when the server has gone back in time,
and fails as a whole on one object that it cannot parse.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import msgspec
import structlog

from dnatctl.backoff import Backoff
from dnatctl.clock import Clock
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.cache import Cache, Stored, number
from dnatctl.kube.cancel import Canceller
from dnatctl.kube.client import KubeClient, Query
from dnatctl.kube.errors import NO_SUCH, Failure, KubeError, error_in_event
from dnatctl.kube.source import Event, Page, Source, next_page
from dnatctl.loop import Loop
from dnatctl.objects import Key

T = TypeVar("T", bound=Stored)

_log = structlog.get_logger()

_WHOLE_LASTS = 5
"""How many times as long as a page a list that comes in one piece may take."""
_LARGEST_LIST = 1 << 30
"""Bytes of such a list."""
_LARGEST_INFORMER_PAGE = 16 << 20
"""Bytes of a page: it is in memory twice while it is read, and several resources may be listed at
once. One object takes a fifth of that at most."""
_SHRINK = 4
"""By how much pages get smaller, for good, after one of more than that."""

_MOST_NONSENSE = 100
"""Lines of one watch that may be nonsense: each costs time, so one of nothing else is given up."""

_BLIND = 3
"""So many watches in a row that fail without a line leave what is held to grow old."""
_REPLAYS_S = 10.0
"""A watch that has lasted so long has told what there was to tell since the one before."""
_LISTS_BLIND_S = 30.0
"""So often it is listed then, at most."""

_RELIST = NO_SUCH | {Failure.EXPIRED, Failure.AHEAD, Failure.TOO_LARGE}
_AWAY = frozenset({Failure.UNREACHABLE, Failure.UNKNOWN, Failure.SERVER})
"""After these the server may be another than before."""


@dataclass(frozen=True, slots=True)
class InformerSettings:
    """How an informer behaves; times in seconds."""

    page_size: int = 500
    list_timeout: float = 60.0
    """For one page: a quorum list of a big cluster takes its time."""
    look_timeout: float = 10.0
    """For a look how far the server is: one object is asked for."""
    watch_seconds: tuple[int, int] = (300, 600)
    """Bounds of the random length of a watch that the server is asked for."""
    silence: float = 120.0
    """A watch without a line for longer is dead: bookmarks come about every minute."""
    backoff: tuple[float, float] = (0.8, 30.0)
    healthy: float = 120.0
    """Failures further apart than this do not add up."""


@dataclass(slots=True)
class InformerStats:
    """What an informer has done so far; written by its own thread only; shown by metrics."""

    lists: Counter[str] = field(default_factory=Counter)
    """By outcome: `ok` or a Failure."""
    watches: Counter[str] = field(default_factory=Counter)
    """Ended watches by outcome: `closed` (by the server, as agreed) or a Failure."""
    events: Counter[str] = field(default_factory=Counter)
    """By type: ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, or `unknown`."""
    unreadable: int = 0
    """Objects and lines that could not be understood."""
    last_contact: float = 0.0
    """Clock.monotonic() of the last good watch line, bookmarks included, or page of a list that is
    not one in place of watches."""


class Informer(Cache[T]):
    """A cache and the one thread that feeds it.

    Lists are what the API server's majority holds, in pages: a list from a server's cache may lag,
    and comes in one piece, whatever page size is asked for (50,000 pods take 200 MB at once).

    What the thread never does: call the server in a tight loop, wait for ever on a dead connection,
    let one object it cannot read stop the others, take an unread object for a deleted one, or give
    up. `synced` is set once a whole list has been held.
    """

    def __init__(
        self,
        client: KubeClient,
        source: Source[T],
        *,
        clock: Clock,
        random: Random | None = None,
        settings: InformerSettings | None = None,
        hearts: Heartbeats | None = None,
        unserved: Callable[[], None] = lambda: None,
    ) -> None:
        """`unserved` is called, on the thread, where nothing is found at the source's path: it may
        lead elsewhere afterwards.
        """
        super().__init__()
        self.synced = threading.Event()
        self.trouble = ""
        """Why the last list failed; empty if it did not."""
        self.stats = InformerStats(last_contact=clock.monotonic())
        self.resource = source.resource
        self._client = client
        self._source = source
        self._unserved = unserved
        self._clock = clock
        self._random = random or Random()
        self._settings = settings = settings or InformerSettings()
        self._backoff = Backoff(self._random.random, settings.backoff, settings.healthy)
        self._cancel = Canceller()
        hearts, name = hearts or Heartbeats(clock), f"dnatctl-{self.resource}"
        self._loop = Loop(name, self._guarded_step, hearts, longest_s=settings.silence)
        self._version: str | None = None
        """Where the watch goes on; None where a list is due."""
        self._reached = 0
        """The highest version that the server has been seen at, since it last went back; that of
        `_version`, where there is one."""
        self._page_size = settings.page_size
        self._whole = False
        """Whether the next list has to come in one page: a continue token expired."""
        self._suspect = False
        """Whether the server was away, and may have come back with an older state."""
        self._refreshes: list[threading.Event] = []
        """Those who wait for a list that begins after they asked."""
        self._watching = False
        self._nonsense = 0
        self._failed = 0
        """How many watches in a row have failed without a line, and why the last one did."""
        self._why_failed = ""
        self._listed = clock.monotonic()

    def notes(self) -> list[str]:
        """Lines for `/readyz?verbose`."""
        if self._failed < _BLIND:
            return []
        why = f"they are listed now and then, as every watch fails: {self._why_failed}"
        return [f"[!]{self.resource}: {why}"]

    def start(self) -> None:
        """Start the thread, a daemon."""
        self._loop.start()

    def stop(self) -> None:
        """Break off what is in flight and end the thread soon; does not wait (see `join`)."""
        self._loop.stop()
        self._cancel.cancel()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread to end; whether it has. True if it was never started."""
        return self._loop.join(timeout)

    def relist(self) -> Callable[[], bool]:
        """Have everything listed anew; returns the question whether that is done.

        It has to be asked again and again until it is: each time the watch is urged to give way.
        A list takes as long as it takes; who gives up and asks for another one may never get any.
        """
        done = threading.Event()
        self._refreshes.append(done)
        self._loop.wake()  # it may rest for a minute, after failures

        def is_done() -> bool:
            if not done.is_set() and self._watching:
                self._cancel.interrupt()
            return done.is_set()

        return is_done

    def step(self) -> float:
        """One pass: a list if one is due, a look at a suspect server, or one watch to its end.

        Returns the seconds to wait before the next.
        """
        if self._version is None or self._refreshes:
            return self._list()
        if self._suspect:
            return self._look()
        return self._watch(self._version)

    def _guarded_step(self) -> float:
        try:
            return self.step()
        except Exception:  # noqa: BLE001 - the thread must outlive what nobody foresaw
            _log.exception("informer step failed", resource=self.resource)
            return self._after(self._settings.backoff[0])

    def _after(self, least: float = 0.0) -> float:
        """Seconds to the next step, when this one has failed."""
        return max(self._backoff.next(self._clock.monotonic()), least)

    # --- list

    def _list(self) -> float:
        outcome = "ok"
        try:
            self._fill()
            self.trouble = ""
        except KubeError as error:
            outcome = error.failure
            return self._list_failed(error)
        except msgspec.DecodeError as error:
            outcome = Failure.UNKNOWN
            _log.warning("list not understood", resource=self.resource, error=str(error))
            return self._after()
        finally:
            self.stats.lists[outcome] += 1
        return 0.0

    def _list_failed(self, error: KubeError) -> float:
        delay = self._after()
        if error.failure is Failure.CANCELLED:
            return delay
        self.trouble = str(error)
        _log.warning("list failed", resource=self.resource, error=str(error))
        if error.failure in NO_SUCH:
            self._unserved()
        if error.failure is Failure.EXPIRED:
            self._whole = True
        if error.failure is Failure.TOO_LARGE:
            self._ask_for_less()
        return max(delay, error.retry_after or 0.0)

    def _ask_for_less(self) -> None:
        if self._whole:
            self._whole = False
        else:
            self._page_size = max(1, self._page_size // _SHRINK)

    def _fill(self) -> None:
        query: dict[str, str | int] = {}
        asked = list(self._refreshes)
        if not self._whole:
            query["limit"] = self._page_size
        items: list[T] = []
        unreadable: list[Key] = []
        while True:
            page, size = self._page(query)
            items += page.items
            unreadable += page.unreadable
            if not page.next:
                break
            query = next_page(query, size, self._page_size, page.next)
        self._filled(items, unreadable, page.version)
        for done in asked:
            self._refreshes.remove(done)
            done.set()

    def _page(self, query: Query) -> tuple[Page[T], int]:
        """A page, and its bytes, of which nothing is kept: two at once would double the peak."""
        self._loop.by(_WHOLE_LASTS * self._settings.list_timeout, "lists")
        body = self._client.request(
            "GET",
            self._source.path,
            query=query,
            accept=self._source.accept[0],
            timeout=self._settings.list_timeout * (_WHOLE_LASTS if self._whole else 1),
            most=_LARGEST_LIST if self._whole else _LARGEST_INFORMER_PAGE,
            cancel=self._cancel,
        )
        page = self._source.page(body, self.holds)
        if self._failed < _BLIND:
            self.stats.last_contact = self._clock.monotonic()
        return page, len(body)

    def _filled(self, items: list[T], unreadable: list[Key], version: str) -> None:
        went_back = number(version) < self._reached
        if unreadable or went_back:
            self.stats.unreadable += len(unreadable)
            _log.warning(
                "list has oddities",
                resource=self.resource,
                unreadable=[str(key) for key in unreadable[:10]],
                went_back_from=self._reached if went_back else None,
                version=version,
            )
        self.replace(items, version, keep=frozenset(unreadable), reset=went_back)
        self._reached = number(version)
        self._version = version
        self._listed = self._clock.monotonic()
        self._whole = self._suspect = False
        self.synced.set()

    # --- watch

    def _look(self) -> float:
        # A watch from a version that the server has not reached again, after etcd was restored
        # from a backup, is not refused: it stays silent until then, and misses what happened.
        try:
            body = self._client.request(
                "GET",
                self._source.path,
                query={"limit": 1},
                accept=self._source.accept[0],
                timeout=self._settings.look_timeout,
                cancel=self._cancel,
            )
            version = self._source.page(body, self.holds).version
        except KubeError as error:
            if error.failure in NO_SUCH:
                self._version = None  # the list tells
            return self._after(error.retry_after or 0.0)
        except msgspec.DecodeError:
            return self._after()
        self._suspect = False
        if number(version) < self._reached:
            self._version = None
        return 0.0

    def _watch(self, version: str) -> float:
        outcome = "closed"
        query: dict[str, str | int] = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": self._random.randint(*self._settings.watch_seconds),
        }
        self._watching = True
        self._nonsense = 0
        begun = self._clock.monotonic()
        try:
            with self._client.stream(
                self._source.path,
                query=query,
                accept=self._source.accept[1],
                read_timeout=self._settings.silence,
                cancel=self._cancel,
            ) as lines:
                for line in lines:
                    self._line(line)
        except KubeError as error:
            outcome = error.failure
            return self._watch_failed(error, self._clock.monotonic() - begun)
        finally:
            self._watching = False
            self.stats.watches[outcome] += 1
        return self._after()

    def _watch_failed(self, error: KubeError, lasted: float) -> float:
        if self._refreshes:
            return 0.0
        if lasted <= _REPLAYS_S:  # one that was silent for longer had nothing to tell
            self._failed, self._why_failed = self._failed + 1, str(error)
        if error.failure in _RELIST or self._is_blind(error):
            self._version = None
        self._suspect = error.failure in _AWAY
        if error.failure is not Failure.CANCELLED:
            _log.info(
                "watch ended",
                resource=self.resource,
                error=str(error),
                goes_on="list" if self._version is None else self._version,
            )
        return self._after(error.retry_after or 0.0)

    def _is_blind(self, error: KubeError) -> bool:
        """Whether it is time to list, as watches fail again and again. Too many requests are no
        reason: a list is one more."""
        rested = self._clock.monotonic() - self._listed >= _LISTS_BLIND_S
        busy = error.failure is Failure.TOO_MANY_REQUESTS
        return self._failed >= _BLIND and rested and not busy

    def _line(self, line: bytes) -> None:
        self._loop.by(self._settings.silence, "watches")
        try:
            event = self._source.event(line, self.holds)
        except msgspec.DecodeError as error:
            self._not_understood(error)
            return
        if event.type == "ERROR":
            self.stats.events["ERROR"] += 1
            raise error_in_event(line)
        self._advance(event.version)
        self.stats.last_contact = self._clock.monotonic()
        self._failed = 0
        self._heed(event)

    def _not_understood(self, error: msgspec.DecodeError) -> None:
        """Bear with a line; with so many of one watch it is none. Raises KubeError then."""
        self.stats.unreadable += 1
        self._nonsense += 1
        _log.warning("watch line not understood", resource=self.resource, error=str(error))
        if self._nonsense == _MOST_NONSENSE:
            raise KubeError(Failure.UNKNOWN, f"{_MOST_NONSENSE} lines were not understood")

    def _advance(self, version: str) -> None:
        reached = number(version)
        if reached < self._reached:
            # Versions only rise within a watch: this server tells of another history than the
            # one our list is from.
            raise KubeError(Failure.EXPIRED, f"the watch went back to version {version}")
        self._reached = reached
        self._version = version or self._version

    def _heed(self, event: Event[T]) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                if event.object is not None:
                    self.apply(event.object)
                elif event.unreadable:
                    self.stats.unreadable += 1
                    _log.warning(
                        "object not understood", resource=self.resource, key=str(event.key)
                    )
                else:
                    self.drop_other(event.key, event.uid, event.version)
            case "DELETED":
                self.remove(event.key, event.uid, event.version)
            case "BOOKMARK":
                pass
            case _:
                self.stats.events["unknown"] += 1
                _log.warning("unknown watch event", resource=self.resource, type=event.type)
                return
        self.stats.events[event.type] += 1
