"""Whose an IP is that several pods state."""

from __future__ import annotations

from itertools import permutations

import pytest

from dnatctl.objects import Key, Pod
from dnatctl.plan.exposure import Ask, Exposure
from dnatctl.plan.tenancy import Claimant, is_open, led_nowhere, tenant

EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"
DOWN = "its node n is not ready"
ASKS = Exposure(Ask.ON, ip="10.0.0.1")


def one(name: str = "a", *, node: str = "", instance: str = "", **pod: object) -> Claimant:
    return Claimant(Pod(Key("games", name), name, "1", {}, **pod), node, instance)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("has_it", "others", "instance"),
    [
        (one("b", alive=LATE), [one("a", alive=EARLY)], ""),
        (one("b", alive=LATE), [one("a", alive=EARLY), one("c", alive=EARLY)], ""),
        (one("b", alive=LATE), [one("a", alive=EARLY, deleting=True)], ""),
        (one("b", alive=EARLY), [one("z", alive=EARLY, deleting=True)], ""),
        (one("b", alive=LATE, deleting=True), [one("a", alive=EARLY)], ""),
        (one("b", instance="i-1"), [one("a", instance="i-2", alive=LATE, deleting=True)], "i-1"),
        (one("b", alive=EARLY), [one("a", alive=LATE, node=DOWN)], ""),
        (one("b", alive=EARLY, deleting=True), [one("a", alive=LATE, node=DOWN)], ""),
        (one("b", instance="i-1", alive=EARLY), [one("a", instance="i-2", alive=LATE)], "i-1"),
        (one("b", instance="i-1", alive=LATE), [one("a", instance="i-2", alive=EARLY)], "i-3"),
        (one("b", instance="", alive=LATE), [one("a", instance="", alive=EARLY)], ""),
        (one("b", instance="i-2", alive=EARLY), [one("a", instance="i-1", node=DOWN)], "i-1"),
    ],
    ids=[
        "the latest",
        "the latest of three",
        "not an earlier one that goes",
        "of two as late not the one that goes",
        "one that drains keeps it from an earlier one",
        "one that goes and is on another machine has not",
        "not one on a dead node",
        "rather one that goes than one on a dead node",
        "the one whose machine has the interface",
        "an interface of neither says nothing",
        "a machine that is not known is none",
        "a machine that is dead has nothing",
    ],
)
def test_who_has_it(has_it: Claimant, others: list[Claimant], instance: str) -> None:
    """Each of them comes to the same answer, whichever it sees first."""
    for order in permutations([has_it, *others]):
        assert tenant(order, instance) is has_it


@pytest.mark.parametrize(
    ("claimants", "is_so"),
    [
        ([one(instance="i-1"), one(instance="i-2")], True),
        ([one(instance="i-1"), one(instance="i-1")], False),
        ([one(instance="i-1"), one(instance="")], False),
        ([one(instance="i-1", alive=LATE), one(instance="i-2", deleting=True)], False),
        ([one(instance="i-1"), one(instance="i-2", alive=LATE, deleting=True)], True),
        ([one(instance="i-1"), one(instance="i-2", node=DOWN)], False),
    ],
)
def test_the_cloud_is_asked_only_where_it_can_tell(claimants: list[Claimant], is_so: bool) -> None:
    assert is_open(claimants) is is_so


def test_one_that_goes_is_treated_as_ended() -> None:
    made = led_nowhere(ASKS, one("old", deleting=True), one("new"))
    assert (made.ask, made.ip) == (Ask.ENDED, "")
    assert made.displaced is not None
    assert "belongs to pod games/new" in made.displaced.message


def test_one_that_stays_waits_for_an_address() -> None:
    made = led_nowhere(ASKS, one("old", node=DOWN), one("new"))
    assert (made.ask, made.ip) == (Ask.NO_ADDRESS, "")
    assert made.displaced is not None
    assert DOWN in made.displaced.message


def test_one_that_asks_for_nothing_is_let_go() -> None:
    off = Exposure(Ask.OFF, ip="10.0.0.1")
    assert led_nowhere(off, one("old"), one("new")) == off
