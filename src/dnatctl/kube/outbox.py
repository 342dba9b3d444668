"""What is to be sent, by namespace: none of them holds up another, or fills the room of all.

Pure: times are handed in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(slots=True)
class _Tray(Generic[V]):
    """`used`: seconds that sending has taken, counted from where others were when it began.
    `rests_until`: nothing is to be sent before.
    """

    used: float
    rests_until: float = float("-inf")
    waiting: deque[V] = field(default_factory=deque)


class Outbox(Generic[V]):
    """Lines of things to be sent, one for each namespace, and one sender.

    The sender gets the oldest one of the namespace that has taken the least of its time. There is
    room for `limit` things in all; where that is used up, the longest line gives way.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: dict[str, _Tray[V]] = {}
        """Kept while something waits, or the line rests; whose turn was longest ago is first."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, namespace: str, item: V) -> V | None:
        """Add something to the end of a line; returns what has to give way: itself, perhaps."""
        if self._size >= self._limit:
            longest = max(self._lines.values(), key=lambda line: len(line.waiting))
            own = self._lines.get(namespace)
            if (len(own.waiting) if own else 0) + 1 >= len(longest.waiting):
                return item
            self._size -= 1
            given = longest.waiting.pop()
        else:
            given = None
        self._line(namespace).waiting.append(item)
        self._size += 1
        return given

    def take(self, now: float) -> V | None:
        """What is to be sent next; None if nothing is, or all of it rests."""
        self._clear_up(now)
        due = [
            name for name, line in self._lines.items() if line.waiting and line.rests_until <= now
        ]
        if not due:
            return None
        self._size -= 1
        namespace = min(due, key=lambda name: self._lines[name].used)
        line = self._lines[namespace] = self._lines.pop(namespace)
        return line.waiting.popleft()

    def sent(self, namespace: str, took: float) -> None:
        """Sending something took so many seconds, whatever came of it."""
        self._line(namespace).used += took

    def rest(self, namespace: str, until: float) -> None:
        """Nothing of that namespace is to be sent before."""
        self._line(namespace).rests_until = until

    def next_due(self) -> float | None:
        """When something is to be sent; None if nothing is."""
        waiting = (line.rests_until for line in self._lines.values() if line.waiting)
        return min(waiting, default=None)

    def _line(self, namespace: str) -> _Tray[V]:
        line = self._lines.get(namespace)
        if line is None:
            least = min((line.used for line in self._lines.values()), default=0.0)
            line = self._lines[namespace] = _Tray(least)
        return line

    def _clear_up(self, now: float) -> None:
        for namespace, line in list(self._lines.items()):
            if not line.waiting and line.rests_until <= now:
                del self._lines[namespace]
