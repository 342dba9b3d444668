"""The watches that are open, and how they learn that there is something new."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dnatctl_sim.kube.core.collection import Change
from dnatctl_sim.kube.wire.watching import Watch


class Streams:
    """Open watches by collection. All but `follow` is safe to use from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._open: dict[str, dict[Watch, asyncio.Event]] = {}
        self._changed: set[str] = set()
        self._freeze: set[str] = set()

    @contextmanager
    def follow(self, watch: Watch) -> Iterator[asyncio.Event]:
        """Count `watch` as open; the event is set whenever it may have something to send."""
        wake = asyncio.Event()
        with self._lock:
            self._open.setdefault(watch.type.collection, {})[watch] = wake
            watch.frozen = bool(self._freeze & {"", watch.type.collection})
        try:
            yield wake
        finally:
            with self._lock:
                del self._open[watch.type.collection][watch]

    def observe(self, collection: str, change: Change) -> None:
        """Wake the watches of `collection`."""
        del change
        self._wake(collection)

    def wake_all(self) -> None:
        """Wake every watch."""
        with self._lock:
            names = list(self._open)
        for name in names:
            self._wake(name)

    def count(self, resource: str = "") -> int:
        """How many watches are open, of one resource or of all."""
        return len(self._chosen(resource))

    def close(self, resource: str = "", *, reset: bool = False) -> int:
        """End watches, cleanly or with a TCP reset; how many."""
        chosen = self._chosen(resource)
        for watch in chosen:
            watch.reset = reset
            watch.ending = True
        self.wake_all()
        return len(chosen)

    def freeze(self, resource: str = "", *, coming: bool = False) -> int:
        """Send nothing more on the open watches, nor (`coming`) on later ones; how many are open.

        Their connections stay, as after a network partition. Frozen ones stay so.
        """
        with self._lock:
            if coming:
                self._freeze.add(resource)
        chosen = self._chosen(resource)
        for watch in chosen:
            watch.frozen = True
        return len(chosen)

    def thaw(self) -> None:
        """Let later watches work again."""
        with self._lock:
            self._freeze.clear()

    def _chosen(self, resource: str) -> list[Watch]:
        with self._lock:
            return [
                watch
                for name, watches in self._open.items()
                for watch in watches
                if resource in ("", name)
            ]

    def _wake(self, collection: str) -> None:
        with self._lock:
            quiet = not self._open.get(collection) or collection in self._changed
            if quiet or self._loop.is_closed():
                return
            self._changed.add(collection)
        self._loop.call_soon_threadsafe(self._set, collection)

    def _set(self, collection: str) -> None:
        with self._lock:
            self._changed.discard(collection)
            wakes = list(self._open.get(collection, {}).values())
        for wake in wakes:
            wake.set()
