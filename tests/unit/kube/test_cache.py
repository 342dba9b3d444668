"""The cache in the cases that matter most, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dnatctl.kube.cache import Cache
from dnatctl.objects import Key


@dataclass(frozen=True)
class Thing:
    name: str
    version: int = 1
    uid: str = "u"

    @property
    def key(self) -> Key:
        return Key("default", self.name)

    @property
    def resource_version(self) -> str:
        return str(self.version)


KEY = Thing("a").key


@pytest.fixture
def cache() -> Cache[Thing]:
    return Cache()


@pytest.fixture
def changes(cache: Cache[Thing]) -> list[tuple[Thing | None, Thing | None]]:
    told: list[tuple[Thing | None, Thing | None]] = []
    cache.on_change(lambda old, new: told.append((old, new)))
    return told


Changes = list[tuple[Thing | None, Thing | None]]


def test_a_late_handler_is_told_of_everything_there_is(cache: Cache[Thing]) -> None:
    cache.replace([Thing("a"), Thing("b")], "5")
    told: Changes = []
    cache.on_change(lambda old, new: told.append((old, new)))
    assert told == [(None, Thing("a")), (None, Thing("b"))]


def test_a_list_tells_only_of_differences(cache: Cache[Thing], changes: Changes) -> None:
    cache.replace([Thing("a"), Thing("b"), Thing("c")], "5")
    changes.clear()
    cache.replace([Thing("a"), Thing("b", 6), Thing("d", 7)], "8")
    assert changes == [
        (Thing("c"), None),
        (Thing("b"), Thing("b", 6)),
        (None, Thing("d", 7)),
    ]


def test_a_recreated_object_is_the_end_of_the_old_and_a_new_one(
    cache: Cache[Thing], changes: Changes
) -> None:
    old, new = Thing("a", 3, "old"), Thing("a", 9, "new")
    cache.replace([old], "5")
    cache.replace([new], "10")
    assert changes == [(None, old), (old, None), (None, new)]


def test_a_list_from_before_an_own_write_does_not_undo_it(
    cache: Cache[Thing], changes: Changes
) -> None:
    cache.replace([Thing("a", 3)], "5")
    cache.note_written(Thing("a", 9))
    cache.note_written(Thing("b", 8))
    cache.replace([Thing("a", 3)], "7")
    assert {held.name: held.version for held in cache.values()} == {"a": 9, "b": 8}


def test_a_list_from_after_an_own_write_counts(cache: Cache[Thing]) -> None:
    cache.note_written(Thing("a", 9))
    cache.replace([], "10")
    assert cache.values() == []


def test_a_late_answer_does_not_bring_back_what_the_news_ended(cache: Cache[Thing]) -> None:
    cache.apply(Thing("a", 4))
    cache.remove(KEY, "u", "6")
    cache.note_written(Thing("a", 5))
    assert cache.get(KEY) is None


def test_late_news_do_not_bring_back_what_an_own_write_ended(cache: Cache[Thing]) -> None:
    cache.apply(Thing("a", 4))
    cache.note_deleted(KEY, "u")
    cache.apply(Thing("a", 5))
    cache.replace([Thing("a", 5)], "5")
    assert cache.get(KEY) is None
    cache.remove(KEY, "u", "6")
    cache.apply(Thing("a", 7, "another"))
    assert cache.holds(KEY, "another")


def test_nothing_is_remembered_of_what_has_ended(cache: Cache[Thing]) -> None:
    cache.apply(Thing("a", 4))
    cache.note_deleted(KEY, "u")
    cache.remove(KEY, "u", "6")
    cache.note_deleted(KEY, "u")
    cache.apply(Thing("b", 7, "v"))
    cache.note_deleted(Key("default", "b"), "v")
    cache.replace([], "9")
    assert cache._ended == {}


def test_what_was_looked_up_is_held_no_more_unless_the_news_brought_it(cache: Cache[Thing]) -> None:
    found = Thing("a", 4)
    cache.hold(found)
    cache.unhold(found)
    cache.unhold(found)
    assert cache.get(KEY) is None
    cache.apply(Thing("a", 5))
    cache.hold(found)
    cache.unhold(found)
    assert cache.get(KEY) == Thing("a", 5)


def test_the_end_of_a_predecessor_does_not_end_its_successor(cache: Cache[Thing]) -> None:
    cache.note_written(Thing("a", 9, "new"))
    cache.remove(KEY, "old", "8")
    cache.note_deleted(KEY, "old")
    cache.apply(Thing("a", 7, "old"))
    assert cache.holds(KEY, "new")


def test_after_a_restore_only_the_list_counts(cache: Cache[Thing]) -> None:
    cache.apply(Thing("a", 100))
    cache.apply(Thing("b", 101))
    cache.note_written(Thing("c", 120))
    cache.note_deleted(Key("default", "b"), "u")
    cache.replace([Thing("a", 50), Thing("b", 40)], "60", reset=True)
    assert {held.name: held.version for held in cache.values()} == {"a": 50, "b": 40}
    cache.note_written(Thing("a", 61))
    assert cache.get(KEY) == Thing("a", 61)


def test_what_is_missing_after_a_restore_was_lost_and_not_deleted(cache: Cache[Thing]) -> None:
    told: list[tuple[Thing, bool]] = []

    def gone(old: Thing | None, new: Thing | None) -> None:
        if old is not None and new is None:
            told.append((old, cache.went_back))

    before = Thing("a", 70), Thing("b", 71, "b-1"), Thing("c", 72), Thing("d", 73)
    cache.replace(before, "80")
    cache.on_change(gone)
    cache.replace([Thing("b", 50, "b-0"), Thing("c", 51), Thing("d", 52)], "60", reset=True)
    cache.replace([Thing("c", 51)], "61")
    cache.remove(Thing("c").key, "u", "62")
    assert told == [
        (Thing("a", 70), True),
        (Thing("b", 71, "b-1"), True),
        (Thing("d", 52), False),
        (Thing("b", 50, "b-0"), False),
        (Thing("c", 51), False),
    ]


def test_what_a_list_could_not_read_stays(cache: Cache[Thing], changes: Changes) -> None:
    cache.replace([Thing("a"), Thing("b")], "5")
    changes.clear()
    cache.replace([], "9", keep={KEY})
    assert changes == [(Thing("b"), None)]


def test_versions_that_are_no_numbers_are_taken_as_they_come(cache: Cache[Thing]) -> None:
    @dataclass(frozen=True)
    class Opaque(Thing):
        opaque: str = ""

        @property
        def resource_version(self) -> str:
            return self.opaque

    cache.apply(Opaque("a", opaque="x"))
    cache.apply(Opaque("a", opaque="w"))
    assert cache.get(KEY).resource_version == "w"  # type: ignore[union-attr]
    cache.replace([], "z")
    assert len(cache) == 0


def test_a_failing_handler_does_not_keep_others_from_the_news(cache: Cache[Thing]) -> None:
    told: list[Thing | None] = []

    def fails(old: Thing | None, new: Thing | None) -> None:
        raise RuntimeError("a bug")

    cache.on_change(fails)
    cache.on_change(lambda old, new: told.append(new))
    cache.apply(Thing("a"))
    cache.apply(Thing("b"))
    assert told == [Thing("a"), Thing("b")]


def test_another_object_of_the_name_that_is_not_wanted_ends_the_held(
    cache: Cache[Thing],
) -> None:
    cache.apply(Thing("a", 4))
    cache.drop_other(KEY, "u", "5")
    cache.drop_other(KEY, "another", "3")
    assert cache.holds(KEY, "u")
    cache.drop_other(KEY, "another", "5")
    assert len(cache) == 0


def test_an_end_that_the_news_told_is_final_and_one_that_a_list_shows_is_not() -> None:
    cache: Cache[Thing] = Cache()
    cache.replace([Thing("a", uid="told"), Thing("b", uid="lacked")], "5")
    cache.remove(Thing("a").key, "told", "6")
    cache.remove(Thing("c").key, "never held", "6")
    cache.replace([], "7")
    ends = {uid: cache.told_removed(uid) for uid in ("told", "lacked", "never held")}
    assert ends == {"told": True, "lacked": False, "never held": False}
    cache.replace([], "3", reset=True)
    assert not cache.told_removed("told"), "the server has gone back in time"


def test_ends_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnatctl.kube.cache._MOST_REMOVED", 2)
    cache: Cache[Thing] = Cache()
    for version, uid in enumerate("abc", 1):
        cache.apply(Thing("a", version, uid))
        cache.remove(KEY, uid, str(version + 1))
    assert [cache.told_removed(uid) for uid in "abc"] == [False, True, True]
