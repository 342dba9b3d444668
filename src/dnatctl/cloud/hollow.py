"""Answers that count rows and list none: of a backend that has lost its list, or that miscounts.

Whoever believes one takes live rows for gone: statuses are emptied, finalizers taken off. So such
an answer is as good as none. But a count is a hint, and may be too high for ever: where the same
question is answered so again and again, and nothing else in between, there is nothing to list.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from dnatctl.clock import Clock
from dnatctl.cloud.api import PAGE_SIZE

BELIEVED: Final = 5
"""So many such answers in a row to one question are believed,"""

BELIEVED_S: Final = 60.0
"""if they come over so many seconds at least: long for a bad moment of a backend, and short for the
empty table of a cloud that miscounts, which cannot be used until then."""

MISCOUNTED: Final = 10
"""By so many rows a count may be too high behind pages that list theirs: one page more is asked for
in any table whose last page is full."""

REMEMBERED: Final = 1000
"""Questions that are remembered, the latest: rows come and go."""

Question = tuple[str, int | str]
"""A table, and the page or the row that was asked for."""


def is_hollow(page_number: int, total: int, listed: int) -> bool:
    """Whether a page should have rows, by the count that comes with it, and has none."""
    before = (page_number - 1) * PAGE_SIZE
    return not listed and total > before + (MISCOUNTED if before else 0)


@dataclass(frozen=True, slots=True)
class _InARow:
    first: float
    count: int


class HollowAnswers:
    """Remembers them by question. Any thread may ask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Question, _InARow] = {}

    def heard(self, question: Question) -> bool:
        """One more such answer; whether it is to be believed now."""
        now = self._clock.monotonic()
        with self._lock:
            known = self._known.pop(question, None) or _InARow(now, 0)
            self._known[question] = known = _InARow(known.first, known.count + 1)
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        return known.count >= BELIEVED and now - known.first >= BELIEVED_S

    def refuted(self, question: Question) -> None:
        """That question was answered otherwise."""
        with self._lock:
            self._known.pop(question, None)
