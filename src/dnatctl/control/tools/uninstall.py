"""Away again: everything of ours out of the cloud and the cluster, in an order that loses nothing.

First nobody is told of the entries any more, then they go, then the PodDNATs that say whose they
are, and the ledger last: whatever fails on the way, what is left still says what it is, and the
same command goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from dnatctl.control.tools.collector import Collector
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.leftovers import Leftovers, MarkedPod
from dnatctl.model import ForwardEntry
from dnatctl.objects import PodDNAT
from dnatctl.table.orphans import Orphan

Row = tuple[Orphan, ForwardEntry]

_TRIES = 5
"""With a PodDNAT that others write to meanwhile. The cluster cleaning up does so once or twice."""

_CHANGED = frozenset({Failure.CONFLICT, Failure.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is. `doubtful`: entries that may be another cluster's with the same cluster ID;
    `kept`: PodDNATs that are left alone with their entries, and why.
    """

    rows: list[Row] = field(default_factory=list)
    doubtful: list[Row] = field(default_factory=list)
    records: list[PodDNAT] = field(default_factory=list)
    kept: list[tuple[PodDNAT, str]] = field(default_factory=list)
    pods: list[MarkedPod] = field(default_factory=list)
    ledger: list[str] = field(default_factory=list)


class Uninstaller:
    """Takes away what a survey has found; `entries` is None where entries are to stay."""

    def __init__(self, leftovers: Leftovers, entries: Collector | None) -> None:
        self._leftovers = leftovers
        self._entries = entries

    def survey(self, timeout: float) -> Survey:
        """Look at everything. Raises KubeError, TimeoutError and ValueError."""
        rows = self._entries.find(timeout) if self._entries else []
        records = self._leftovers.records()
        known = {record.uid for record in records}
        sure = [row for row in rows if row[0].proven or row[0].uid in known]
        reasons = [(record, self._why_kept(record, rows)) for record in records]
        kept = {record.uid for record, why in reasons if why}
        return Survey(
            rows=[row for row in sure if row[0].uid not in kept],
            doubtful=[row for row in rows if row not in sure],
            records=[record for record, why in reasons if not why],
            kept=[(record, why) for record, why in reasons if why],
            pods=self._leftovers.pods(),
            ledger=self._leftovers.ledger(),
        )

    def remove(self, found: Survey, patience: float) -> list[str]:
        """Take it all away; what is left in the end, in words.

        Gives up with entries where none has gone for `patience` seconds.
        """
        left = self._unmark(found.pods)
        held = self._withdraw(found.records)
        stay = self._delete_rows([row for row in found.rows if row[0].uid not in held], patience)
        held |= {orphan.uid: "its entries are there still" for orphan, _ in stay}
        left += [f"forward entry {o.entry_id} of {o.gateway_id}: {why}" for o, why in stay]
        for record in found.records:
            why = held.get(record.uid) or self._tried(record, self._leftovers.free)
            left += [f"PodDNAT {record.key}: {why}"] if why else []
        left += [f"PodDNAT {record.key}: {why}" for record, why in found.kept]
        if not left:
            for name in found.ledger:
                self._leftovers.strike(name)
        return left

    def _why_kept(self, record: PodDNAT, rows: Iterable[Row]) -> str:
        if self._entries is None:
            return ""
        gateway = record.spec.gateway_id
        table = self._entries.table(gateway)
        if gateway and table is None:
            return f"names gateway {gateway}, which the configuration does not: add it there"
        ours = {entry.entry_id for _, entry in rows}
        foreign = [
            entry.entry_id
            for entry in record.status.entries
            if table is not None and table.row(entry.entry_id) and entry.entry_id not in ours
        ]
        if foreign:
            return f"its entries ({', '.join(foreign[:3])}) were made by another program"
        return ""

    def _delete_rows(self, rows: Collection[Row], patience: float) -> list[tuple[Orphan, str]]:
        if self._entries is None or not rows:
            return []
        return self._entries.delete([orphan for orphan, _ in rows], patience)

    def _withdraw(self, records: Iterable[PodDNAT]) -> dict[str, str]:
        """Why some still list their entries, by UID: those have to stay, as people are told of
        them."""
        if self._entries is None:
            return {}
        tried = ((record, self._tried(record, self._leftovers.withdraw)) for record in records)
        return {record.uid: f"it lists its entries still: {why}" for record, why in tried if why}

    def _tried(self, record: PodDNAT, step: Callable[[PodDNAT], str | None]) -> str:
        """Take a step with a PodDNAT as it is now, though others change it or take it away
        meanwhile; what is in the way in the end, "" if nothing is."""
        why, now = "", record
        for attempt in range(_TRIES):
            try:
                if attempt:
                    found = self._leftovers.again(record)
                    if found is None:
                        return ""
                    now = found
                return step(now) or ""
            except KubeError as error:
                why = str(error)
                if error.failure not in _CHANGED:
                    break
        return why

    def _unmark(self, pods: Iterable[MarkedPod]) -> list[str]:
        left = []
        for pod in pods:
            try:
                self._leftovers.unmark(pod)
            except KubeError as error:
                left.append(f"condition or annotation of pod {pod.key}: {error}")
        return left
