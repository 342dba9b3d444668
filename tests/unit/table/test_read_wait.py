"""Who reads a table and is held back: from when on that is told, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dnatctl.table.read_wait import UNREAD_S, ReadWait

WALL = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
LAST = "was last read at 12:00:00 UTC"
REFUSED = f"{LAST}; the cloud refuses to list it for now: Throttling.User"
SILENT = f"{LAST}; a reading gets no answer"


@pytest.fixture
def wait() -> ReadWait:
    """Last answered at 100 s."""
    wait = ReadWait()
    wait.begins(99.0)
    wait.was_answered(100.0, WALL)
    return wait


def test_who_is_not_asking_waits_for_nothing(wait):
    assert wait.held_back(1000.0) == ""
    assert wait.waits_s(1000.0) == 0.0


def test_one_that_has_just_begun_is_nothing_to_tell_however_long_ago_the_last_was(wait):
    wait.begins(200.0)
    assert wait.held_back(200.0 + UNREAD_S - 0.1) == ""
    assert wait.held_back(200.0 + UNREAD_S) == SILENT
    assert wait.waits_s(230.0) == 30.0


def test_a_refusal_is_told_at_once_if_nothing_was_read_lately(wait):
    wait.begins(101.0)
    wait.refused("Throttling.User")
    assert wait.held_back(100.0 + UNREAD_S - 0.1) == ""
    assert wait.held_back(100.0 + UNREAD_S) == REFUSED


@pytest.mark.parametrize("end", [lambda a: a.was_answered(300.0, WALL), ReadWait.failed])
def test_it_ends_with_an_answer_or_a_failure(wait, end):
    wait.begins(200.0)
    wait.refused("Throttling.User")
    end(wait)
    assert wait.held_back(301.0) == ""
    wait.begins(400.0)
    assert wait.held_back(401.0) == "", "what was refused before is another story"


def test_one_that_was_never_read_has_no_time():
    wait = ReadWait()
    wait.begins(0.0)
    assert wait.held_back(60.0) == "was not read so far; a reading gets no answer"
