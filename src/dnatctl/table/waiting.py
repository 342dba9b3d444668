"""What waits for one table, asked about: of which kinds it is, and what keeps it from being done.

Questions only: what waits, and what comes of it, is the backlog's. Pure, nothing is locked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dnatctl.model import NewEntry
from dnatctl.table.standstill import LASTS_S
from dnatctl.table.unready import Unready, target_of
from dnatctl.table.vain import InVain
from dnatctl.table.writes import (
    CreateRow,
    DeleteRow,
    PendingWrite,
    Refusal,
    Write,
    in_words,
)

FEW = 3
"""Refusals in a row as busy of one create, on an external IP that was given up, that are enough."""


@dataclass(slots=True)
class Remembered:
    """What is remembered of one PodDNAT. `forgotten`: it is gone; only its writes matter still."""

    pending: list[PendingWrite] = field(default_factory=list)
    attempts: Counter[NewEntry] = field(default_factory=Counter)
    refusals: dict[NewEntry, Refusal] = field(default_factory=dict)
    hindrances: dict[str, str] = field(default_factory=dict)
    forgotten: bool = False

    @property
    def spent(self) -> bool:
        """Whether there is nothing left to remember."""
        remembered = self.attempts or self.refusals or self.hindrances
        return not self.pending and (self.forgotten or not remembered)


class BacklogView:
    """Of the wanted writes of one table, by the UID of their PodDNAT."""

    def __init__(self, records: Mapping[str, Remembered], unready: Unready, vain: InVain) -> None:
        self._records = records
        self._unready = unready
        self._vain = vain

    def deletes(self, uid: str) -> list[str]:
        """The IDs of the rows whose deletes wait for that PodDNAT."""
        record = self._records.get(uid)
        pending = record.pending if record else ()
        return [p.write.entry_id for p in pending if isinstance(p.write, DeleteRow)]

    def orphans(self) -> dict[str, list[DeleteRow]]:
        """The deletes that no PodDNAT wants: those of orphans, by the UID that the rows bear."""
        found: dict[str, list[DeleteRow]] = {}
        for uid, record in self._records.items():
            for pending in record.pending if record.forgotten else ():
                if pending.wanted and isinstance(pending.write, DeleteRow):
                    found.setdefault(uid, []).append(pending.write)
        return found

    def kinds(self) -> set[type[Write]]:
        """The kinds of writes that wait."""
        return {type(p.write) for record in self._records.values() for p in record.pending}

    def unready(self, uid: str) -> str:
        """Why rows of that PodDNAT are not made, where others of the table are; else empty."""
        record = self._records.get(uid)
        pending = record.pending if record else ()
        creates = (p.write for p in pending if isinstance(p.write, CreateRow))
        return next(filter(None, (self._unready.why(target_of(w)) for w in creates)), "")

    def unready_ips(self) -> dict[str, str]:
        """The external IPs on which no row that is wanted has been made for long, and why."""
        pending = (p.write for record in self._records.values() for p in record.pending)
        ips = {write.entry.external_ip for write in pending if isinstance(write, CreateRow)}
        return {ip: why for ip in sorted(ips) if (why := self._unready.why(ip, LASTS_S))}

    def in_vain(self) -> list[str]:
        """The wanted writes that the cloud has accepted again and again and not done, in words."""
        return [
            in_words(pending.write)
            for uid, record in self._records.items()
            for pending in record.pending
            if self._vain.is_told(uid, pending.write)
        ]

    def is_apart(self, pending: PendingWrite) -> bool:
        """Whether the table takes others, so that it is not busy if it refuses this one as such."""
        return self._unready.apart(target_of(pending.write))

    def is_given_up(self, pending: PendingWrite) -> bool:
        """Whether a create was refused as busy that is not: the table has long taken others."""
        certain = pending.turned_away >= FEW and pending.lost_at is None
        return certain and bool(self.given_up_ip(pending))

    def given_up_ip(self, pending: PendingWrite) -> str:
        """The external IP of a create, if creates there have long been refused as busy; else empty.
        Where there are many, none of them may be tried often enough to be certain of itself."""
        target = target_of(pending.write)
        create = isinstance(pending.write, CreateRow)
        return target if create and self._unready.given_up(target) else ""

    def held_up(self, pending: PendingWrite) -> bool:
        """Whether its row has long been refused alone."""
        return bool(self._unready.why(target_of(pending.write), LASTS_S))
