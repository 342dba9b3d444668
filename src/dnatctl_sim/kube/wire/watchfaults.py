"""What can be made to go wrong with watches and with lists served from a cache."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from dnatctl_sim.kube.core.collection import Change
from dnatctl_sim.kube.core.store import Placed


@dataclass
class _Group:
    """Changes that are to be told in reverse order once `size` of them are there."""

    size: int
    revisions: list[int] = field(default_factory=list)


class WatchFaults:
    """Changes that watches do not hear of, or hear of late; lists that show the past.

    Collections are named as `ResourceType.key` has it. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._to_swallow: dict[str, int] = {}
        self._swallowed: dict[str, set[int]] = {}
        self._groups: dict[str, list[_Group]] = {}
        self._pinned: dict[str, Placed] = {}
        self._armed = False

    def observe(self, collection: str, change: Change) -> None:
        """Decide the fate of one change, as it is made."""
        if not self._armed:
            return
        with self._lock:
            if self._to_swallow.get(collection, 0) > 0:
                self._to_swallow[collection] -= 1
                self._swallowed.setdefault(collection, set()).add(change.new.revision)
                return
            for group in self._groups.get(collection, ()):
                if len(group.revisions) < group.size:
                    group.revisions.append(change.new.revision)
                    return

    def filter(self, collection: str, changes: Sequence[Change]) -> tuple[Sequence[Change], bool]:
        """Those of `changes` that may be told now, in the order to tell them in.

        Also whether some are held back for later.
        """
        if not self._armed:
            return changes, False
        with self._lock:
            swallowed = self._swallowed.get(collection, set())
            left = [change for change in changes if change.new.revision not in swallowed]
            for group in self._groups.get(collection, ()):
                left, held = _regroup(left, group)
                if held:
                    return left, True
            return left, False

    def swallow(self, collection: str, count: int) -> None:
        """No watch hears of the next `count` changes in `collection`."""
        with self._lock:
            self._armed = True
            self._to_swallow[collection] = self._to_swallow.get(collection, 0) + count

    def reorder(self, collection: str, count: int) -> None:
        """Watches hear of the next `count` changes together, the last one first."""
        with self._lock:
            self._armed = True
            self._groups.setdefault(collection, []).append(_Group(count))

    def pin(self, collection: str, placed: Placed) -> None:
        """Lists that accept any state (resourceVersion=0) show `placed` from now on."""
        with self._lock:
            self._pinned[collection] = placed

    def pinned(self, collection: str) -> Placed | None:
        """What lists that accept any state show; None for the present."""
        return self._pinned.get(collection)

    def unpin(self, collection: str) -> None:
        """Lists show the present again."""
        with self._lock:
            self._pinned.pop(collection, None)

    def clear(self) -> None:
        """No more faults. What was swallowed stays so for watches that have not passed it."""
        with self._lock:
            self._to_swallow.clear()
            self._groups.clear()
            self._pinned.clear()


def _regroup(changes: list[Change], group: _Group) -> tuple[list[Change], bool]:
    """Put the group's changes in reverse order; hold back from the first one while it grows."""
    places = [i for i, change in enumerate(changes) if change.new.revision in group.revisions]
    if not places:
        return changes, False
    if len(group.revisions) < group.size:
        return changes[: places[0]], True
    moved = [changes[i] for i in reversed(places)]
    for place, change in zip(places, moved, strict=True):
        changes[place] = change
    return changes, False
