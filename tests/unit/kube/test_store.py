"""The store in the cases that matter most, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dnatctl.kube.store import Store
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
def store() -> Store[Thing]:
    return Store()


@pytest.fixture
def changes(store: Store[Thing]) -> list[tuple[Thing | None, Thing | None]]:
    told: list[tuple[Thing | None, Thing | None]] = []
    store.on_change(lambda old, new: told.append((old, new)))
    return told


Changes = list[tuple[Thing | None, Thing | None]]


def test_a_late_handler_is_told_of_everything_there_is(store: Store[Thing]) -> None:
    store.replace([Thing("a"), Thing("b")], "5")
    told: Changes = []
    store.on_change(lambda old, new: told.append((old, new)))
    assert told == [(None, Thing("a")), (None, Thing("b"))]


def test_a_list_tells_only_of_differences(store: Store[Thing], changes: Changes) -> None:
    store.replace([Thing("a"), Thing("b"), Thing("c")], "5")
    changes.clear()
    store.replace([Thing("a"), Thing("b", 6), Thing("d", 7)], "8")
    assert changes == [
        (Thing("c"), None),
        (Thing("b"), Thing("b", 6)),
        (None, Thing("d", 7)),
    ]


def test_a_recreated_object_is_the_end_of_the_old_and_a_new_one(
    store: Store[Thing], changes: Changes
) -> None:
    old, new = Thing("a", 3, "old"), Thing("a", 9, "new")
    store.replace([old], "5")
    store.replace([new], "10")
    assert changes == [(None, old), (old, None), (None, new)]


def test_a_list_from_before_an_own_write_does_not_undo_it(
    store: Store[Thing], changes: Changes
) -> None:
    store.replace([Thing("a", 3)], "5")
    store.note_written(Thing("a", 9))
    store.note_written(Thing("b", 8))
    store.replace([Thing("a", 3)], "7")
    assert {held.name: held.version for held in store.values()} == {"a": 9, "b": 8}


def test_a_list_from_after_an_own_write_counts(store: Store[Thing]) -> None:
    store.note_written(Thing("a", 9))
    store.replace([], "10")
    assert store.values() == []


def test_a_late_answer_does_not_bring_back_what_the_news_ended(store: Store[Thing]) -> None:
    store.apply(Thing("a", 4))
    store.remove(KEY, "u", "6")
    store.note_written(Thing("a", 5))
    assert store.get(KEY) is None


def test_late_news_do_not_bring_back_what_an_own_write_ended(store: Store[Thing]) -> None:
    store.apply(Thing("a", 4))
    store.note_deleted(KEY, "u")
    store.apply(Thing("a", 5))
    store.replace([Thing("a", 5)], "5")
    assert store.get(KEY) is None
    store.remove(KEY, "u", "6")
    store.apply(Thing("a", 7, "another"))
    assert store.holds(KEY, "another")


def test_nothing_is_remembered_of_what_has_ended(store: Store[Thing]) -> None:
    store.apply(Thing("a", 4))
    store.note_deleted(KEY, "u")
    store.remove(KEY, "u", "6")
    store.note_deleted(KEY, "u")
    store.apply(Thing("b", 7, "v"))
    store.note_deleted(Key("default", "b"), "v")
    store.replace([], "9")
    assert store._ended == {}


def test_the_end_of_a_predecessor_does_not_end_its_successor(store: Store[Thing]) -> None:
    store.note_written(Thing("a", 9, "new"))
    store.remove(KEY, "old", "8")
    store.note_deleted(KEY, "old")
    store.apply(Thing("a", 7, "old"))
    assert store.holds(KEY, "new")


def test_after_a_restore_only_the_list_counts(store: Store[Thing]) -> None:
    store.apply(Thing("a", 100))
    store.apply(Thing("b", 101))
    store.note_written(Thing("c", 120))
    store.note_deleted(Key("default", "b"), "u")
    store.replace([Thing("a", 50), Thing("b", 40)], "60", reset=True)
    assert {held.name: held.version for held in store.values()} == {"a": 50, "b": 40}
    store.note_written(Thing("a", 61))
    assert store.get(KEY) == Thing("a", 61)


def test_what_a_list_could_not_read_stays(store: Store[Thing], changes: Changes) -> None:
    store.replace([Thing("a"), Thing("b")], "5")
    changes.clear()
    store.replace([], "9", keep={KEY})
    assert changes == [(Thing("b"), None)]


def test_versions_that_are_no_numbers_are_taken_as_they_come(store: Store[Thing]) -> None:
    @dataclass(frozen=True)
    class Opaque(Thing):
        opaque: str = ""

        @property
        def resource_version(self) -> str:
            return self.opaque

    store.apply(Opaque("a", opaque="x"))
    store.apply(Opaque("a", opaque="w"))
    assert store.get(KEY).resource_version == "w"  # type: ignore[union-attr]
    store.replace([], "z")
    assert len(store) == 0


def test_a_failing_handler_does_not_keep_others_from_the_news(store: Store[Thing]) -> None:
    told: list[Thing | None] = []

    def fails(old: Thing | None, new: Thing | None) -> None:
        raise RuntimeError("a bug")

    store.on_change(fails)
    store.on_change(lambda old, new: told.append(new))
    store.apply(Thing("a"))
    store.apply(Thing("b"))
    assert told == [Thing("a"), Thing("b")]


def test_another_object_of_the_name_that_is_not_wanted_ends_the_held(
    store: Store[Thing],
) -> None:
    store.apply(Thing("a", 4))
    store.drop_other(KEY, "u", "5")
    store.drop_other(KEY, "another", "3")
    assert store.holds(KEY, "u")
    store.drop_other(KEY, "another", "5")
    assert len(store) == 0
