"""What something costs, on any machine: steps are counted, not time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def steps(act: Callable[[], object]) -> int:
    """Lines of Python that `act` runs."""
    count = 0

    def trace(_frame: FrameType, _event: str, _arg: object) -> Callable[..., object]:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    with _of_that_alone():
        sys.settrace(trace)
        try:
            act()
        finally:
            sys.settrace(before)
    return count


def calls(act: Callable[[], object]) -> int:
    """Functions of Python that `act` calls."""
    count = 0

    def note(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    with _of_that_alone():
        sys.setprofile(note)
        try:
            act()
        finally:
            sys.setprofile(before)
    return count


@contextmanager
def _of_that_alone() -> Iterator[None]:
    """The garbage collector comes when it likes, and what it calls back (Hypothesis has it time
    itself) would be counted with whatever runs at that moment."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
