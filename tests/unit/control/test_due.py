"""Keys that are due: whose line is next, and which key of it."""

from __future__ import annotations

import pytest

from dnatctl.control.state.due import Due
from dnatctl.control.state.shares import Shares


@pytest.fixture
def shares() -> Shares:
    return Shares()


@pytest.fixture
def due(shares: Shares) -> Due[str]:
    """Keys such as `a1`, of share `a`."""
    return Due(lambda key: key[0], shares)


def all_of(due: Due[str], *barred: str) -> list[str]:
    taken = []
    while (found := due.next(barred)) is not None:
        taken.append(found[0])
    return taken


def test_lines_take_turns_and_each_is_oldest_first(due: Due[str]) -> None:
    for since, key in enumerate(("a1", "a2", "a3", "b1", "b2")):
        due.add(key, float(since))
    assert len(due) == 5
    assert all_of(due) == ["a1", "b1", "a2", "b2", "a3"]
    assert not due


def test_who_has_had_less_of_the_time_is_next(due: Due[str], shares: Shares) -> None:
    for key in ("a1", "a2", "b1", "b2"):
        due.add(key, 0.0)
    shares.worked("a", 0.1)
    assert all_of(due) == ["b1", "b2", "a1", "a2"]


def test_barred_lines_stay(due: Due[str]) -> None:
    for key in ("a1", "b1"):
        due.add(key, 0.0)
    assert all_of(due, "a") == ["b1"]
    assert "a1" in due
    assert all_of(due) == ["a1"]


def test_since_when_a_key_is_due_is_kept(due: Due[str]) -> None:
    due.add("a1", 7.0)
    assert due.next(()) == ("a1", 7.0)
    assert due.pop("a1") is None


def test_a_key_that_is_taken_out_is_not_given(due: Due[str]) -> None:
    due.add("a1", 7.0)
    due.add("b1", 8.0)
    assert due.pop("a1") == 7.0
    assert "a1" not in due
    assert all_of(due) == ["b1"]


def test_a_line_that_was_empty_comes_again(due: Due[str]) -> None:
    due.add("a1", 1.0)
    assert all_of(due) == ["a1"]
    due.add("a2", 2.0)
    assert all_of(due) == ["a2"]


def test_what_is_forgotten_is_not_given(due: Due[str]) -> None:
    due.add("a1", 1.0)
    due.clear()
    assert not due
    assert all_of(due) == []
