"""So many at once, and so many a second in the long run.

What is kept is one number: when all that was used so far is paid off. Budgets of thousands of names
cost a float each, and a name whose time has passed can be forgotten.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

UNUSED: Final = float("-inf")
"""When a budget is paid off that nothing was taken from."""


_HAIR: Final = 1e-6
"""Of a use: sums of floats come out a little more."""


class Budget(Struct, frozen=True):
    """`at_once`: uses after a quiet time; `a_second`: uses a second after that.

    Times are seconds on the monotonic clock.
    """

    at_once: int
    a_second: float

    def due(self, paid_off: float, now: float) -> float:
        """When the next use may be: `now` or before it, or later."""
        return max(paid_off, now) - (self.at_once - 1 + _HAIR) / self.a_second

    def used(self, paid_off: float, now: float) -> float:
        """When all is paid off after one use more, that was due or waits until it is."""
        return max(paid_off, now) + 1 / self.a_second
