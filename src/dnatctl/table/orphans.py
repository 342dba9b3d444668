"""Orphans: rows with our mark that no PodDNAT claims, and when one may be deleted.

An orphan is what a crash at the worst moment leaves behind. It may also be a row whose PodDNAT is
merely not seen yet, so it is deleted only if seen in two readings, for some time, and after
Kubernetes was asked afresh; and only so many at a time.

What a PodDNAT leaves behind that was seen to vanish (somebody took its finalizer off by force) is
no doubtful case: it goes as soon as Kubernetes, asked afresh, does not know that PodDNAT any more.

Many orphans at once are no leftovers of a crash: another cluster works with a copy of this one's
configuration, or PodDNATs were lost. Then none is deleted until a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from dnatctl.objects import Key

MIN_AGE_S = 120.0
URGENT_AGE_S = 5.0
BUDGET = 5
"""Orphans deleted in one cycle: should all of this be wrong, little is lost at a time."""

MANY = 10
SHARE = 5
"""More than so many orphans are too many, and so is more than one for so many claimed rows."""
FEW_OWNERS = 2
"""What was certainly made here, for so many PodDNATs at most, is a usual leftover, whatever its
share is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How sure one must be. Ages in seconds since the first sighting; `urgent_s` where the row
    stands in a living pod's way; `budget`: orphans deleted in one cycle; `many`: more of them are
    not deleted without a person's word.
    """

    age_s: float = MIN_AGE_S
    urgent_s: float = URGENT_AGE_S
    budget: int = BUDGET
    many: int = MANY


USUAL = Patience()


@dataclass(frozen=True, slots=True)
class Orphan:
    """A row with our mark whose PodDNAT is not known. `proven`: this cluster certainly made it.
    `bereft`: its PodDNAT was seen to vanish, so that there is nothing to wait for. `leads_to`: the
    pods that have its address.
    """

    gateway_id: str
    entry_id: str
    uid: str
    generation: int
    proven: bool = True
    bereft: bool = False
    leads_to: frozenset[Key] = frozenset()


@dataclass(slots=True)
class _Sighting:
    orphan: Orphan
    first: float
    generation: int


@dataclass(slots=True)
class Sightings:
    """Orphans seen so far. `braked`: there were too many; so it stays until none is left."""

    patience: Patience = USUAL
    braked: bool = False
    _seen: dict[str, _Sighting] = field(default_factory=dict)
    _urgent: set[str] = field(default_factory=set)

    def expedite(self, uid: str) -> None:
        """Rows of that PodDNAT stand in a living pod's way."""
        self._urgent.add(uid)

    def update(self, orphans: Iterable[Orphan], claimed: int, now: float) -> None:
        """Take in all orphans there are now; those not among them are forgotten.

        `claimed`: own rows that are none.
        """
        current = {orphan.entry_id: orphan for orphan in orphans}
        for entry_id in self._seen.keys() - current.keys():
            del self._seen[entry_id]
        self._urgent &= {orphan.uid for orphan in current.values()}
        for entry_id, orphan in current.items():
            if entry_id in self._seen:
                self._seen[entry_id].orphan = orphan
            else:
                self._seen[entry_id] = _Sighting(orphan, now, orphan.generation)
        doubtful = [orphan for orphan in current.values() if not orphan.bereft]
        self.braked = bool(doubtful) and (self.braked or self._too_many(doubtful, claimed))

    def begin_anew(self, now: float) -> None:
        """Nobody can claim anything just now: how long that lasts says nothing against a row."""
        for sighting in self._seen.values():
            sighting.first = now

    def due(self, now: float, is_stuck: Callable[[Orphan], bool]) -> list[Orphan]:
        """Orphans that may be deleted once Kubernetes has been asked, oldest first.

        Last those that are stuck: what cannot go just now takes nothing of the budget of others.
        """
        ready = self._ready(now)
        ready.sort(key=lambda s: (is_stuck(s.orphan), s.first))
        oldest = [s.orphan for s in ready]
        return [*self._bereft(), *oldest[: self.patience.budget]]

    def deletable(self, now: float) -> list[Orphan]:
        """Orphans that may be deleted, in whatever cycle: a delete of any other one is void."""
        return [*self._bereft(), *(sighting.orphan for sighting in self._ready(now))]

    def unproven(self) -> set[str]:
        """Gateways whose table is to be read once more, as a living pod waits for what of it was
        seen in one reading only."""
        waited_for = (s for s in self._seen.values() if s.orphan.uid in self._urgent)
        return {s.orphan.gateway_id for s in waited_for if s.orphan.generation == s.generation}

    def held(self, now: float) -> list[Orphan]:
        """Orphans that would be deleted if there were not so many."""
        if not self.braked:
            return []
        return [s.orphan for s in self._of_age(now) if not self._is_in_the_way(s)]

    def _too_many(self, orphans: Collection[Orphan], claimed: int) -> bool:
        if len(orphans) > self.patience.many:
            return True
        owners = {orphan.uid for orphan in orphans}
        usual = len(owners) <= FEW_OWNERS and all(orphan.proven for orphan in orphans)
        return len(orphans) * SHARE > claimed and not usual

    def _is_in_the_way(self, sighting: _Sighting) -> bool:
        """Whether it goes however many there are: it leads to the address of a living pod of this
        cluster, so that no other cluster is served by it. Not so if that is said of many."""
        return sighting.orphan.uid in self._urgent and len(self._urgent) <= self.patience.many

    def _bereft(self) -> list[Orphan]:
        return [s.orphan for s in self._seen.values() if s.orphan.bereft]

    def _ready(self, now: float) -> list[_Sighting]:
        return [s for s in self._of_age(now) if not self.braked or self._is_in_the_way(s)]

    def _of_age(self, now: float) -> list[_Sighting]:
        doubtful = (sighting for sighting in self._seen.values() if not sighting.orphan.bereft)
        return [sighting for sighting in doubtful if self._is_of_age(sighting, now)]

    def _is_of_age(self, sighting: _Sighting, now: float) -> bool:
        urgent = sighting.orphan.uid in self._urgent
        age = self.patience.urgent_s if urgent else self.patience.age_s
        twice = sighting.orphan.generation > sighting.generation
        return twice and now - sighting.first >= age
