"""What the cloud accepts again and again and never does."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dnatctl.table.backlog import Backlog
from dnatctl.table.vain import AGAIN_S, BELIEVED
from dnatctl.table.view import Change, Row
from dnatctl.table.writes import Refused, Write
from tests.unit.table.made import AVAILABLE, PENDING, row
from tests.unit.table.pending import create, delete, entry, modify

A, B = "fwd-1", "fwd-2"
LED = Row(entry(600).as_row(A), "a")
"""The row as the changes and creates of these tests make it, Pending."""


def available(entry_id: str = A) -> Row:
    return Row(row(entry_id, "1.1.1.1:600", "10.0.0.1:80", "", status=AVAILABLE), "a")


def ask(backlog: Backlog, write: Write, now: float) -> float:
    """Want the write, again, and have it accepted when it is due: at which time."""
    backlog.want("a", "games", (write,))
    due = backlog.next_due()
    assert due is not None
    now = max(due, now)
    pending = backlog.take(now)
    assert pending is not None
    backlog.accepted(pending, now)
    return now


@pytest.mark.parametrize("write", [delete(A), modify(A), create()])
class TestAgain:
    def test_the_second_time_is_at_once_and_then_ever_later(self, write):
        backlog, times = Backlog(), [0.0]
        for _ in range(12):
            times.append(ask(backlog, write, times[-1]))
        gaps = [b - a for a, b in pairwise(times)]
        assert gaps[:4] == [0.0, 0.0, AGAIN_S[0], 2 * AGAIN_S[0]]
        assert gaps[-1] == AGAIN_S[1], "it is asked for without end, but not without measure"

    def test_it_is_told_after_more_than_an_accident(self, write):
        backlog = Backlog()
        for _ in range(BELIEVED):
            assert told(backlog) == ""
            ask(backlog, write, 0.0)
        assert "again and again" in told(backlog)
        assert backlog.waiting.in_vain() == [], "it may be done this time"
        backlog.want("a", "games", (write,))
        assert len(backlog.waiting.in_vain()) == 1

    def test_another_one_is_not_held_up(self, write):
        backlog = Backlog()
        for _ in range(4):
            ask(backlog, write, 1000.0)
        for other in (delete(B), modify(B, 601), create(601)):
            backlog.want("a", "games", (write, other))
            pending = backlog.take(1000.0)
            assert pending is not None
            assert pending.write == other
            backlog.unsent(pending)

    def test_an_answer_that_says_something_else_ends_it(self, write):
        backlog = Backlog()
        for _ in range(3):
            ask(backlog, write, 0.0)
        backlog.want("a", "games", (write,))
        backlog.settled(backlog.take(1e6))
        assert told(backlog) == ""


class TestDone:
    """What a reading has shown done and somebody undoes is no vain effort, however often."""

    @pytest.mark.parametrize(
        ("write", "change"),
        [
            (delete(A), Change(available(), None)),
            (modify(A), Change(LED, available())),
            (create(), Change(LED, available())),
            (create(), Change(None, available(B))),
        ],
    )
    def test_it_begins_anew(self, write, change):
        backlog = Backlog()
        for _ in range(5):
            ask(backlog, write, 0.0)
        backlog.read([change])
        assert told(backlog) == ""
        assert ask(backlog, write, 7.0) == 7.0

    @pytest.mark.parametrize(
        ("write", "change"),
        [
            (delete(A), Change(LED, available())),
            (delete(A), Change(available(B), None)),
            (modify(A), Change(available(B), available(B))),
            (modify(A), Change(LED, Row(row(A, "1.1.1.1:600", "10.0.0.9:80"), "a"))),
            (modify(A), Change(available(), LED)),
            (create(), Change(LED, None)),
            (create(), Change(None, Row(available().entry, "b"))),
        ],
    )
    def test_not_by_what_shows_something_else(self, write, change):
        backlog = Backlog()
        for _ in range(5):
            ask(backlog, write, 0.0)
        backlog.read([change])
        assert "again and again" in told(backlog)

    def test_what_is_in_flux_is_not_done_yet(self):
        assert LED.entry.status is PENDING


class TestForgotten:
    def test_with_its_poddnat_but_for_rows_that_may_be_orphans(self):
        backlog = Backlog()
        for write in (create(), modify(B), delete(A)):
            for _ in range(3):
                ask(backlog, write, 0.0)
        backlog.forget("a")
        assert (backlog.refusals("a"), list(backlog.hindrances("a"))) == ({}, [A])
        backlog.read([Change(available(), None)])
        assert backlog.hindrances("a") == {}


def told(backlog: Backlog) -> str:
    """What is told of the tests' row."""
    refusals = backlog.refusals("a")
    assert all(refusal.why is Refused.REJECTED for refusal in refusals.values())
    texts = [refusal.message for refusal in refusals.values()]
    return " ".join((*texts, *backlog.hindrances("a").values()))
