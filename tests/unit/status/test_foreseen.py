"""What a plan says in words."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import Key, PodDNATSpec, PodDNATStatus, StatusEntry
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import (
    Adopt,
    CreateRecord,
    DropFinalizer,
    FixMetadata,
    Plan,
    Publish,
    Reclaim,
    Retire,
    Step,
)
from dnatctl.status.foreseen import Action, Foreseen, of_plan
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Write
from tests.unit.plan.made import POD_OWNER, new_row, record, spec
from tests.unit.table.made import GATEWAY

KEY = Key("games", "lobby-0")
HAD = spec((600, 80))


def told(made: Plan, had: PodDNATSpec = HAD) -> list[Foreseen]:
    return list(of_plan(KEY, record(claim=had), made))


@pytest.mark.parametrize(
    ("step", "action", "what", "part"),
    [
        (CreateRecord(spec((601, 80)), POD_OWNER), Action.CREATE, "endpoint", ":601/tcp to"),
        (Reclaim(spec((600, 80), ip="10.9.9.9")), Action.CHANGE, "PodDNAT", "is 10.9.9.9, was"),
        (FixMetadata(POD_OWNER), Action.CHANGE, "PodDNAT", "owner"),
        (Publish(PodDNATStatus()), Action.CHANGE, "status", "entries listed: 0"),
        (Adopt(GATEWAY, ("fwd-1",)), Action.ADOPT, "entry", "fwd-1"),
        (Retire(tuple(HAD.endpoints())), Action.DELETE, "endpoint", ":600/tcp rests"),
        (DropFinalizer(), Action.DELETE, "PodDNAT", "released"),
    ],
)
def test_each_step(step: Step, action: Action, what: str, part: str) -> None:
    (found,) = told(Plan(step))
    assert (found.action, found.pod, found.what) == (action, "games/lobby-0", what)
    assert part in found.detail


def test_of_a_status_it_is_told_which_addresses_come_and_go() -> None:
    stays, comes, goes = (
        StatusEntry(Endpoint("1.1.1.1", port, Protocol.TCP), "10.0.0.1", 80, f"fwd-{port}")
        for port in (600, 601, 602)
    )
    had = replace(record(claim=HAD), status=PodDNATStatus((stays, goes)))

    (found,) = of_plan(KEY, had, Plan(Publish(PodDNATStatus((stays, comes)))))

    assert found.detail == "entries listed: 2, now 1.1.1.1:601/tcp, no more 1.1.1.1:602/tcp"


def test_a_claim_that_moves_shows_what_comes_and_what_goes() -> None:
    found = told(Plan(Reclaim(spec((601, 80)), "is full")))
    assert [each.action for each in found] == [Action.CREATE, Action.DELETE, Action.CHANGE]
    assert [each.what for each in found] == ["endpoint", "endpoint", "PodDNAT"]


@pytest.mark.parametrize(
    ("write", "action"),
    [
        (CreateRow(GATEWAY, new_row("600", "80"), ""), Action.CREATE),
        (ModifyRow(GATEWAY, "fwd-1", new_row("600", "80"), ""), Action.CHANGE),
        (DeleteRow(GATEWAY, "fwd-1"), Action.DELETE),
    ],
)
def test_each_write(write: Write, action: Action) -> None:
    (found,) = told(Plan(writes=(write,)))
    assert (found.action, found.what, found.changes) == (action, "entry", True)


def test_a_problem_changes_nothing() -> None:
    (found,) = told(Plan(problem=Problem("PoolExhausted", "no port is left", "two rest")))
    assert found.detail == "no port is left (two rest)"
    assert not found.changes
