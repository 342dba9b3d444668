"""Whose turn it is to have something sent, and who gives way where there is no room."""

from __future__ import annotations

from dnatctl.kube.outbox import Outbox


def sent(outbox: Outbox[str], now: float = 0.0) -> list[str]:
    taken = []
    while (item := outbox.take(now)) is not None:
        taken.append(item)
    return taken


def test_namespaces_take_turns_and_within_one_the_oldest_is_first():
    outbox = Outbox[str](10)
    for item in ("a1", "a2", "a3", "b1", "b2"):
        outbox.put(item[0], item)
    assert sent(outbox) == ["a1", "b1", "a2", "b2", "a3"]
    assert len(outbox) == 0


def test_who_has_taken_less_time_is_first():
    outbox = Outbox[str](10)
    for item in ("a1", "a2", "b1", "b2"):
        outbox.put(item[0], item)
    assert outbox.take(0.0) == "a1"
    outbox.sent("a", 5.0)
    assert sent(outbox) == ["b1", "b2", "a2"]


def test_a_newcomer_has_no_advantage_over_who_has_taken_least():
    outbox = Outbox[str](10)
    outbox.put("a", "a1")
    outbox.sent("a", 5.0)
    outbox.put("b", "b1")
    assert sent(outbox) == ["a1", "b1"]


def test_what_rests_is_due_later_and_holds_up_nobody():
    outbox = Outbox[str](10)
    outbox.put("a", "a1")
    outbox.put("b", "b1")
    outbox.rest("a", 3.0)
    assert sent(outbox, 2.0) == ["b1"]
    assert outbox.next_due() == 3.0
    assert sent(outbox, 3.0) == ["a1"]
    assert outbox.next_due() is None


def test_one_namespace_may_have_all_the_room_while_nobody_else_wants_it():
    outbox = Outbox[str](3)
    assert [outbox.put("a", item) for item in ("a1", "a2", "a3")] == [None] * 3
    assert outbox.put("a", "a4") == "a4"
    assert outbox.put("b", "b1") == "a3"
    assert outbox.put("b", "b2") == "b2", "one more of the longest line would only change places"
    assert sorted(sent(outbox)) == ["a1", "a2", "b1"]
