"""A thread's life: one step after another, until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dnatctl.heartbeat import CALL_S, Heartbeats

Step = Callable[[], float | None]
"""Does what there is to do now, and returns the seconds to the next step; None to end."""


class Loop:
    """Runs `step` on a watched thread (`dnatctl.heartbeat`); what it raises ends the thread, which
    is noticed.

    `longest_s`: by when a step has ended or has said that it takes longer (`by`). `gather_s`: so
    long is waited before each step but the first, so that many who wake it at once cause one.
    `woken`: set by others to wake it, in place of `wake`.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        hearts: Heartbeats,
        *,
        longest_s: float = CALL_S,
        gather_s: float = 0.0,
        woken: threading.Event | None = None,
    ) -> None:
        self._step = step
        self._longest_s = longest_s
        self._gather_s = gather_s
        self._woken = woken or threading.Event()
        self._stopping = threading.Event()
        self._thread = hearts.thread(name, self._run)
        self.by = self._thread.by

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Take the first step."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next step now, or right after this one."""
        self._woken.set()

    def stop(self) -> None:
        """Take no further step; the one under way is waited for by `join`."""
        self._stopping.set()
        self._woken.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread to end; whether it has, or was never started. Its own step does not
        wait."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._woken.clear()  # whoever stops it says so first and wakes it then
            if self.stopping:
                return
            self.by(self._longest_s, "begins a step")
            pause = self._step()
            if pause is None:
                return
            self.by(pause + self._gather_s, "waits for the next step to be due")
            if pause > 0:
                self._woken.wait(pause)
            if self._gather_s:
                self._stopping.wait(self._gather_s)
