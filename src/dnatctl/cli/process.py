"""What the controller asks of its own process: heaps, the collector, core dumps, open files."""

from __future__ import annotations

import ctypes
import gc
import resource
from contextlib import suppress

DESCRIPTORS = 65_536
"""Open files are as many as the system allows, up to this: the usual soft limit is 1,024."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of mallopt: how much free memory is kept, from which size on a piece is no part of a heap, and
how many heaps there may be."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests and answers make no cycles worth looking for; at the defaults of Python the collector
takes a third of the CPU of parsing (measured)."""


def prepare() -> None:
    """Set the limits of this process; to be called before there are threads.

    What the system refuses stays as it is: the controller works with less.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    _share_one_heap()
    _leave_no_core()
    _raise_descriptor_limit()


def _share_one_heap() -> None:
    """glibc gives threads heaps of their own, up to 8 a core, and what one has freed, as the pages
    of a list, no other can have. The interpreter lets one run at a time. It keeps the room of a
    page from one to the next, or each costs thousands of page faults.

    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, 16 << 20)
        mallopt(M_TRIM_THRESHOLD, 8 << 20)


def _leave_no_core() -> None:
    """Keys are in this memory. A pipe gets all where the limit is 0; nothing gets any of 1."""
    with suppress(OSError, ValueError):  # a limit that is lower already stays
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
