"""Orphans: deleted late, seen twice, few at a time; soon where they stand in a pod's way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.table.orphans import (
    BUDGET,
    FEW_OWNERS,
    MANY,
    MIN_AGE_S,
    SHARE,
    URGENT_AGE_S,
    Orphan,
    Sightings,
)

CLAIMED = 100


def orphan(number: int = 1, generation: int = 1, uid: str = "", proven: bool = True) -> Orphan:
    return Orphan("ngw-1", f"fwd-{number}", uid or f"uid-{number}", generation, proven)


def aged(orphans: list[Orphan], claimed: int, sightings: Sightings | None = None) -> Sightings:
    """Sightings of these orphans, each old enough to be deleted."""
    sightings = sightings or Sightings()
    for generation, now in ((1, 0.0), (2, MIN_AGE_S)):
        seen = [replace(orphan, generation=generation) for orphan in orphans]
        sightings.update(seen, claimed, now)
    return sightings


def none(_orphan: Orphan) -> bool:
    return False


def due(sightings: Sightings, now: float) -> list[str]:
    return [found.entry_id for found in sightings.due(now, none)]


def test_an_orphan_is_due_when_seen_in_two_readings_and_old_enough():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], CLAIMED, 0.0)
    sightings.update([orphan(generation=2)], CLAIMED, MIN_AGE_S - 0.1)
    assert due(sightings, MIN_AGE_S - 0.1) == []
    assert due(sightings, MIN_AGE_S) == ["fwd-1"]


def test_one_reading_is_not_enough_however_old():
    sightings = Sightings()
    for now in (0.0, 100.0, 10 * MIN_AGE_S):
        sightings.update([orphan(generation=7)], CLAIMED, now)
    assert due(sightings, 10 * MIN_AGE_S) == []


class TestDeletable:
    """Whatever may be deleted, in this cycle or another; a delete of any other one is void."""

    def test_all_of_age_are_however_many_a_cycle_deletes(self):
        found = [orphan(n, uid="uid") for n in range(BUDGET + 2)]
        sightings = aged(found, 100 * len(found))
        assert len(due(sightings, MIN_AGE_S)) == BUDGET
        names = {each.entry_id for each in sightings.deletable(MIN_AGE_S)}
        assert names == {each.entry_id for each in found}

    def test_a_younger_one_is_not_unless_its_poddnat_was_seen_to_go(self):
        sightings = Sightings()
        sightings.update([orphan(1), replace(orphan(2), bereft=True)], CLAIMED, 0.0)
        assert [each.entry_id for each in sightings.deletable(1.0)] == ["fwd-2"]

    def test_under_the_brake_none_is(self):
        sightings = aged([orphan(n) for n in range(MANY + 1)], CLAIMED)
        assert sightings.braked
        assert sightings.deletable(MIN_AGE_S) == []


def test_one_that_was_claimed_meanwhile_begins_anew():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], CLAIMED, 0.0)
    sightings.update([], CLAIMED, 60.0)
    sightings.update([orphan(generation=2)], CLAIMED, 70.0)
    sightings.update([orphan(generation=3)], CLAIMED, 70.0 + MIN_AGE_S - 1)
    assert due(sightings, 70.0 + MIN_AGE_S - 1) == []
    assert due(sightings, 70.0 + MIN_AGE_S) == ["fwd-1"]


def test_while_nothing_can_be_claimed_nothing_grows_old():
    sightings = aged([orphan()], CLAIMED)
    sightings.begin_anew(MIN_AGE_S)
    assert due(sightings, 2 * MIN_AGE_S - 0.1) == []
    assert due(sightings, 2 * MIN_AGE_S) == ["fwd-1"]


def test_what_cannot_go_takes_nothing_of_the_budget_of_others():
    stuck = [orphan(n) for n in range(BUDGET)]
    sightings = aged(stuck, CLAIMED)
    everything = [*stuck, orphan(8), orphan(9)]
    for generation, now in ((2, MIN_AGE_S), (3, 2 * MIN_AGE_S)):
        seen = [replace(each, generation=generation) for each in everything]
        sightings.update(seen, CLAIMED, now)
    found = sightings.due(2 * MIN_AGE_S, lambda each: each.entry_id < "fwd-8")
    assert [each.entry_id for each in found[:2]] == ["fwd-8", "fwd-9"]
    assert len(found) == BUDGET, "and it is tried again, where there is room"


def test_in_a_pods_way_it_goes_soon_but_not_unseen():
    sightings = Sightings()
    sightings.update([orphan(generation=1), orphan(2, generation=1)], CLAIMED, 0.0)
    sightings.expedite("uid-1")
    assert due(sightings, URGENT_AGE_S) == []
    sightings.update([orphan(generation=2), orphan(2, generation=2)], CLAIMED, URGENT_AGE_S)
    assert due(sightings, URGENT_AGE_S) == ["fwd-1"]


def test_urgency_ends_with_the_last_orphan_of_that_owner():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], CLAIMED, 0.0)
    sightings.expedite("uid-1")
    sightings.update([], CLAIMED, 1.0)
    sightings.update([orphan(generation=2)], CLAIMED, 2.0)
    sightings.update([orphan(generation=3)], CLAIMED, 2.0 + URGENT_AGE_S)
    assert due(sightings, 2.0 + URGENT_AGE_S) == []


def test_few_at_a_time_the_oldest_first():
    sightings = Sightings()
    present: list[Orphan] = []
    for number in range(2 * BUDGET):
        present.append(orphan(number))
        sightings.update(present, CLAIMED, float(-number))
    sightings.update([orphan(number, generation=2) for number in range(2 * BUDGET)], CLAIMED, 1.0)
    late = 10 * MIN_AGE_S
    assert due(sightings, late) == [f"fwd-{n}" for n in range(2 * BUDGET - 1, BUDGET - 1, -1)]
    assert len(due(sightings, late)) == BUDGET


def test_what_is_due_is_as_it_was_last_seen():
    sightings = Sightings()
    sightings.update([orphan(generation=1)], CLAIMED, 0.0)
    sightings.update([orphan(generation=5)], CLAIMED, 1.0)
    assert sightings.due(MIN_AGE_S, none) == [orphan(generation=5)]


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize(
    ("orphans", "claimed", "goes"),
    [
        (MANY, 1000, True),
        (MANY + 1, 1000, False),
        (3, 3 * SHARE, True),
        (3, 3 * SHARE - 1, False),
        (4, 0, False),
    ],
)
def test_too_many_orphans_are_left_to_a_person(
    orphans: int, claimed: int, goes: bool, proven: bool
) -> None:
    sightings = aged([orphan(number, proven=proven) for number in range(orphans)], claimed)
    assert sightings.braked is not goes
    assert len(due(sightings, MIN_AGE_S)) == (min(orphans, BUDGET) if goes else 0)
    assert len(sightings.held(MIN_AGE_S)) == (0 if goes else orphans)


@pytest.mark.parametrize("proven", [True, False])
def test_what_a_crash_left_goes_where_little_is_claimed_if_it_is_certainly_ours(
    proven: bool,
) -> None:
    orphans = [orphan(n, uid=f"uid-{n % FEW_OWNERS}", proven=proven) for n in range(4)]
    assert bool(due(aged(orphans, 0), MIN_AGE_S)) is proven


def test_the_brake_holds_until_no_orphan_is_left():
    sightings = aged([orphan(number) for number in range(MANY + 1)], CLAIMED)
    sightings.update([orphan(1, 3)], CLAIMED, MIN_AGE_S)
    assert due(sightings, MIN_AGE_S) == []
    sightings.update([], CLAIMED, MIN_AGE_S)
    assert not sightings.braked


def test_the_brake_of_the_last_leader_holds_as_well():
    assert due(aged([orphan()], CLAIMED, Sightings(braked=True)), MIN_AGE_S) == []


def test_what_leads_to_a_living_pod_goes_although_the_rest_is_held():
    sightings = Sightings()
    sightings.update([orphan(n, proven=False) for n in range(5)], 0, 0.0)
    sightings.expedite("uid-3")
    sightings.update([orphan(n, 2, proven=False) for n in range(5)], 0, URGENT_AGE_S)
    assert due(sightings, URGENT_AGE_S) == ["fwd-3"]


@pytest.mark.parametrize(("said_of", "goes"), [(MANY, True), (MANY + 1, False)])
def test_but_not_where_that_is_said_of_many(said_of, goes):
    sightings = Sightings()
    sightings.update([orphan(n) for n in range(MANY + 1)], 0, 0.0)
    for n in range(said_of):
        sightings.expedite(f"uid-{n}")
    sightings.update([orphan(n, 2) for n in range(MANY + 1)], 0, URGENT_AGE_S)
    assert bool(due(sightings, URGENT_AGE_S)) is goes


def test_what_a_vanished_poddnat_left_is_due_at_once_and_counts_for_nothing():
    left = [replace(orphan(number), bereft=True) for number in range(2 * MANY)]
    sightings = Sightings()
    sightings.update([*left, orphan(99)], CLAIMED, 0.0)
    assert not sightings.braked
    assert due(sightings, 0.0) == [one.entry_id for one in left]
    assert sightings.held(0.0) == []


def test_doubtful_ones_are_held_beside_it():
    left = replace(orphan(99), bereft=True)
    doubtful = [orphan(number) for number in range(MANY + 1)]
    sightings = aged([*doubtful, left], CLAIMED)
    assert sightings.braked
    assert due(sightings, MIN_AGE_S) == ["fwd-99"]
    assert len(sightings.held(MIN_AGE_S)) == MANY + 1


def test_one_that_somebody_waits_for_is_read_once_more():
    """Tables at rest are read seldom."""
    sightings = Sightings()
    sightings.update([orphan(1), orphan(2)], CLAIMED, 0.0)
    assert sightings.unproven() == set()
    sightings.expedite("uid-1")
    assert sightings.unproven() == {"ngw-1"}
    sightings.update([orphan(1, 2), orphan(2, 2)], CLAIMED, 1.0)
    assert sightings.unproven() == set()
