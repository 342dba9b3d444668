"""What the API server has made of the statuses that it was given.

It may refuse one, or store it otherwise than it was written: a definition of another release drops
what it does not know, and a webhook changes what it likes. Neither is a reason to write the same
again at each look.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from dnatctl.objects import PodDNAT, PodDNATStatus
from dnatctl.plan.values import Echo, Seen

log = structlog.get_logger(__name__)


class Statuses:
    """By UID of the PodDNAT, as long as it is there. Only the thread that reconciles a name writes
    of it."""

    def __init__(self) -> None:
        self.mute: set[str] = set()
        """Those of which it was refused, the last time."""
        self._echoes: dict[str, Echo] = {}

    def refused(self, uid: str) -> None:
        """A status was not stored."""
        self.mute.add(uid)

    def stored(self, meant: PodDNATStatus, written: PodDNAT) -> None:
        """One was stored, perhaps otherwise than it was meant. (Where no condition is kept at all,
        nobody misses them: see `Policy.keeps_conditions`.)"""
        self.mute.discard(written.uid)
        if written.status == meant or not written.status.conditions:
            self._echoes.pop(written.uid, None)
            return
        if not self._echoes:
            log.warning("status is not stored as it was written", key=str(written.key))
        self._echoes[written.uid] = Echo(meant, written.status)

    def forget(self, uid: str) -> None:
        """The PodDNAT goes."""
        self.mute.discard(uid)
        self._echoes.pop(uid, None)

    def add_to(self, seen: Seen) -> Seen:
        """The same, with what is known here."""
        uid = seen.record.uid if seen.record is not None else ""
        if uid in self.mute or uid in self._echoes:
            return replace(seen, mute=uid in self.mute, echo=self._echoes.get(uid))
        return seen
