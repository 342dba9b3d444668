"""How fast this machine is at the moment, beside the one that the goals were set on."""

from __future__ import annotations

import time
from statistics import median

ADDITIONS = 5_000_000
USUAL_S = 0.16
"""CPU seconds that so many take there."""


def slowness() -> float:
    """How many times longer a loop of additions takes than usual; 1 where it is no slower.

    By the CPU clock of the thread: what else runs on the machine counts as far as it slows the core
    down, and not for the time that it takes. About a second.
    """
    return max(1.0, median(_additions() for _ in range(3)) / USUAL_S)


def _additions() -> float:
    begun, total = time.thread_time(), 0
    for number in range(ADDITIONS):
        total += number
    return time.thread_time() - begun
