"""How long to wait before trying again."""

from __future__ import annotations

from random import Random

from dnatctl.clock import Clock


class Backoff:
    """Delays that grow while failures follow each other.

    The first try again after a healthy time is free. From then on the delay doubles, from `base`
    to `cap` seconds, each drawn from [delay, 2 x delay), so that many clients do not come back in
    step. A pause of `reset` seconds without a failure is a healthy time.
    """

    def __init__(
        self, clock: Clock, random: Random, *, base: float, cap: float, reset: float
    ) -> None:
        self._clock = clock
        self._random = random
        self._base = base
        self._cap = cap
        self._reset = reset
        self._failures = 0
        self._due = clock.monotonic() - reset
        """When the last delay was over."""

    def next(self) -> float:
        """Something failed: the seconds to wait."""
        now = self._clock.monotonic()
        if now - self._due >= self._reset:
            self._failures = 0
        delay = 0.0
        if self._failures:
            delay = min(self._base * 2 ** min(self._failures - 1, 32), self._cap)
            delay *= 1 + self._random.random()
        self._failures += 1
        self._due = now + delay
        return delay
