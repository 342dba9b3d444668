"""Whom pollers and writers tell of what they see: the controller at large, and those next door."""

from __future__ import annotations

from typing import Protocol

from dnatctl.objects import Key
from dnatctl.table.view import Change
from dnatctl.table.writes import Write


class Listener(Protocol):
    """The controller at large (`dnatctl.control.state.signals`).

    Every method is quick and may be called from any thread, with no lock of the caller held.
    """

    def changed(self, key: Key) -> None:
        """Something about this record is different now: look again."""
        ...

    def room_made(self) -> None:
        """A row is gone: there may be room for who waits."""
        ...

    def gateway_changed(self, gateway_id: str) -> None:
        """A gateway can be used now, or no longer, or its EIPs are others."""
        ...


class NextDoor(Protocol):
    """Those at work on the same gateway; as quick as the above."""

    def written(self, write: Write, outcome: str) -> None:
        """A write was answered; the outcome is `ok` or an error kind."""
        ...

    def changed(self, changes: list[Change]) -> None:
        """An answer has shown rows otherwise than was known: who waits for that may go on."""
        ...

    def read_soon(self) -> None:
        """The view of the table is in doubt: read it."""
        ...

    def in_doubt(self) -> None:
        """The gateway or an EIP of it is not as it was described: ask again."""
        ...
