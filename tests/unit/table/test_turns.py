"""Which write goes first. More in test_backlog: the classes and the turns of namespaces at work."""

from __future__ import annotations

import pytest

from dnatctl.table.turns import LOWER_CLASS_EVERY, Rank, WriteTurns, rank_of
from dnatctl.table.writes import DeleteRow, PendingWrite, Write
from tests.support.memory import weighed
from tests.unit.table.pending import create, delete, modify


def pending(write: Write, namespace: str = "games", *, orphan: bool = False) -> PendingWrite:
    return PendingWrite("a", namespace, write, orphan)


@pytest.mark.parametrize(
    ("write", "orphan", "expedited", "rank"),
    [
        (create(), False, False, Rank.EXPOSE),
        (create(), False, True, Rank.EXPOSE),
        (modify(), False, True, Rank.EXPOSE),
        (delete(), False, False, Rank.RELEASE),
        (delete(), False, True, Rank.BLOCKING),
        (delete(), True, False, Rank.ORPHAN),
        (delete(), True, True, Rank.BLOCKING),
    ],
)
def test_the_class_of_a_write(write, orphan, expedited, rank):
    assert rank_of(pending(write, orphan=orphan), expedited=expedited) is rank


def test_with_nothing_ready_there_is_nobody_whose_turn_it_is():
    assert WriteTurns().take([]) is None


def test_of_one_class_and_namespace_the_first_to_come_is_taken():
    first, second = pending(create(600)), pending(create(601))
    assert WriteTurns().take([(Rank.EXPOSE, first), (Rank.EXPOSE, second)]) is first


def test_a_namespace_that_has_had_no_turn_comes_first():
    turns = WriteTurns()
    old, new = pending(create(600), "old"), pending(create(601), "new")
    assert turns.take([(Rank.EXPOSE, old)]) is old
    assert turns.take([(Rank.EXPOSE, old), (Rank.EXPOSE, new)]) is new
    assert turns.take([(Rank.EXPOSE, old), (Rank.EXPOSE, new)]) is old


def test_namespaces_that_have_gone_are_not_remembered_for_ever():
    turns = WriteTurns()
    with weighed() as weight:
        for number in range(20_000):
            turns.take([(Rank.EXPOSE, pending(create(600), f"preview-{number}"))])
    assert weight.kept < 500_000


def test_those_that_wait_keep_their_places_whoever_is_forgotten():
    turns = WriteTurns()
    two = [(Rank.EXPOSE, pending(create(n), name)) for n, name in enumerate(("a", "b"), 600)]
    assert turns.take(two).namespace == "b"
    for number in range(2000):
        turns.take([(Rank.EXPOSE, pending(create(600), f"preview-{number}"))])
    first = turns.take(two).namespace
    assert {first, turns.take(two).namespace} == {"a", "b"}


def releases_and_creates(turns: WriteTurns, writes: int) -> list[PendingWrite]:
    """What is written where x wants creates and releases, and y releases, without end."""
    ready = [
        (Rank.RELEASE, pending(delete("fwd-y"), "y")),
        (Rank.EXPOSE, pending(create(), "x")),
        (Rank.RELEASE, pending(delete("fwd-x"), "x")),
    ]
    taken = [turns.take(ready) for _ in range(writes)]
    return [write for write in taken if write is not None]


def test_the_turns_of_one_class_are_no_turns_of_another():
    """Else the releases of whoever has creates to be done come after all of everybody's."""
    taken = releases_and_creates(WriteTurns(), 8 * LOWER_CLASS_EVERY)
    released = [
        write.namespace for write in taken if rank_of(write, expedited=False) is Rank.RELEASE
    ]
    assert len(released) == 8
    assert released.count("x") == released.count("y")


def test_a_turn_that_came_to_nothing_is_had_again_in_its_own_class():
    turns = WriteTurns()
    taken = releases_and_creates(turns, LOWER_CLASS_EVERY)
    turns.again(taken[-1].namespace)
    (again,) = releases_and_creates(turns, 1)
    assert (again.namespace, type(again.write)) == (taken[-1].namespace, DeleteRow)
