"""Keeps a store equal to what the API server holds: list, then watch, for ever."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from dnatctl.clock import Clock
from dnatctl.kube.client import KubeClient
from dnatctl.kube.store import Store, Stored
from dnatctl.objects import Key

T = TypeVar("T", bound=Stored)

Known = Callable[[Key, str], bool]
"""Whether an object of that name and UID is held already: it is kept whatever it looks like now."""


class Page(Struct, Generic[T]):
    """One page of a list. `poisoned`: items which could not be understood, left out."""

    items: list[T]
    version: str
    next: str = ""
    poisoned: int = 0


class Event(Struct, Generic[T]):
    """One line of a watch. `object` is None where the object is not wanted or not understood."""

    type: str
    version: str
    key: Key
    uid: str
    object: T | None = None


class Source(Protocol[T]):
    """How one resource is asked for and read."""

    resource: str
    """Its plural name, for logs and metrics."""
    path: str
    """Of the collection."""
    accept: str
    """The Accept header of list and watch."""

    def page(self, body: bytes, known: Known) -> Page[T]:
        """Read a page of a list. Raises msgspec.DecodeError if it is no list at all."""
        ...

    def event(self, line: bytes, known: Known) -> Event[T]:
        """Read a line of a watch. Raises msgspec.DecodeError if it cannot be understood."""
        ...


@dataclass(frozen=True, slots=True)
class ReflectorSettings:
    """How a reflector behaves; times in seconds."""

    page_size: int = 500
    list_timeout: float = 60.0
    """Longest silence while listing: a quorum list of a big cluster takes its time."""
    watch_seconds: tuple[int, int] = (300, 600)
    """Bounds of the random length of a watch that the server is asked for."""
    silence: float = 120.0
    """A watch silent for longer is dead: bookmarks come about every minute."""
    backoff_base: float = 0.8
    backoff_cap: float = 30.0
    backoff_reset: float = 120.0
    """Failures further apart than this do not add up."""


@dataclass(slots=True)
class ReflectorStats:
    """What a reflector has done so far; read by metrics, written by the reflector's thread only."""

    lists: Counter[str] = field(default_factory=Counter)
    """By outcome: `ok` or a Failure."""
    watches: Counter[str] = field(default_factory=Counter)
    """Ended watches by outcome: `closed` (by the server, as agreed) or a Failure."""
    events: Counter[str] = field(default_factory=Counter)
    """By type: ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, or `unknown`."""
    poisoned: int = 0
    """Objects that could not be understood."""
    last_contact: float = 0.0
    """Clock.monotonic() of the last good list page or watch line, bookmarks included."""


class Reflector(Generic[T]):
    """One thread that feeds one store.

    What it never does: call the server in a tight loop, wait for ever on a dead connection, let
    one object it cannot read stop the others, or give up.
    """

    stats: ReflectorStats
    synced: threading.Event
    """Set once the store has held a whole list."""

    def __init__(
        self,
        client: KubeClient,
        source: Source[T],
        store: Store[T],
        *,
        clock: Clock,
        random: Random | None = None,
        settings: ReflectorSettings | None = None,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the thread, a daemon."""
        raise NotImplementedError

    def stop(self) -> None:
        """Break off what is in flight and end the thread soon; does not wait (see `join`)."""
        raise NotImplementedError

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread to end; whether it has."""
        raise NotImplementedError

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        raise NotImplementedError

    def silence(self) -> float:
        """Seconds since the server was last heard of."""
        raise NotImplementedError

    def step(self) -> float:
        """One pass: a list if one is due, else one watch to its end.

        Returns the seconds to wait before the next.
        """
        raise NotImplementedError
