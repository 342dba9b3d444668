"""How long to wait before trying again."""

from __future__ import annotations

from collections.abc import Callable


def doubled(bounds: tuple[float, float], failures: int) -> float:
    """Seconds to wait before the next try, after so many failures before this one.

    `bounds`: the first wait and the longest.
    """
    first, longest = bounds
    return min(first * 2.0 ** min(failures, 64), longest)


class Backoff:
    """Waits that grow while failures follow each other.

    The first try again after a healthy time is free. From then on the wait doubles within `bounds`,
    each drawn by `chance` (0 to 1) from [wait, 2 x wait), so that many clients do not come back in
    step. `reset` seconds without a failure are a healthy time.
    """

    def __init__(
        self, chance: Callable[[], float], bounds: tuple[float, float], reset: float
    ) -> None:
        self._chance = chance
        self._bounds = bounds
        self._reset = reset
        self._failures = 0
        self._due = float("-inf")
        """When the last wait was over."""

    def next(self, now: float) -> float:
        """Something failed at `now` (monotonic): the seconds to wait."""
        if now - self._due >= self._reset:
            self._failures = 0
        pause = 0.0
        if self._failures:
            pause = doubled(self._bounds, self._failures - 1) * (1 + self._chance())
        self._failures += 1
        self._due = now + pause
        return pause
