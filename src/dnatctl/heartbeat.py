"""Signs of life: each long-lived thread says what it is at, and by when it will be heard of again.

A thread that hangs, or has died of an exception, is noticed by what it does not say; health checks,
metrics and the watchdog read that in one place.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable

import structlog

from dnatctl.clock import Clock, SystemClock

log = structlog.get_logger(__name__)

SLACK_S = 30.0
"""What a busy machine may add to any wait or step."""

CALL_S = 60.0
"""Longest step that sends a request, waiting for its turn by the rate limit apart (`renew`)."""


class Beat:
    """The signs of life of one thread; all methods but `by` and `end` are for others."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.ident = 0
        """The thread's, once it runs."""
        self.fault = ""
        """The exception that it has died of."""
        self._clock = clock
        self._said: tuple[float, float, object] | None = None
        """Since when it does what, and when it should be heard of again; None: not watched."""

    def by(self, seconds: float, doing: object) -> None:
        """The thread does this now, and will be heard of again within so many seconds."""
        now = self._clock.monotonic()
        self._said = (now, now + seconds + SLACK_S, doing)

    def end(self) -> None:
        """The thread has ended as it should: nothing is expected any more."""
        self._said = None

    def complaint(self, grace: float = 0.0) -> str:
        """What is wrong with it, for people; "" if nothing, or not yet for longer than `grace`."""
        if self.fault:
            return f"{self.name} has died: {self.fault}"
        if (said := self._said) is None:
            return ""
        now, (since, due, doing) = self._clock.monotonic(), said
        return f"{self.name} hangs for {now - since:.0f} s: {doing}" if now > due + grace else ""

    def stack(self) -> str:
        """Where its thread is now."""
        frame = sys._current_frames().get(self.ident)  # noqa: SLF001 - there is no other way
        return "".join(traceback.format_stack(frame)) if frame else ""


class Life(threading.Thread):
    """A daemon thread that is watched. Made by `Heartbeats.thread`."""

    def __init__(self, beat: Beat, run: Callable[[], None], on_death: Callable[[], None]) -> None:
        super().__init__(name=beat.name, daemon=True)
        self.by = beat.by
        self._beat = beat
        self._work = run
        self._on_death = on_death

    def run(self) -> None:
        """See threading.Thread."""
        self._beat.ident = self.ident or 0
        self._beat.by(0.0, "begins")
        try:
            self._work()
        except BaseException as error:
            # Not str(error), which may raise anything itself.
            self._beat.fault = traceback.format_exception_only(error)[-1].strip()
            log.exception("a thread has died", thread=self.name)
            self._on_death()
        else:
            self._beat.end()


def renew(seconds: float, doing: object) -> None:
    """As `Beat.by`, of the thread that calls this, if that is watched.

    For what takes long in good order deep inside a step, such as waiting for one's turn.
    """
    thread = threading.current_thread()
    if isinstance(thread, Life):
        thread.by(seconds, doing)


class Heartbeats:
    """The threads of a process that are watched."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.died = threading.Event()
        """Set when a thread has died of an exception."""
        self._clock = clock or SystemClock()
        self._beats: list[Beat] = []

    def thread(self, name: str, run: Callable[[], None]) -> Life:
        """A daemon thread, not started yet, whose end by an exception is not overlooked."""
        return Life(self._add(name), run, self.died.set)

    def of_this_thread(self, name: str) -> Beat:
        """For a thread that was started by somebody else."""
        beat = self._add(name)
        beat.ident = threading.get_ident()
        return beat

    def in_trouble(self, grace: float = 0.0) -> list[Beat]:
        """Those that have died, or are late by more than so many seconds."""
        return [beat for beat in list(self._beats) if beat.complaint(grace)]

    def complaint(self) -> str:
        """What is wrong with any of them, for people; "" if nothing."""
        return "; ".join(beat.complaint() for beat in self.in_trouble())

    def _add(self, name: str) -> Beat:
        beat = Beat(name, self._clock)
        self._beats.append(beat)
        return beat
