"""The work queue between those who see changes and the workers who act on them.

Time comes from the injected clock, for every decision. Waiting is done on a condition variable in
real time: a test that moves a clock of its own asks with `get(timeout=0)`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from math import inf
from random import Random
from typing import Generic, Protocol, TypeVar

from dnatctl.backoff import doubled
from dnatctl.clock import Clock
from dnatctl.control.state.delays import Delays, Priority
from dnatctl.control.state.due import Due
from dnatctl.control.state.shares import Shares
from dnatctl.control.state.slowness import Slowness

K = TypeVar("K")

_LOW_SHARE = 16
"""Every so many keys taken, one of low priority goes first, so that it cannot starve."""


class QueueMetrics(Protocol):
    """Told of what happens in a queue. Runs under the queue's lock: must be quick."""

    def added(self) -> None:
        """A key became due."""
        ...

    def taken(self, waited: float) -> None:
        """A worker took a key that had been due for so many seconds."""
        ...

    def finished(self, worked: float) -> None:
        """A worker was done after so many seconds."""
        ...

    def retried(self) -> None:
        """A key was added with back-off."""
        ...


class NoMetrics:
    """Metrics that nobody wants."""

    def added(self) -> None:
        """See `QueueMetrics.added`."""

    def taken(self, waited: float) -> None:
        """See `QueueMetrics.taken`."""

    def finished(self, worked: float) -> None:
        """See `QueueMetrics.finished`."""

    def retried(self) -> None:
        """See `QueueMetrics.retried`."""


