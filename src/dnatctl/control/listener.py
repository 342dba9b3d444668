"""What pollers, writers and gateways tell of what they see; `dnatctl.control.hub` listens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from dnatctl.objects import Key
from dnatctl.table.writes import Write


class Listener(Protocol):
    """Every method is quick and may be called from any thread, with no lock of the caller held."""

    def changed(self, key: Key) -> None:
        """Something about this record is different now: look again."""
        ...

    def room_made(self) -> None:
        """A row is gone: there may be room for who waits."""
        ...

    def rows_gone(self, entry_ids: Iterable[str]) -> None:
        """These rows do not exist any more."""
        ...

    def read_soon(self, gateway_id: str) -> None:
        """The view of the table is in doubt: read it."""
        ...

    def gateway_in_doubt(self, gateway_id: str) -> None:
        """A gateway or an EIP of it is not as it was described: ask again."""
        ...

    def gateway_changed(self, gateway_id: str) -> None:
        """A gateway can be used now, or no longer, or its EIPs are others."""
        ...

    def modify_denied(self) -> None:
        """The credentials do not allow ModifyForwardEntry."""
        ...

    def written(self, gateway_id: str, write: Write, outcome: str) -> None:
        """A write was answered (for metrics); the outcome is `ok` or an error kind."""
        ...
