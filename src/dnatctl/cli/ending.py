"""How the process ends: when it was asked to, in order; when it must, at once; always in time.

| what happens | how it ends | status |
|---|---|---|
| SIGTERM, SIGINT | in order: work in hand is finished, the Lease given back | 0 |
| a thread died or hangs (`Controller.failure`) | in order as well, as far as that is possible | 1 |
| either, and it takes longer than `STOP_S` | at once: the Lease expires by itself | 1 |
| a second signal | at once | 128 + its number |
| the Lease is lost | at once: another replica may lead any moment | 1, 0 if asked to stop |
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)

STOP_S = 25.0
"""How long an end in order may take; kubelet waits for 30 s where nothing else is said."""
LAST_WORDS_S = 0.5
"""How long the process waits for its last log lines."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Watches for signals, and for the time that the end takes.

    Both in threads, so that it acts whatever the main thread is at.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        """Set, by whomever, when the end begins."""
        self.flush: Callable[[float], object] = bool
        """Has the last log lines written, for so many seconds at most."""
        self._asked = False

    def watch(self) -> None:
        """Start watching. Before any other thread is started: they inherit what signals do."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for name, run in (("signals", self._heed_signals), ("time-limit", self._limit)):
            threading.Thread(target=run, name=f"dnatctl-{name}", daemon=True).start()

    def lost(self) -> NoReturn:
        """End at once, as the Lease is lost."""
        self.at_once(0 if self._asked else 1)

    def at_once(self, status: int) -> NoReturn:
        """End with this status, whatever other threads are at."""
        self.flush(LAST_WORDS_S)
        os._exit(status)

    def _heed_signals(self) -> None:
        signal.sigwait(SIGNALS)
        self._asked = True
        self.stop.set()
        self.at_once(128 + signal.sigwait(SIGNALS))

    def _limit(self) -> None:
        self.stop.wait()
        time.sleep(STOP_S)
        log.error("not ended in order within the time for it", seconds=STOP_S)
        self.at_once(1)
