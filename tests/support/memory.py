"""What a test weighs: memory that is still had when all is done."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


class Weight:
    """`kept`: bytes that were allocated in the block and not freed by its end."""

    def __init__(self) -> None:
        self.kept = 0


@contextmanager
def weighed() -> Iterator[Weight]:
    """Weigh what the block makes and what lives on after it.

    The interpreter keeps thousands of freed tuples and floats for the next ones to be made, 100 KB
    in a process that had none before; who collects all garbage gives them back.
    """
    weight = Weight()
    gc.collect()
    tracemalloc.start()
    try:
        yield weight
        gc.collect()
        weight.kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
