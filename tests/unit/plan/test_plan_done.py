"""Plan: what nothing is left of, whose a claim is, and deletes that a refused status delays not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.objects import Owner
from dnatctl.plan.owners import pod_of
from dnatctl.plan.plan import is_done_with, is_held
from dnatctl.plan.release import no_row_left
from dnatctl.plan.values import DeleteRecord, DropFinalizer, Policy, Publish, Retire
from dnatctl.table.view import READ_LAG_S
from tests.unit.plan.made import (
    NOW,
    ONE,
    OTHER,
    POD_OWNER,
    SET,
    WEB,
    Scene,
    delete,
    mine,
    pod,
    ready,
    record,
)
from tests.unit.table.made import DELETING, EIP, GATEWAY, POD_IP, reading, row, view

BARE = record((600, 80), conditions=(ready("False", "Releasing"),))
DELETED = replace(BARE, deleting=True)
PARKED = record((600, 80), conditions=(ready("False", "PodAway"),), fixed=True)
TELLS = Publish(BARE.status)


class TestNoRowLeft:
    """Known only where all tables could be read, and no write is under way."""

    def left(self, *rows, **more) -> bool:
        scene = Scene(*rows, record=more.pop("a_record", BARE), **more)
        return not no_row_left(scene.seen, scene.seen.record)

    def test_none_in_a_table_that_was_read(self):
        assert not self.left()

    def test_rows_of_others_are_not_its_own(self):
        assert not self.left(row("fwd-8", f"{EIP}:600"), row("fwd-9", f"{EIP}:603", owner=OTHER))

    @pytest.mark.parametrize("status", [{}, {"status": DELETING}])
    def test_one_that_is_there_or_on_its_way_out_is_left(self, status):
        assert self.left(mine(**status))

    def test_a_write_may_still_make_one(self):
        assert self.left(unanswered=True)

    def test_a_table_that_was_not_read_may_hold_one(self):
        assert self.left(tables={GATEWAY: view(read=False)})

    @pytest.mark.parametrize(("ago", "is_left"), [(READ_LAG_S - 1.0, True), (READ_LAG_S, False)])
    def test_a_listing_may_not_show_yet_what_an_earlier_process_made(self, ago, is_left):
        table = view()
        table.first_read = NOW - ago
        table.merge(reading(NOW), NOW)
        assert self.left(tables={GATEWAY: table}, a_record=record((600, 80))) is is_left


class TestDoneWith:
    """What is done with need not be written to: it is a matter of the record itself."""

    def done(self, *rows, a_record=DELETED, a_pod=None, step=TELLS, **more) -> bool:
        return is_done_with(Scene(*rows, record=a_record, pod=a_pod, **more).seen, step)

    @pytest.mark.parametrize("a_pod", [None, pod()])
    def test_one_that_is_being_deleted_and_has_no_rows(self, a_pod):
        assert self.done(a_pod=a_pod)

    def test_one_whose_pod_is_gone(self):
        assert self.done(a_record=BARE)

    @pytest.mark.parametrize("a_pod", [pod(annotations={}), pod(ended=True)])
    def test_not_one_whose_pod_is_told_of_it(self, a_pod):
        assert not self.done(a_record=BARE, a_pod=a_pod)

    @pytest.mark.parametrize("a_record", [BARE, DELETED])
    def test_not_one_that_has_rows(self, a_record):
        assert not self.done(WEB, a_record=a_record)

    def test_not_one_that_may_have_some(self):
        assert not self.done(unanswered=True)

    def test_not_one_that_serves_its_pod_to_the_end(self):
        serves = replace(ONE, deleting=True)
        assert not self.done(a_record=serves, a_pod=pod())

    def test_not_one_that_is_kept_for_a_pod_that_may_come_back(self):
        assert not self.done(a_record=PARKED)

    @pytest.mark.parametrize("a_record", [None, BARE, ONE])
    @pytest.mark.parametrize(
        ("step", "is_done"),
        [
            (DeleteRecord(), True),
            (DropFinalizer(), True),
            (Retire(BARE.spec.endpoints()), False),
        ],
    )
    def test_steps_that_end_a_record_end_it(self, a_record, step, is_done):
        """Such a step is planned only once all else is done; the pod may be there by then."""
        assert self.done(a_record=a_record, a_pod=pod(), step=step) is is_done

    def test_no_record_is_published(self):
        assert not self.done(a_record=None)


@pytest.mark.parametrize(
    ("a_record", "a_pod", "held"),
    [
        (None, pod(), False),
        (ONE, pod(), True),
        (ONE, None, False),
        (ONE, pod(annotations={}), False),
        (PARKED, None, False),
        (PARKED, pod(fixed=True), True),
    ],
)
def test_held_is_what_a_pod_asks_for(a_record, a_pod, held):
    assert is_held(Scene(record=a_record, pod=a_pod).seen) is held


@pytest.mark.parametrize(
    ("owners", "uid"),
    [
        ((POD_OWNER,), "uid-pod"),
        ((), ""),
        ((SET,), ""),
        ((POD_OWNER, SET), ""),
        ((SET, POD_OWNER), ""),
        ((POD_OWNER, Owner("v1", "Pod", "lobby-0", "uid-later")), ""),
    ],
)
def test_the_one_pod_a_claim_belongs_to(owners, uid):
    assert pod_of(replace(ONE, owners=owners)) == uid


def test_no_claim_belongs_to_no_pod():
    assert pod_of(None) == ""


class TestMute:
    """A status that is refused cannot be withdrawn first; rows that mislead are not kept for it."""

    AWAY = mine("fwd-2", f"{EIP}:601", "10.0.0.9:443")
    TWO = record((600, 80), (601, 443), entries=[WEB, AWAY], conditions=(ready(),))

    def writes(self, *rows, **more):
        made = Scene(*rows, **{"record": self.TWO, "mute": True, **more}).plan()
        assert isinstance(made.step, Publish)
        return made.writes

    def test_what_can_be_written_is_written_first(self):
        assert self.writes(WEB, mute=False) == ()

    def test_rows_of_a_pod_that_is_gone_are_deleted(self):
        assert self.writes(WEB, self.AWAY) == (delete("fwd-1"), delete("fwd-2"))

    @pytest.mark.parametrize("ended", [pod(ended=True), pod(ended=True, deleting=True)])
    def test_and_of_one_that_has_ended_though_it_states_its_ip(self, ended):
        assert self.writes(WEB, pod=ended) == (delete("fwd-1"),)

    def test_of_one_that_turned_it_off_those_that_lead_elsewhere(self):
        """Nobody else has the pod's IP, so that its own row can wait."""
        off = pod(annotations={})
        assert self.writes(WEB, self.AWAY, pod=off) == (delete("fwd-2"),)

    def test_what_is_on_its_way_out_is_not_deleted_again(self):
        assert self.writes(mine(status=DELETING), self.AWAY) == (delete("fwd-2"),)

    def test_nor_is_what_is_deleted_in_any_case(self):
        stale = mine(internal="10.0.0.9:80")
        cannot = Policy(unmodifiable=frozenset({GATEWAY}))
        more = {"record": record((600, 80)), "pod": pod(), "policy": cannot, "no_interface": True}
        assert self.writes(stale, **more) == (delete("fwd-1"),)

    def test_the_rows_of_others_are_not_touched(self):
        assert self.writes(WEB, row("fwd-9", f"{EIP}:603", POD_IP + ":9", owner=OTHER)) == (
            delete("fwd-1"),
        )
