"""The desk of one table: where workers leave what they want written, and the writer takes it."""

from __future__ import annotations

import threading

from dnatctl.clock import Clock
from dnatctl.control.wishes import Wish, Wishes
from dnatctl.model import NewEntry
from dnatctl.plan.values import Refusal, Write


class Desk:
    """`Wishes` behind a lock; `_changed` is notified when there may be something to send."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wishes = Wishes()
        self._changed = threading.Condition()

    def want(
        self, uid: str, namespace: str, writes: tuple[Write, ...], *, orphan: bool = False
    ) -> None:
        """Replace what is wanted for that PodDNAT."""
        with self._changed:
            if self._wishes.want(uid, namespace, writes, orphan=orphan):
                self._changed.notify()

    def expedite(self, uid: str) -> None:
        """Deletes for that PodDNAT go first: its rows stand in another pod's way."""
        with self._changed:
            self._wishes.expedite(uid)
            self._changed.notify()

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        with self._changed:
            self._wishes.forget(uid)

    def unanswered(self, uid: str) -> bool:
        """Whether a write for that PodDNAT is under way or its outcome unknown."""
        with self._changed:
            return self._wishes.unanswered(uid)

    def refusals(self, uid: str) -> dict[NewEntry, Refusal]:
        """What the cloud last refused for that PodDNAT."""
        with self._changed:
            return self._wishes.refusals(uid)

    def hindrances(self, uid: str) -> dict[str, str]:
        """What keeps rows of that PodDNAT from being deleted, by row ID."""
        with self._changed:
            return self._wishes.hindrances(uid)

    def hinder(self, wish: Wish, why: str) -> bool:
        """Note what the delete of a row was answered; returns whether that is news."""
        with self._changed:
            return self._wishes.hinder(wish, why)

    def busy(self) -> bool:
        """Whether there is more to write right now."""
        with self._changed:
            return self._wishes.sending is not None or self._wishes.due(self._clock.monotonic())

    def room_made(self, rows: int) -> None:
        """So many rows are gone from the table: what was refused for quota may be tried again."""
        with self._changed:
            if self._wishes.room_made(rows, self._clock.monotonic()):
                self._changed.notify()

    def backlog(self) -> int:
        """How many writes wait."""
        with self._changed:
            return len(self._wishes)
