"""Which PodDNATs of a namespace come first where it has more than it may have."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from dnatctl.control.world import World
from dnatctl.objects import Key, PodDNAT, PodDNATSpec
from tests.support.clock import FakeClock
from tests.unit.plan.made import spec
from tests.unit.pool.made import QUARANTINE, offer
from tests.unit.table.made import GATEWAY, MARKS, reading, row, uid


def record(number: int, created: str, namespace: str = "games") -> PodDNAT:
    key = Key(namespace, f"pod-{number}")
    return PodDNAT(key, uid(number), "1", spec=spec((600 + number, 80)), created=created)


def places(world: World, numbers: Iterable[int] = (1, 2, 3)) -> list[int]:
    return [world.place_of("games", uid(number)) for number in numbers]


@pytest.fixture
def world() -> World:
    world = World(MARKS, [offer()], QUARANTINE, FakeClock())
    world.record_changed(None, record(2, "2026-01-01T00:00:01Z"))
    world.record_changed(None, record(3, "2026-01-01T00:00:02Z"))
    world.record_changed(None, record(1, "2026-01-01T00:00:02Z"))
    return world


def test_the_older_come_first_then_the_uid_decides(world):
    assert places(world, (2, 1, 3)) == [0, 1, 2]


def test_what_has_a_row_keeps_it_and_counts_before_all_others(world):
    world.table(GATEWAY).merge(reading(1.0, row("fwd-1", owner=uid(3))), 1.0)
    assert places(world, (3, 2, 1)) == [0, 1, 2]


def test_other_namespaces_do_not_count(world):
    world.record_changed(None, record(4, "2025-01-01T00:00:00Z", "other"))
    assert places(world, (2, 1, 3)) == [0, 1, 2]


def test_one_that_is_being_created_comes_last(world):
    world.begin_claim(Key("games", "new"), spec((700, 80)))
    assert places(world, (2, 1, 3)) == [0, 1, 2]


def test_one_that_goes_makes_room_although_it_claimed_nothing(world):
    empty = replace(record(2, "2026-01-01T00:00:01Z"), spec=PodDNATSpec())
    world.record_changed(record(2, "2026-01-01T00:00:01Z"), empty)
    assert world.record_changed(empty, None)
    assert places(world, (1, 3)) == [0, 1]
