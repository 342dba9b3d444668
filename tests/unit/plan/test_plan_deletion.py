"""Plan: who deletes the PodDNAT of a pod that runs, and whose it is when a workload lets go."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.plan.deletion import (
    ASK_AGAIN_S,
    POD_IS_GOING,
    TELL_AFTER_S,
    WISHED,
    behind,
    unclear,
)
from dnatctl.plan.exposure import Problem
from dnatctl.plan.owners import workload_to_ask
from dnatctl.plan.plan import is_held, needs_cause
from dnatctl.plan.problems import SQUATTED_FOR_S
from dnatctl.plan.values import UNASKED, DropFinalizer, FixMetadata, Plan, Publish, WorkloadAnswer
from dnatctl.table.writes import DeleteRow
from tests.unit.plan.made import (
    BOTH,
    EIP,
    NOW,
    OTHER,
    POD_IP,
    POD_OWNER,
    SET,
    WEB,
    Scene,
    pod,
    ready,
    record,
    row,
    spec,
)

HELD = record((600, 80), entries=[WEB], conditions=(ready(),))
DELETED = replace(HELD, deleting=True)
FIXED = record((600, 80), entries=[WEB], conditions=(ready(),), fixed=True)
FIXED_DELETED = replace(FIXED, deleting=True)
LATER_SET = replace(SET, uid="uid-later-set")
SET_GOES = behind("StatefulSet lobby", NOW)


def is_kept(made: Plan) -> bool:
    """Whether nothing is taken away: no row, no entry of the status, no claim."""
    gone = any(isinstance(write, DeleteRow) for write in made.writes)
    left = not isinstance(made.step, Publish) or made.step.status.entries == HELD.status.entries
    return left and not gone and (made.step is None or isinstance(made.step, Publish))


def let_go(**more: Any) -> Any:
    """The pod of a fixed exposure that no workload manages any more."""
    return replace(pod(fixed=True, **more), owner=None)


class TestCleaningUp:
    @pytest.mark.parametrize("deletion", [UNASKED, POD_IS_GOING, SET_GOES, unclear("get x")])
    @pytest.mark.parametrize(
        ("a_record", "a_pod"),
        [
            (DELETED, pod()),
            (DELETED, pod(deleting=True)),
            (DELETED, pod("nonsense")),
            (FIXED_DELETED, pod(fixed=True)),
            (FIXED_DELETED, let_go()),
            (FIXED_DELETED, replace(pod(fixed=True), owner=LATER_SET)),
        ],
    )
    def test_a_pod_that_runs_keeps_all(self, a_record, a_pod, deletion):
        assert is_kept(Scene(WEB, record=a_record, pod=a_pod, deletion=deletion).plan())

    @pytest.mark.parametrize("deletion", [UNASKED, POD_IS_GOING, SET_GOES, WISHED])
    @pytest.mark.parametrize("a_record", [DELETED, FIXED_DELETED])
    @pytest.mark.parametrize("a_pod", [None, pod(ended=True, deleting=True), pod(ended=True)])
    def test_one_that_has_ended_does_not(self, a_record, a_pod, deletion):
        made = Scene(WEB, record=a_record, pod=a_pod, deletion=deletion).plan()
        assert isinstance(made.step, Publish)
        assert made.step.status.entries == ()

    @pytest.mark.parametrize("a_record", [DELETED, FIXED_DELETED])
    def test_what_somebody_wishes_is_done_at_once(self, a_record):
        for a_pod in (pod(owner=SET), pod(owner=SET, deleting=True)):
            scene = Scene(WEB, record=a_record, pod=a_pod, deletion=WISHED)
            assert not is_kept(scene.plan()), "it stays one, whatever goes afterwards"

    def test_an_exposure_that_is_turned_off_is(self):
        off = pod(annotations={})
        assert not is_kept(Scene(WEB, record=DELETED, pod=off, deletion=POD_IS_GOING).plan())

    def test_without_our_finalizer_nothing_can_be_held(self):
        stripped = replace(DELETED, finalizers=("other",))
        assert not is_kept(Scene(WEB, record=stripped, pod=pod(), deletion=POD_IS_GOING).plan())

    def test_what_nothing_is_left_of_makes_room_for_another(self):
        bare = replace(record((600, 80)), deleting=True)
        scene = Scene(record=bare, pod=pod(), deletion=SET_GOES)
        assert not needs_cause(scene.seen)
        made = scene.plan(durable=frozenset(bare.spec.endpoints()), made_here=True)
        assert made.step == DropFinalizer()

    @pytest.mark.parametrize("what", ["rows", "entries"])
    def test_either_of_rows_and_entries_is_something_left(self, what):
        rows = (WEB,) if what == "rows" else ()
        entries = (WEB,) if what == "entries" else ()
        left = record((600, 80), entries=entries, conditions=(ready(),), deleting=True)
        scene = Scene(*rows, record=left, pod=pod(), deletion=POD_IS_GOING)
        assert is_held(scene.seen)

    def test_a_row_that_was_lost_meanwhile_is_made_again(self):
        two = record((600, 80), (601, 443), entries=[WEB], conditions=(ready(),), deleting=True)
        made = Scene(WEB, record=two, pod=pod("80,443"), deletion=POD_IS_GOING).plan()
        assert [write.entry.external_ports.first for write in made.writes] == [601]


class TestWhatIsTold:
    def told(self, a_pod: Any, deletion: Any, later: float = 0.0) -> tuple[str | None, Any]:
        scene = Scene(WEB, record=DELETED, pod=a_pod, deletion=deletion)
        made = scene.plan(now=NOW + later)
        return (made.problem.reason if made.problem else None), made.retry_in

    def test_a_clean_up_is_mostly_over_before_there_is_anything_to_tell(self):
        assert self.told(pod(), SET_GOES) == (None, TELL_AFTER_S)
        assert self.told(pod(), SET_GOES, TELL_AFTER_S) == ("ReleaseHeld", None)

    def test_a_clean_up_names_what_goes(self):
        deletion = behind("the StatefulSet lobby", NOW - TELL_AFTER_S)
        made = Scene(WEB, record=DELETED, pod=pod(), deletion=deletion).plan()
        text = (
            "the PodDNAT is being deleted along with the StatefulSet lobby; its entries stay until "
            "the pod's containers have ended, and its endpoints go then"
        )
        assert made.problem == Problem("ReleaseHeld", text)
        assert made.retry_in is None

    @pytest.mark.parametrize("left", [TELL_AFTER_S, 0.5])
    def test_until_there_is_something_to_tell_it_is_waited(self, left):
        deletion = behind("the StatefulSet lobby", NOW - TELL_AFTER_S + left)
        made = Scene(WEB, record=DELETED, pod=pod(), deletion=deletion).plan()
        assert (made.problem, made.retry_in) == (None, left)

    def test_what_is_wrong_with_the_pod_is_told_rather(self):
        odd = pod("nonsense")
        made = Scene(WEB, record=DELETED, pod=odd, deletion=unclear("get namespaces")).plan()
        assert made.problem.reason == "InvalidAnnotation"
        assert made.retry_in == ASK_AGAIN_S

    def test_what_else_is_waited_for_is_waited_for_as_well(self):
        squatter = row("fwd-9", f"{EIP}:700", f"{POD_IP}:443", owner=OTHER)
        claimed = replace(DELETED, spec=spec((600, 80), (601, 443)))
        scene = Scene(WEB, squatter, record=claimed, pod=BOTH, deletion=UNASKED)
        assert scene.plan().retry_in == SQUATTED_FOR_S

    def test_a_pod_that_goes_is_told_nothing(self):
        assert self.told(pod(deleting=True), SET_GOES, TELL_AFTER_S) == (None, None)

    def test_what_may_not_be_looked_at_is_named_and_asked_for_again(self):
        scene = Scene(WEB, record=DELETED, pod=pod(), deletion=unclear("get namespaces"))
        made = scene.plan()
        text = (
            "the PodDNAT is being deleted, and why cannot be told: the controller may not get "
            "namespaces; its entries stay until the pod's containers have ended, or it may"
        )
        assert made.problem == Problem("ReleaseHeld", text)
        assert made.retry_in == ASK_AGAIN_S
        assert isinstance(made.step, Publish)
        (condition,) = made.step.status.conditions
        assert (condition.status, condition.reason) == ("True", "ReleaseHeld")


class TestCause:
    """When it is asked why a PodDNAT is being deleted."""

    @pytest.mark.parametrize(
        ("a_record", "a_pod", "deletion", "needed"),
        [
            (HELD, pod(), UNASKED, False),
            (DELETED, pod(), UNASKED, True),
            (DELETED, pod(), unclear("get namespaces"), True),
            (DELETED, pod(), WISHED, False),
            (DELETED, pod(), SET_GOES, False),
            (DELETED, None, UNASKED, False),
            (DELETED, pod(ended=True), UNASKED, False),
            (DELETED, replace(pod(), uid="another"), UNASKED, False),
        ],
    )
    def test_is_asked_for_while_the_pod_runs(self, a_record, a_pod, deletion, needed):
        scene = Scene(WEB, record=a_record, pod=a_pod, deletion=deletion)
        assert needs_cause(scene.seen) is needed


class TestLettingGo:
    @pytest.mark.parametrize(
        "a_pod", [let_go(), replace(pod(fixed=True), owner=LATER_SET), replace(pod(), owner=None)]
    )
    def test_costs_a_living_pod_nothing(self, a_pod):
        made = Scene(WEB, record=FIXED, pod=a_pod).plan(workload=WorkloadAnswer.WANTS)
        assert made.writes == ()
        assert made.step is None or isinstance(made.step, FixMetadata)

    @pytest.mark.parametrize(
        "workload", [WorkloadAnswer.WANTS, WorkloadAnswer.SHED, WorkloadAnswer.UNREADABLE]
    )
    def test_the_claim_stays_with_a_workload_that_lives(self, workload):
        assert Scene(WEB, record=FIXED, pod=let_go()).plan(workload=workload) == Plan()

    def test_what_is_left_of_a_workload_that_goes_is_the_pods(self):
        made = Scene(WEB, record=FIXED, pod=let_go()).plan(workload=WorkloadAnswer.GONE)
        assert made.step == FixMetadata(POD_OWNER)

    def test_another_workload_takes_the_claim_with_the_pod(self):
        taken = replace(pod(fixed=True), owner=LATER_SET)
        for a_record in (FIXED, HELD, replace(HELD, owners=())):
            made = Scene(WEB, record=a_record, pod=taken).plan(workload=WorkloadAnswer.WANTS)
            assert made.step == FixMetadata(LATER_SET)

    @pytest.mark.parametrize("a_record", [HELD, replace(HELD, owners=())])
    def test_no_record_is_given_to_a_workload_that_goes(self, a_record):
        made = Scene(WEB, record=a_record, pod=pod(fixed=True)).plan(workload=WorkloadAnswer.GONE)
        assert made.step == (None if a_record is HELD else FixMetadata(POD_OWNER))

    @pytest.mark.parametrize(
        ("a_record", "a_pod", "asked"),
        [
            (FIXED, pod(fixed=True), None),
            (FIXED, None, SET),
            (FIXED, let_go(), SET),
            (FIXED, replace(pod(fixed=True), owner=LATER_SET), LATER_SET),
            (HELD, pod(fixed=True), SET),
            (HELD, pod(), None),
            (HELD, None, None),
            (FIXED_DELETED, let_go(), None),
            (FIXED, replace(pod("nonsense", fixed=True), owner=LATER_SET), None),
            (FIXED, replace(pod(annotations={}), owner=LATER_SET), None),
        ],
    )
    def test_which_workload_is_asked(self, a_record, a_pod, asked):
        assert workload_to_ask(Scene(WEB, record=a_record, pod=a_pod).seen) == asked

    @pytest.mark.parametrize(
        ("served", "ip", "kept"),
        [
            ("uid-pod", "10.0.0.9", True),
            ("another", None, False),
            ("", None, True),
            ("", "10.0.0.9", False),
            ("", "", True),
        ],
    )
    def test_another_pod_of_the_name_gets_nothing_of_it(self, served, ip, kept):
        a_pod = let_go(**({} if ip is None else {"ip": ip}))
        served = a_pod.uid if served == "uid-pod" else served
        made = Scene(WEB, record=FIXED, pod=a_pod, served=served).plan(
            workload=WorkloadAnswer.WANTS
        )
        assert (made.step is None or made.step.status.conditions[0].reason != "Releasing") is kept
