"""How fast this machine is at the moment, beside the one that the goals were set on."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from hack.bench.yardsticks.bare import A_LIFE, BARE_MS, bare_life

LIVES = 200
ADDITIONS = 5_000_000


class Machine:
    """What a bare script takes here, when a run begins, and what has changed since.

    By the CPU clock: what else runs counts as far as it slows the core down, and not for the time
    that it takes.
    """

    def __init__(self, folder: Path) -> None:
        """Takes a quarter of a minute; `folder`: for what the script writes."""
        self._bare = bare_life(folder, LIVES, A_LIFE) / BARE_MS
        self._loop = _additions()

    def slowness(self) -> float:
        """How many times longer that script takes than usual; 1 where it takes no longer.

        It is not run again: a loop of additions shows how the speed has changed. About a second.
        """
        return max(1.0, self._bare * _additions() / self._loop)


def _additions() -> float:
    """CPU seconds of a loop, the median of three."""
    return median(_loop() for _ in range(3))


def _loop() -> float:
    begun, total = time.thread_time(), 0
    for number in range(ADDITIONS):
        total += number
    return time.thread_time() - begun
