"""Orphans: rows with our mark that no PodDNAT claims, and when one may be deleted.

An orphan is what a crash at the worst moment leaves behind. It may also be a row whose PodDNAT is
merely not seen yet, so it is deleted only if seen in two readings, for some time, and after
Kubernetes was asked afresh; and only so many at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MIN_AGE_S = 120.0
URGENT_AGE_S = 5.0
BUDGET = 5
"""Orphans deleted in one cycle: should all of this be wrong, little is lost at a time."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How sure one must be. Ages in seconds since the first sighting; `urgent_s` where the row
    stands in a living pod's way; `budget`: orphans deleted in one cycle.
    """

    age_s: float = MIN_AGE_S
    urgent_s: float = URGENT_AGE_S
    budget: int = BUDGET


USUAL = Patience()


@dataclass(frozen=True, slots=True)
class Orphan:
    """A row with our mark whose PodDNAT is not known."""

    gateway_id: str
    entry_id: str
    uid: str
    generation: int


@dataclass(slots=True)
class _Sighting:
    orphan: Orphan
    first: float
    generation: int


@dataclass(slots=True)
class Sightings:
    """Orphans seen so far."""

    patience: Patience = USUAL
    _seen: dict[str, _Sighting] = field(default_factory=dict)
    _urgent: set[str] = field(default_factory=set)

    def expedite(self, uid: str) -> None:
        """Rows of that PodDNAT stand in a living pod's way."""
        self._urgent.add(uid)

    def update(self, orphans: Iterable[Orphan], now: float) -> None:
        """Take in all orphans there are now; those not among them are forgotten."""
        current = {orphan.entry_id: orphan for orphan in orphans}
        for entry_id in self._seen.keys() - current.keys():
            del self._seen[entry_id]
        self._urgent &= {orphan.uid for orphan in current.values()}
        for entry_id, orphan in current.items():
            if entry_id in self._seen:
                self._seen[entry_id].orphan = orphan
            else:
                self._seen[entry_id] = _Sighting(orphan, now, orphan.generation)

    def due(self, now: float) -> list[Orphan]:
        """Orphans that may be deleted once Kubernetes has been asked, oldest first."""
        ready = [s for s in self._seen.values() if self._is_due(s, now)]
        return [s.orphan for s in sorted(ready, key=lambda s: s.first)[: self.patience.budget]]

    def _is_due(self, sighting: _Sighting, now: float) -> bool:
        urgent = sighting.orphan.uid in self._urgent
        age = self.patience.urgent_s if urgent else self.patience.age_s
        twice = sighting.orphan.generation > sighting.generation
        return twice and now - sighting.first >= age
