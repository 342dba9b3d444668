"""Leader election by a Lease, with what the leader tells its successor in an annotation of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from dnatctl.clock import Clock
from dnatctl.kube.client import KubeClient
from dnatctl.objects import Key


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Times in seconds. Raises ValueError unless duration > deadline > 1.2 x retry."""

    duration: float = 15.0
    """Others may take the Lease when it has not changed for this long."""
    renew_deadline: float = 10.0
    """The leader stops when it could not renew for this long."""
    retry_period: float = 2.0
    """Between tries; also the longest that one request may take."""


@dataclass(frozen=True, slots=True)
class LeaseCallbacks:
    """What the elector asks and tells. All but `on_lost` run on its thread and must be quick."""

    on_started: Callable[[str], None]
    """Leading now; given the handover state which the previous leader left ("" if none)."""
    on_lost: Callable[[], None]
    """Not leading any more, before another may be: stop every write at once."""
    handover: Callable[[], str]
    """The state to store with the next renewal."""
    on_renewed: Callable[[str], None]
    """This handover state is stored now."""


class LeaseElector:
    """Holds, or waits for, one Lease. One thread waits and renews, one watches the deadline."""

    def __init__(
        self,
        client: KubeClient,
        lease: Key,
        identity: str,
        callbacks: LeaseCallbacks,
        *,
        clock: Clock,
        settings: LeaseSettings | None = None,
        random: Random | None = None,
        force: bool = False,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the threads, daemons."""
        raise NotImplementedError

    def is_leader(self) -> bool:
        """Whether this process may write now: renewed within the renew deadline."""
        raise NotImplementedError

    def leader(self) -> str:
        """The identity last seen in the Lease, "" if none."""
        raise NotImplementedError

    def renew_soon(self) -> None:
        """Hasten the next renewal, to store a new handover state; at most every 0.5 s."""
        raise NotImplementedError

    def stop(self, *, release: bool = True, timeout: float = 5.0) -> None:
        """Stop trying; with `release` give the Lease back so that another may take it at once.

        To be called after the guarded work has ended. `on_lost` is not called.
        """
        raise NotImplementedError
