"""Follows the configuration file: a good one is taken in as far as it can be, a bad one is told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import structlog

from dnatctl.clock import Clock, SystemClock
from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.providers import Provider, StaticProvider
from dnatctl.config import Config, ConfigErrors, load
from dnatctl.heartbeat import Heartbeats
from dnatctl.loop import Loop

log = structlog.get_logger(__name__)

LOOK_S = 10.0


class Tell(Protocol):
    """Is told how each reading of the file went; see `Metrics.config_read`."""

    def __call__(self, *, good: bool, at: float) -> None:
        """The file was read at a Unix time, and was good or refused."""
        ...


class Follower(Protocol):
    """Takes a changed configuration in; see `dnatctl.control.people.reload`."""

    def take(self, config: Config) -> bool:
        """Work with it from now on; False where that cannot be."""
        ...

    def refuse(self, problems: Iterable[str]) -> None:
        """The file is not usable as it is now."""
        ...


class WatchedFile:
    """A file, and which content of it was seen last: at first the one of now, so that whoever makes
    it before reading hears of all that comes later."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._stamp()

    def changed(self) -> bool:
        """Whether it has since the last time; counts as seen then."""
        before, self._seen = self._seen, self._stamp()
        return self._seen != before

    def _stamp(self) -> tuple[int, int]:
        """Tells one content from the next; of what a link leads to, as ConfigMaps are mounted."""
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)


class ConfigWatcher:
    """Reads the file again when it has changed, and hands it to its follower.

    The keys of an AccessKey pair are taken from what the follower takes. Before there is a
    follower, a file waits for it.
    """

    def __init__(
        self,
        file: WatchedFile,
        provider: Provider,
        stop: threading.Event,
        hearts: Heartbeats,
        *,
        tell: Tell,
        clock: Clock | None = None,
    ) -> None:
        self._file = file
        self._provider = provider
        self._stop = stop
        self._tell = tell
        self._clock = clock or SystemClock()
        self._follower: Follower | None = None
        self._lock = threading.Lock()
        self._waiting = False
        self._loop = Loop("dnatctl-config", self._step, hearts, longest_s=LOOK_S)

    def start(self) -> None:
        """Start looking, until `stop` is set."""
        self._loop.start()

    def follow(self, follower: Follower) -> None:
        """Hand changed files to that one from now on; also one that has changed already."""
        with self._lock:
            self._follower = follower
            if self._waiting:
                self._take_in()

    def look(self) -> None:
        """Take the file in if it has changed since the last look."""
        with self._lock:
            if self._file.changed():
                self._take_in()

    def _step(self) -> float | None:
        if self._stop.is_set():
            return None
        self.look()
        return LOOK_S

    def _take_in(self) -> None:
        self._waiting = self._follower is None
        at = self._clock.now().timestamp()
        try:
            config = load(self._file.path, os.environ)
        except ConfigErrors as errors:
            self._refuse([str(problem) for problem in errors.problems])
            self._tell(good=False, at=at)
            return
        good = self._follower is None or self._follower.take(config)
        self._tell(good=good, at=at)
        if good:
            self._take_keys(config)

    def _refuse(self, problems: list[str]) -> None:
        if self._follower is not None:
            self._follower.refuse(problems)
        else:
            log.warning("the changed configuration is not usable", problems=problems)

    def _take_keys(self, config: Config) -> None:
        key, secret = config.credential.access_key, config.credential.access_secret
        if not (isinstance(self._provider, StaticProvider) and key and secret):
            return
        keys = Keys(key.get_secret_value(), secret.get_secret_value())
        if keys != self._provider.keys():
            self._provider.replace(keys)
            log.info("AccessKey pair read anew")
