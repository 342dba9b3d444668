"""The work queue between those who see changes and the workers who act on them."""

from __future__ import annotations

from enum import IntEnum
from random import Random
from typing import Generic, Protocol, TypeVar

from dnatctl.clock import Clock

K = TypeVar("K")


class Priority(IntEnum):
    """What is taken first."""

    HIGH = 0
    """Something changed just now."""
    LOW = 1
    """The first list, and resync: nobody waits for it in particular."""


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


class WorkQueue(Generic[K]):
    """Keys that want work. Thread-safe.

    A key is due at most once, however often it is added, and never given to two workers at a
    time; one added while a worker has it is due again when that worker is done.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        metrics: QueueMetrics | None = None,
        random: Random | None = None,
        backoff_base: float = 0.005,
        backoff_cap: float = 60.0,
    ) -> None:
        raise NotImplementedError

    def add(self, key: K, priority: Priority = Priority.HIGH) -> None:
        """Make the key due now, also where it waits out a back-off."""
        raise NotImplementedError

    def add_after(self, key: K, seconds: float, priority: Priority = Priority.HIGH) -> None:
        """Make the key due in so many seconds; of several such times the earliest counts."""
        raise NotImplementedError

    def add_rate_limited(self, key: K, priority: Priority = Priority.HIGH) -> float:
        """Make the key due after its back-off, which doubles each time; returns the seconds."""
        raise NotImplementedError

    def forget(self, key: K) -> None:
        """Start the key's back-off anew: its work succeeded."""
        raise NotImplementedError

    def retries(self, key: K) -> int:
        """How often the key was added with back-off since it was last forgotten."""
        raise NotImplementedError

    def get(self, timeout: float | None = None) -> K | None:
        """Take the next due key, waiting up to `timeout` seconds (None: until there is one).

        None when there was none in time, or the queue is shut down. Call `done` afterwards.
        """
        raise NotImplementedError

    def done(self, key: K) -> None:
        """Say that the work on a key taken by `get` has ended, well or not."""
        raise NotImplementedError

    def shutdown(self, *, drain: bool = False) -> None:
        """Take no more keys, and give out none; with `drain` give out those due now first."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether `shutdown` was called."""
        raise NotImplementedError

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until no key is due and no worker has one; whether that was so in time."""
        raise NotImplementedError

    def __len__(self) -> int:
        """How many keys are due; those that wait for their time, or are worked on, don't count."""
        raise NotImplementedError

    def unfinished_seconds(self) -> float:
        """The time spent so far on keys that workers have now, summed."""
        raise NotImplementedError

    def longest_running_seconds(self) -> float:
        """The time spent so far on the key that a worker has had longest; 0 if none."""
        raise NotImplementedError
