"""What keeps a controller from its work is told by health and status, not by a log alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.actions import ACTIONS
from tests.support.stage import Stage, eventually, stage


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        yield running


def notes(it: Stage) -> list[str]:
    """What `/readyz?verbose` and `dnatctl status` show as wrong."""
    found = it.running[0].controller.parts.standing.notes()
    return [note for note in found if note.startswith("[!]")]


@pytest.mark.parametrize("action", ACTIONS[2:4] + ACTIONS[5:])
def test_an_action_that_is_taken_away_is_named_until_it_is_granted(it: Stage, action: str) -> None:
    it.start_controller()
    it.pod("before")
    it.ready("before")
    eventually(lambda: notes(it) == [], what=lambda: str(notes(it)))

    it.cloud.set_knobs(allowed=[each for each in ACTIONS if each != action])
    it.delete_pod("before", grace=0)
    it.pod("after")

    def read_again() -> bool:
        it.running[0].controller.parts.gateways.fleet.read_soon()
        return any(action in note for note in notes(it))

    eventually(read_again, what=lambda: f"{action} in {notes(it)}")
    it.cloud.set_knobs(allowed=list(ACTIONS))
    it.gone("before")
    it.ready("after")
    eventually(lambda: notes(it) == [], what=lambda: str(notes(it)))


def test_a_pod_that_waits_for_a_grant_is_told_which(it: Stage) -> None:
    it.start_controller()
    it.cloud.set_knobs(allowed=[a for a in ACTIONS if a != "vpc:CreateForwardEntry"])
    for name in ("first", "second"):
        it.pod(name)
    for name in ("first", "second"):
        eventually(
            lambda name=name: (
                "grant the controller's credentials vpc:CreateForwardEntry"
                in it.condition(name).get("message", "")
            ),
            what=lambda name=name: str(it.condition(name)),
        )


def test_a_list_that_is_refused_is_what_a_controller_waits_for(it: Stage) -> None:
    why = "pods is forbidden: cannot list resource pods at the cluster scope"
    it.kube.faults.add(Fault(403, why), Match(verb="list", resource="pods"), times=None)
    running = it.start_controller(wait=False)

    standing = running.controller.parts.standing
    eventually(
        lambda: any(why in each for each in standing.waits_for()),
        what=lambda: str(standing.waits_for()),
    )
    it.heal()
    eventually(lambda: not standing.waits_for(), what=lambda: str(standing.waits_for()))
