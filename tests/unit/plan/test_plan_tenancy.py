"""Whose an IP is that several pods state."""

from __future__ import annotations

from itertools import permutations

import pytest

from dnatctl.model import Eni
from dnatctl.objects import Key, Pod
from dnatctl.plan.exposure import Ask, Exposure, Problem
from dnatctl.plan.tenancy import (
    Claimant,
    at_node,
    at_stranger,
    is_open,
    led_nowhere,
    tenant,
    without_address,
)

EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"
DOWN = "its node n is not ready"
REMOVE = "if it does not end, remove it: kubectl delete pod -n games old --force --grace-period=0"
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


@pytest.mark.parametrize(
    ("loser", "why", "mend"),
    [
        (
            one("old", deleting=True),
            "it is being deleted",
            REMOVE,
        ),
        (
            one("old", node=DOWN),
            DOWN,
            REMOVE,
        ),
        (
            one("old"),
            "that one was started later",
            "it is exposed again as soon as it has an IP of its own",
        ),
    ],
    ids=["goes", "on a dead node", "lives"],
)
def test_it_is_told_why_and_what_to_do(loser: Claimant, why: str, mend: str) -> None:
    text = f"IP 10.0.0.1 belongs to pod games/new now, which also states it ({why}); {mend}"
    assert led_nowhere(ASKS, loser, one("new")).displaced == Problem("AddressTaken", text)


def test_a_pod_without_its_address_may_have_one_later() -> None:
    """It is not refused for good, whatever was wrong with what it stated before."""
    lost = Problem("AddressLost", "the IP is no more its own")
    made = without_address(Exposure(Ask.KEEP, ip="10.0.0.1", refused=True), lost)
    assert (made.ask, made.ip, made.problem) == (Ask.NO_ADDRESS, "", lost)
    assert made.refused is False


def test_one_that_states_a_nodes_address() -> None:
    text = "pod IP 10.0.0.1 is the address of node worker-1, not one of a pod's own"
    made = without_address(ASKS, Problem("NodeAddress", text))
    assert (made.ask, at_node(ASKS, "worker-1")) == (Ask.NO_ADDRESS, made)


def test_one_whose_ip_a_machine_outside_the_cluster_has() -> None:
    text = (
        "pod IP 10.0.0.1 is that of network interface eni-1, which belongs to machine i-9, and that"
        " is no node of this cluster"
    )
    made = without_address(ASKS, Problem("ForeignInterface", text))
    eni = Eni("eni-1", "vsw-1", "zone-a", ("10.0.0.1",), instance_id="i-9")
    assert (made.ask, at_stranger(ASKS, eni)) == (Ask.NO_ADDRESS, made)
