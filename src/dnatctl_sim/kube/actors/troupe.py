"""How the stand-ins run: each hears of every change, on the server's own thread, in order."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from dnatctl_sim.kube.core.collection import Change
from dnatctl_sim.kube.core.errors import ApiError

_TURN = 200  # changes that are passed on before the server may answer somebody again
_LOG = logging.getLogger(__name__)


class Actor(Protocol):
    """A program that reacts to changes, as a controller or a kubelet does."""

    def observe(self, collection: str, change: Change) -> None:
        """React to one change. An ApiError that it raises is logged: the object had moved on."""
        ...


class Timers(Protocol):
    """Something that calls back later."""

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in `seconds`; for 0 as soon as what runs now is done."""
        ...


class LoopTimers:
    """Timers on an event loop, usable from any thread. They end with the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """See `Timers.call_later`."""
        if self._loop.is_closed():
            return
        if seconds <= 0:
            self._loop.call_soon_threadsafe(_guarded, action)
        else:
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, _guarded, action)


class Troupe:
    """Passes changes on to the actors."""

    def __init__(self, timers: Timers, actors: Sequence[Actor]) -> None:
        self._timers = timers
        self._actors = actors
        self._lock = threading.Lock()
        self._changes: deque[tuple[str, Change]] = deque()
        self._waking = False

    def observe(self, collection: str, change: Change) -> None:
        """Note a change, from whatever thread made it; the actors hear of it soon."""
        with self._lock:
            self._changes.append((collection, change))
            if self._waking:
                return
            self._waking = True
        self._timers.call_later(0, self._pass_on)

    def _pass_on(self) -> None:
        with self._lock:
            changes = [self._changes.popleft() for _ in range(min(_TURN, len(self._changes)))]
            self._waking = bool(self._changes)
        if self._waking:
            self._timers.call_later(0, self._pass_on)
        for collection, change in changes:
            for actor in self._actors:
                _guarded(actor.observe, collection, change)


def _guarded(action: Callable[..., None], *args: object) -> None:
    try:
        action(*args)
    except ApiError as error:
        _LOG.debug("an actor's write was refused: %s", error)
