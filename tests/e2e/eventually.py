"""Waiting for a state of the world instead of for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T | None], *, within: float = 120.0, every: float = 0.02) -> T:
    """Call `probe` until it returns something true, and return that.

    An `AssertionError` of the probe counts as "not yet", so it may hold several assertions
    followed by `return True`.

    Raises:
        AssertionError: `within` seconds are over; it shows what the probe last returned or raised.
    """
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            result = probe()
            if result:
                return result
            last = result
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within} s; last seen: {last!r}")
        time.sleep(every)
