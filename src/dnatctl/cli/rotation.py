"""Follows the configuration file: is it still good, and is the AccessKey pair another one?"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol

import structlog

from dnatctl.clock import Clock, SystemClock
from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.providers import Provider, StaticProvider
from dnatctl.config import Config, ConfigErrors, load
from dnatctl.heartbeat import Heartbeats

log = structlog.get_logger(__name__)

LOOK_S = 10.0


class Tell(Protocol):
    """Is told how each reading of the file went; see `Metrics.config_read`."""

    def __call__(self, *, good: bool, at: float) -> None:
        """The file was read at a Unix time, and was good or refused."""
        ...


class ConfigWatcher:
    """Reads the file again when it has changed. Only the keys are taken in; the rest needs a
    restart, which would not come back from a bad file: so that is told while all is still well.
    """

    def __init__(
        self,
        path: Path,
        provider: Provider,
        stop: threading.Event,
        hearts: Heartbeats,
        *,
        tell: Tell,
        clock: Clock | None = None,
    ) -> None:
        self._path = path
        self._provider = provider
        self._stop = stop
        self._tell = tell
        self._clock = clock or SystemClock()
        self._seen = self._stamp()
        self._thread = hearts.thread("dnatctl-config", self._run)

    def start(self) -> None:
        """Start looking, until `stop` is set."""
        self._thread.start()

    def look(self) -> None:
        """Take the file in if it has changed since the last look."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._take_in()

    def _run(self) -> None:
        while not self._waited():
            self.look()

    def _waited(self) -> bool:
        self._thread.by(LOOK_S, "waits to look at the configuration file again")
        return self._stop.wait(LOOK_S)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)

    def _take_in(self) -> None:
        at = self._clock.now().timestamp()
        try:
            config = load(self._path, os.environ)
        except ConfigErrors as errors:
            log.warning(
                "the changed configuration is not usable; going on as before",
                problems=[str(problem) for problem in errors.problems],
            )
            self._tell(good=False, at=at)
            return
        self._tell(good=True, at=at)
        self._take_keys(config)

    def _take_keys(self, config: Config) -> None:
        key, secret = config.credential.access_key, config.credential.access_secret
        if isinstance(self._provider, StaticProvider) and key and secret:
            self._provider.replace(Keys(key.get_secret_value(), secret.get_secret_value()))
            log.info("AccessKey pair read anew; other changes need a restart")
        else:
            log.info("the configuration has changed and is good: it needs a restart")
