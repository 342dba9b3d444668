"""Orphans: deleted late, seen twice, few at a time; soon where they stand in a pod's way."""

from __future__ import annotations

from dnatctl.plan.orphans import BUDGET, MIN_AGE_S, URGENT_AGE_S, Orphan, Sightings


def orphan(number: int = 1, generation: int = 1, uid: str = "") -> Orphan:
    return Orphan("ngw-1", f"fwd-{number}", uid or f"uid-{number}", generation)


def due(sightings: Sightings, now: float) -> list[str]:
    return [found.entry_id for found in sightings.due(now)]


def test_an_orphan_is_due_when_seen_in_two_readings_and_old_enough():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], 0.0)
    sightings.update([orphan(generation=2)], MIN_AGE_S - 0.1)
    assert due(sightings, MIN_AGE_S - 0.1) == []
    assert due(sightings, MIN_AGE_S) == ["fwd-1"]


def test_one_reading_is_not_enough_however_old():
    sightings = Sightings()
    for now in (0.0, 100.0, 10 * MIN_AGE_S):
        sightings.update([orphan(generation=7)], now)
    assert due(sightings, 10 * MIN_AGE_S) == []


def test_one_that_was_claimed_meanwhile_begins_anew():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], 0.0)
    sightings.update([], 60.0)
    sightings.update([orphan(generation=2)], 70.0)
    sightings.update([orphan(generation=3)], 70.0 + MIN_AGE_S - 1)
    assert due(sightings, 70.0 + MIN_AGE_S - 1) == []
    assert due(sightings, 70.0 + MIN_AGE_S) == ["fwd-1"]


def test_in_a_pods_way_it_goes_soon_but_not_unseen():
    sightings = Sightings()
    sightings.update([orphan(generation=1), orphan(2, generation=1)], 0.0)
    sightings.expedite("uid-1")
    assert due(sightings, URGENT_AGE_S) == []
    sightings.update([orphan(generation=2), orphan(2, generation=2)], URGENT_AGE_S)
    assert due(sightings, URGENT_AGE_S) == ["fwd-1"]


def test_urgency_ends_with_the_last_orphan_of_that_owner():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], 0.0)
    sightings.expedite("uid-1")
    sightings.update([], 1.0)
    sightings.update([orphan(generation=2)], 2.0)
    sightings.update([orphan(generation=3)], 2.0 + URGENT_AGE_S)
    assert due(sightings, 2.0 + URGENT_AGE_S) == []


def test_few_at_a_time_the_oldest_first():
    sightings = Sightings()
    present: list[Orphan] = []
    for number in range(2 * BUDGET):
        present.append(orphan(number))
        sightings.update(present, float(-number))
    sightings.update([orphan(number, generation=2) for number in range(2 * BUDGET)], 1.0)
    late = 10 * MIN_AGE_S
    assert due(sightings, late) == [f"fwd-{n}" for n in range(2 * BUDGET - 1, BUDGET - 1, -1)]
    assert len(due(sightings, late)) == BUDGET


def test_what_is_due_is_as_it_was_last_seen():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], 0.0)
    sightings.update([orphan(generation=5)], 1.0)
    assert sightings.due(MIN_AGE_S) == [orphan(generation=5)]