class WorkQueue(Generic[K]):
    """Keys that want work. Thread-safe.

    A key is due at most once, however often it is added, and never given to two workers at a
    time; one added while a worker has it is due again when that worker is done. A key may wait
    for a time (`add_after`) and for the end of its back-off besides; being due at once, by `add`,
    ends the back-off, but not the wait for a time: what was to be looked at then still is.

    Keys may share a lane, which `lane` tells (each has one of its own unless told): of the keys of
    a lane only one is with a worker at a time, the others wait until that worker is done. What
    always holds: each key is in at most one of due and waiting for its lane, and no two keys that
    workers have are of one lane.

    Keys are given out oldest first, and where `share` tells them apart, to each share as much of
    the workers' time: however many keys of the others are due, and however long each takes, one
    that needs less than that waits for one worker (see `Shares`).
    Of several `workers` one is kept free of shares whose keys take long (see `Slowness`).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        lane: Callable[[K], Hashable] = lambda key: key,
        share: Callable[[K], Hashable] = lambda _: None,
        workers: float = inf,
        metrics: QueueMetrics | None = None,
        random: Random | None = None,
        backoff: tuple[float, float] = (0.005, 60.0),
    ) -> None:
        self._clock = clock
        self._lane = lane
        self._share = share
        self._shares = Shares()
        self._slowness = Slowness(workers)
        self._metrics = metrics or NoMetrics()
        self._random = random or Random()
        self._backoff = backoff
        self._wake = threading.Condition(threading.Lock())
        self._due: tuple[Due[K], ...] = tuple(Due(share, self._shares) for _ in Priority)
        """Keys to be taken."""
        self._blocked: dict[Hashable, dict[K, Priority]] = {}
        """Keys that are to be due when the worker that has their lane is done, by lane."""
        self._taken: dict[Hashable, tuple[K, float]] = {}
        """Lanes that workers have, with the key and since when."""
        self._delays = Delays[K]()
        self._failures: dict[K, int] = {}
        self._turns = 0
        self._closed = False

    def add(self, key: K, priority: Priority = Priority.HIGH) -> None:
        """Make the key due now, also where it waits out a back-off."""
        with self._wake:
            if not self._closed:
                self._delays.cancel(key, backoff=True)
                self._make_due(key, priority)

    def add_after(self, key: K, seconds: float, priority: Priority = Priority.HIGH) -> None:
        """Make the key due in so many seconds; of several such times the earliest counts."""
        self._delay(key, seconds, priority, backoff=False)

    def add_rate_limited(self, key: K, priority: Priority = Priority.HIGH) -> float:
        """Make the key due after its back-off, which doubles each time; returns the seconds."""
        with self._wake:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            self._metrics.retried()
        seconds = doubled(self._backoff, failures)
        seconds *= 1 + self._random.random() / 4
        self._delay(key, seconds, priority, backoff=True)
        return seconds

    def forget(self, key: K) -> None:
        """Start the key's back-off anew: its work succeeded."""
        with self._wake:
            self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """The key means nothing any more: it waits for nothing, and its back-off is forgotten."""
        with self._wake:
            self._failures.pop(key, None)
            for backoff in (False, True):
                self._delays.cancel(key, backoff=backoff)

    def get(self, timeout: float | None = None) -> K | None:
        """Take the next due key, waiting up to `timeout` seconds (None: until there is one).

        None when there was none in time, or the queue is shut down. Call `done` afterwards.
        """
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        with self._wake:
            while True:
                now = self._clock.monotonic()
                for key, priority in self._delays.over(now):
                    self._make_due(key, priority)
                if (taken := self._take(now)) is not None:
                    return taken
                self._even_out()
                if self._closed or (deadline is not None and now >= deadline):
                    return None
                ends = [end for end in (deadline, self._delays.next()) if end is not None]
                self._wake.wait(min(ends) - now if ends else None)

    def looking(self, key: K) -> None:
        """The worker that has the key looks at everything anew from here on.

        What made the key be added until now is part of what it sees.
        """
        with self._wake:
            self._blocked.get(self._lane(key), {}).pop(key, None)

    def done(self, key: K) -> None:
        """Say that the work on a key taken by `get` has ended, well or not.

        Raises KeyError if no worker has it.
        """
        with self._wake:
            lane = self._lane(key)
            held, since = self._taken[lane]
            if held != key:
                raise KeyError(key)
            del self._taken[lane]
            now, share = self._clock.monotonic(), self._share(key)
            self._shares.worked(share, now - since)
            if self._slowness.finished(share, now - since, now):
                self._wake.notify_all()
            self._metrics.finished(now - since)
            for blocked, priority in self._blocked.pop(lane, {}).items():
                # The worker that is done comes for the next key: nobody has to be woken.
                self._make_due(blocked, priority, wake=False)

    def shutdown(self) -> None:
        """Take no more keys, and give out none."""
        with self._wake:
            self._closed = True
            self._delays = Delays()
            self._blocked.clear()
            for due in self._due:
                due.clear()
            self._wake.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `shutdown` was called."""
        return self._closed

    def __len__(self) -> int:
        """How many keys are due; those that wait for their time, or are worked on, don't count."""
        return sum(map(len, self._due))

    def unfinished_seconds(self) -> float:
        """The time spent so far on keys that workers have now, summed."""
        with self._wake:
            now = self._clock.monotonic()
            return sum(now - since for _, since in self._taken.values())

    def longest_running_seconds(self) -> float:
        """The time spent so far on the key that a worker has had longest; 0 if none."""
        with self._wake:
            now = self._clock.monotonic()
            return max((now - since for _, since in self._taken.values()), default=0.0)

    def _make_due(self, key: K, priority: Priority, *, wake: bool = True) -> None:
        if self._block(key, priority):
            return
        high, low = self._due
        if key in high or (key in low and priority is Priority.LOW):
            return
        since = low.pop(key)
        if since is None:
            since = self._clock.monotonic()
            self._metrics.added()
            if wake:
                self._wake.notify()
        self._due[priority].add(key, since)

    def _block(self, key: K, priority: Priority) -> bool:
        """Have the key wait for its lane, if a worker has that; whether it does."""
        lane = self._lane(key)
        if lane not in self._taken:
            return False
        blocked = self._blocked.setdefault(lane, {})
        blocked[key] = min(priority, blocked.get(key, priority))
        return True

    def _take(self, now: float) -> K | None:
        in_work = [(self._share(key), since) for key, since in self._taken.values()]
        barred = self._slowness.barred(in_work, now)
        for priority in self._in_turn():
            while (due := self._due[priority].next(barred)) is not None:
                key, since = due
                if self._block(key, priority):
                    continue
                self._taken[self._lane(key)] = (key, now)
                self._metrics.taken(now - since)
                return key
        return None

    def _even_out(self) -> None:
        """There was nothing to take: whoever waits does so for a worker that may not be theirs."""
        self._shares.even_out({share for due in self._due for share in due.waiting})
        for due in self._due:
            due.reorder()

    def _in_turn(self) -> tuple[Priority, ...]:
        self._turns += 1
        both = tuple(Priority)
        return both[::-1] if self._turns % _LOW_SHARE == 0 else both

    def _delay(self, key: K, seconds: float, priority: Priority, *, backoff: bool) -> None:
        with self._wake:
            if self._closed:
                return
            when = self._clock.monotonic() + seconds
            if self._delays.add(key, when, priority, backoff=backoff):
                # Each waiting worker has to know of the new first time: the one told of it alone
                # may be busy with something else by then.
                self._wake.notify_all()
