"""A pod that waits for the PodDNAT that has its name: told after a while, with what keeps that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.objects import FINALIZER, Owner
from dnatctl.plan import namesake
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import DeleteRecord, Plan
from dnatctl.plan.waits import LOOK_AGAIN_S, TOLD_AFTER_S
from dnatctl.table.writes import DeleteRow
from tests.unit.plan.made import NOW, WALL, Scene, delete, mine, pod, ready, record, spec
from tests.unit.table.made import DELETING, EIP, GATEWAY

BEFORE = Owner("v1", "Pod", "lobby-0", "uid-before")
LONG = TOLD_AFTER_S + 5.0
OTHERS = "example.com/backup"
"""A finalizer of another program."""


def going(*rows: Any, finalizers: tuple[str, ...] = (FINALIZER,), **seen: Any) -> Scene:
    """The PodDNAT of the pod before, being deleted, and the new pod."""
    old = record(
        deleting=True,
        owners=(BEFORE,),
        finalizers=finalizers,
        conditions=seen.pop("conditions", ()),
    )
    return Scene(*rows, record=old, pod=seen.pop("pod", pod()), **{"stated_for": LONG, **seen})


def said(scene: Scene) -> str:
    problem = scene.plan().problem
    assert problem is not None
    assert problem.reason == "NameTaken"
    return problem.message.partition("when that is gone: ")[2]


def test_another_programs_finalizer_is_named():
    kept = going(finalizers=(OTHERS, "other.io/x"), durable=frozenset(spec().endpoints()))
    assert said(kept) == (
        f"its entries are deleted, and the finalizer {OTHERS}, other.io/x keeps it, which is not"
        " dnatctl's; ask whoever set it"
    )
    assert kept.plan().retry_in == LOOK_AGAIN_S


def test_a_row_that_is_deleted_and_not_gone_is_named():
    assert said(going(mine(status=DELETING))) == (
        "entry fwd-1 is Deleting in the cloud, and has to be gone first"
    )


def test_so_is_each_of_several():
    rows = (mine(status=DELETING), mine("fwd-2", f"{EIP}:601", status=DELETING))
    assert said(going(*rows)).startswith("entry fwd-1 is Deleting, entry fwd-2 is Deleting in")


def test_what_has_no_finalizer_left_and_is_there_is_not_understood():
    """It goes any moment, as far as is known."""
    unknown = "it is not known yet whether it has entries left"
    assert said(going(finalizers=(), durable=frozenset(spec().endpoints()))) == unknown


def test_gateways_are_named_once():
    own = [SimpleNamespace(gateway_id=name) for name in ("ngw-a", "ngw-b", "ngw-a")]
    assert namesake._gateways(own) == "ngw-a, ngw-b"


def test_what_is_to_be_done_or_told_already_goes_on():
    scene = going(mine())
    for made in (Plan(DeleteRecord()), Plan(problem=Problem("DeletionHeld", "no"))):
        assert namesake.told(scene.seen, scene.seen.record, made) is made


@pytest.mark.parametrize("waited", [LONG, TOLD_AFTER_S - 4.0])
def test_who_looks_again_sooner_does(waited):
    scene = going(mine(), stated_for=waited)
    assert namesake.told(scene.seen, scene.seen.record, Plan(retry_in=1.0)).retry_in == 1.0


def test_nothing_is_told_while_that_may_be_over_in_a_moment():
    made = going(mine(status=DELETING), stated_for=TOLD_AFTER_S - 4.0).plan()
    assert (made.problem, made.retry_in) == (None, 4.0)


@pytest.mark.parametrize(("ago", "told"), [(TOLD_AFTER_S - 1.0, False), (TOLD_AFTER_S, True)])
def test_it_counts_from_the_release_where_that_is_known(ago, told):
    withdrawn = ready("False", "Releasing", "the entries are being deleted", ago=ago)
    made = going(mine(status=DELETING), conditions=(withdrawn,)).plan()
    assert bool(made.problem) == told


def test_rows_that_wait_for_their_delete_are_deleted_all_the_same():
    waiting = going(mine())
    assert waiting.plan().writes == (delete("fwd-1"),)
    assert said(waiting) == (
        f"its entries wait for {GATEWAY}, whose table takes one write at a time"
    )


def test_what_is_answered_to_the_writes_is_told():
    assert said(going(mine(), trouble="DeleteForwardEntry: Throttling.User")).endswith(
        "gets through: DeleteForwardEntry: Throttling.User"
    )


def test_a_table_that_is_not_read_for_now_is_named():
    waiting = going(mine(status=DELETING))
    wait = waiting.tables[GATEWAY].read_wait
    wait.was_answered(NOW - 60.0, WALL)
    wait.begins(NOW - 50.0)
    assert said(waiting).startswith(f"the forward table of {GATEWAY} was last read at 12:00:00")


def test_what_is_known_better_is_told_instead():
    held = {"fwd-1": "DeleteForwardEntry: Forbidden.RAM: no"}
    made = going(mine(), hindrances=held).plan()
    assert made.step is not None, "which tells why on the PodDNAT"
    told = replace(made.step.status.conditions[0])
    made = going(mine(), hindrances=held, conditions=(told,)).plan()
    assert made.problem.reason == "DeletionHeld"
    assert [type(write) for write in made.writes] == [DeleteRow]


@pytest.mark.parametrize(
    "other",
    [None, pod(deleting=True), pod(annotations={}), pod(ip="")],
    ids=["no pod", "one that goes", "one that asks for nothing", "one without IP"],
)
def test_nobody_else_waits_for_it(other):
    made = going(mine(status=DELETING), pod=other).plan()
    assert (made.problem is None or made.problem.reason != "NameTaken", made.retry_in) == (
        True,
        None,
    )
