"""Follows the AccessKey pair of the configuration file as it is rotated."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import structlog

from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.providers import StaticProvider
from dnatctl.config import ConfigErrors, load
from dnatctl.heartbeat import Heartbeats

log = structlog.get_logger(__name__)

LOOK_S = 10.0


class KeyWatcher:
    """Reads the file again when it has changed, for the keys only: the rest needs a restart."""

    def __init__(
        self, path: Path, provider: StaticProvider, stop: threading.Event, hearts: Heartbeats
    ) -> None:
        self._path = path
        self._provider = provider
        self._stop = stop
        self._seen = self._stamp()
        self._thread = hearts.thread("dnatctl-keys", self._run)

    def start(self) -> None:
        """Start looking, until `stop` is set."""
        self._thread.start()

    def _run(self) -> None:
        while not self._waited():
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._take_in()

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
        try:
            credential = load(self._path, os.environ).credential
        except ConfigErrors as errors:
            log.warning(
                "the changed configuration is not usable; going on as before",
                problems=[str(problem) for problem in errors.problems],
            )
            return
        key, secret = credential.access_key, credential.access_secret
        if key and secret:
            self._provider.replace(Keys(key.get_secret_value(), secret.get_secret_value()))
            log.info("AccessKey pair read anew; other changes need a restart")
