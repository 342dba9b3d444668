"""The watchdog: ends a process of which a part has died or hangs, as it is worth less than none.

A leader without its workers still renews the Lease, and keeps every other replica from working.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dnatctl.clock import Clock
from dnatctl.heartbeat import SLACK_S, Heartbeats

log = structlog.get_logger(__name__)

LOOK_S = 5.0
"""How often it looks; a death is told at once."""

GRACE_S = 30.0
"""How long a thread may be late, and be seen to be by health checks, before the process ends."""


class Watchdog:
    """Calls `act`, once, with what is wrong, when a thread has died or has long been late."""

    def __init__(self, hearts: Heartbeats, clock: Clock, act: Callable[[str], None]) -> None:
        self._hearts = hearts
        self._clock = clock
        self._act = act
        self._looked = self._woke = clock.monotonic()
        self._stopping = False
        self._thread = hearts.thread("dnatctl-watchdog", self._run)

    def start(self) -> None:
        """Start watching."""
        self._looked = self._woke = self._clock.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; does not wait."""
        self._stopping = True

    def look(self) -> str:
        """One look: what is wrong, "" if nothing is.

        After a gap between two looks the whole process was suspended, or the machine was: nothing
        that is late is held against anybody until it had time to catch up.
        """
        now = self._clock.monotonic()
        if now - self._looked > SLACK_S / 2:
            self._woke = now
        self._looked = now
        catching_up = now - self._woke < GRACE_S
        found = self._hearts.in_trouble(float("inf") if catching_up else GRACE_S)
        for beat in found:
            log.error("a thread is in trouble", thread=beat.name, stack=beat.stack())
        return "; ".join(beat.complaint() for beat in found)

    def _run(self) -> None:
        while not self._stopping:
            self._thread.by(LOOK_S, "waits")
            self._hearts.died.wait(LOOK_S)
            if not self._stopping and (wrong := self.look()):
                self._act(wrong)
                return
