"""Threads that a test has left behind."""

from __future__ import annotations

import threading
import time

PREFIX = "dnatctl"
"""What the names of the program's own threads begin with."""


def running() -> set[int]:
    """The threads there are now."""
    return {thread.ident for thread in threading.enumerate() if thread.ident is not None}


def left_behind(before: set[int]) -> set[str]:
    """Names of newer threads that matter: those that hold up exit, and the program's own."""
    return {
        thread.name
        for thread in threading.enumerate()
        if thread.ident not in before and (not thread.daemon or thread.name.startswith(PREFIX))
    }


def wait_until_gone(before: set[int], *, seconds: float) -> set[str]:
    """Wait for newer threads to end; the names of those that have not by then."""
    deadline = time.monotonic() + seconds
    while (left := left_behind(before)) and time.monotonic() < deadline:
        time.sleep(0.005)
    return left
