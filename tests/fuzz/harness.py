"""What is tried with inputs that others make, and what must hold for each of them."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

SECONDS_A_KB = 0.010
"""CPU that an input may take for each 1024 bytes, where a machine has little else to do."""
YARDSTICK_S = 0.005
"""CPU that `slowness` takes there: beside others on the same core all takes longer."""
LEAST_S = 0.020
"""CPU that any may take: a collection of garbage falls on whoever is there."""
TRIES = 10
"""So often one that took too long is tried beside the yardstick."""
BYTES_A_BYTE = 200
"""Memory that an input may take while it is read, for each of its bytes."""
LEAST_BYTES = 1 << 20


@dataclass(frozen=True)
class Harness:
    """An input that somebody else writes, and the program's way to read it.

    `read` raises nothing, as what the program declares is caught in it, and asserts what holds of
    the result. `share`: of a thousand inputs over all; those that are read slowly have less.
    """

    name: str
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    share: int


def slowness() -> float:
    """How much slower the machine is just now than one that has little else to do; at least 1."""
    before = time.thread_time()
    sum(number * number % 7 for number in range(100_000))
    return max((time.thread_time() - before) / YARDSTICK_S, 1.0)


class Bounded:
    """Reads inputs with an eye on what they cost. `slack`: how much slower than usual all is."""

    def __init__(self, harness: Harness, slack: float = 1.0) -> None:
        self._harness = harness
        self._slack = slack
        for seed in harness.seeds:  # what is made at the first time is no matter of the input's
            harness.read(seed)
        self.slowest_s_kb = 0.0
        """Seconds of CPU for a KB, of the slowest among those of 1 KB and more."""
        self.most_memory = 0.0
        """Bytes for each byte, of those that were weighed, likewise."""

    def read(self, data: bytes) -> None:
        """Raises AssertionError for one that takes too long each time it is tried."""
        seconds = self._timed(data)
        kilobytes = max(len(data) / 1024, 1.0)
        limit = self._slack * max(SECONDS_A_KB * kilobytes, LEAST_S)
        if seconds > limit or seconds > self.slowest_s_kb * kilobytes:
            seconds = min(seconds, *(self._timed(data) for _ in range(3)))
            self.slowest_s_kb = max(self.slowest_s_kb, seconds / kilobytes)
        if seconds > limit:
            seconds = min(self._at_usual_speed(data) for _ in range(TRIES))
        assert seconds <= limit, f"{len(data)} bytes took {seconds:.3f} s of CPU"

    def weigh(self, data: bytes) -> None:
        """Raises AssertionError for one that takes too much memory."""
        tracemalloc.start()
        try:
            self._harness.read(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.most_memory = max(self.most_memory, peak / max(len(data), 1024))
        assert peak <= LEAST_BYTES + BYTES_A_BYTE * len(data), f"{len(data)} bytes took {peak}"

    def _at_usual_speed(self, data: bytes) -> float:
        """What it takes by what else takes longer at that moment: the machine's speed changes."""
        before, seconds = slowness(), self._timed(data)
        return seconds / max(before, slowness())

    def _timed(self, data: bytes) -> float:
        before = time.thread_time()
        self._harness.read(data)
        return time.thread_time() - before
