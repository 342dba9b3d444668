"""Whom the reconciler works with, as far as it knows them."""

from __future__ import annotations

from typing import Protocol

from dnatctl.objects import Key, PodDNAT, PodDNATStatus
from dnatctl.plan.values import Plan, Seen, Step
from dnatctl.table.writes import Write


class Hands(Protocol):
    """Where writes to tables are handed to."""

    def want(self, uid: str, key: Key, writes: tuple[Write, ...]) -> None:
        """Replace what is wanted for that PodDNAT on all tables."""
        ...

    def expedite(self, uid: str) -> None:
        """Rows of that PodDNAT stand in another pod's way."""
        ...

    def read(self, gateway_id: str) -> None:
        """What the table of that gateway lists now is waited for."""
        ...

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        ...


class Keeper(Protocol):
    """Who notes parked claims."""

    def keep(self, record: PodDNAT, status: PodDNATStatus) -> None:
        """That status is about to be written. Raises KubeError."""
        ...

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        ...


class Keepless:
    """Notes nothing."""

    def keep(self, record: PodDNAT, status: PodDNATStatus) -> None:
        """See `Keeper`."""

    def forget(self, uid: str) -> None:
        """See `Keeper`."""


class Reporter(Protocol):
    """Who tells people."""

    def stepped(self, seen: Seen, step: Step, record: PodDNAT | None) -> None:
        """A step was taken; `record` is as the server holds it now."""
        ...

    def judged(self, seen: Seen, made: Plan) -> float | None:
        """Nothing more can be done now: how it stands.

        Returns seconds where it is to be told only then: there are many who have to be told, or
        the API server did not take it.
        """
        ...
