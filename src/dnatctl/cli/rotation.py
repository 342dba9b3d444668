"""Follows the AccessKey pair of the configuration file as it is rotated."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import structlog

from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.providers import StaticProvider
from dnatctl.config import ConfigErrors, load

log = structlog.get_logger(__name__)

LOOK_S = 10.0


class KeyWatcher(threading.Thread):
    """Reads the file again when it has changed, for the keys only: the rest needs a restart."""

    def __init__(self, path: Path, provider: StaticProvider, stop: threading.Event) -> None:
        super().__init__(name="dnatctl-keys", daemon=True)
        self._path = path
        self._provider = provider
        # Not _stop: threading.Thread has a method of that name.
        self._end = stop
        self._seen = self._stamp()

    def run(self) -> None:
        """See threading.Thread."""
        while not self._end.wait(LOOK_S):
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._take_in()

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
