"""Release and park: each step of the write order, and whatever holds one up."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.objects import FINALIZER, RETAINED, PodDNAT, PodDNATSpec
from dnatctl.plan.exposure import Problem
from dnatctl.plan.policy import DELETION_HELD
from dnatctl.plan.release import ASK_AGAIN_S
from dnatctl.plan.status import CLOCKS_DIFFER_S
from dnatctl.plan.values import (
    DeleteRecord,
    DropFinalizer,
    Plan,
    Policy,
    Publish,
    Retire,
    WorkloadAnswer,
)
from tests.unit.plan.made import (
    OTHER,
    Scene,
    delete,
    listed,
    mine,
    offer,
    pod,
    ready,
    record,
    spec,
    stamp,
)
from tests.unit.pool.made import endpoint
from tests.unit.table.made import AVAILABLE, DELETING, EIP, GATEWAY, PENDING, POD_IP, row, view

WEB = mine()
TLS = mine("fwd-2", f"{EIP}:601", f"{POD_IP}:443")
FULL = record((600, 80), (601, 443), entries=[WEB, TLS], conditions=(ready(),))
ENDPOINTS = FULL.spec.endpoints()
DURABLE = frozenset(ENDPOINTS)
GONE_READY = ready("False", "Releasing", "the entries are being deleted", ago=5.0)
CLEARED = replace(FULL, status=replace(FULL.status, entries=(), conditions=(GONE_READY,)))
AWAY_TEXT = (
    "the pod is away; its claim is kept while its workload wants it, and for fixed.retain after"
)
UPSERT_ONLY = Policy(upsert_only=True)


def published(made: Plan) -> tuple[str, str]:
    assert isinstance(made.step, Publish)
    found = made.step.status.condition("Ready")
    assert made.step.status.entries == ()
    return found.status, found.reason


class TestTimesOfOthers:
    """Whoever may write a PodDNAT may write any time into its conditions."""

    GRACE = Policy().gc_grace_s

    def _plan(self, since: str, created: str) -> Plan:
        told = (replace(GONE_READY, since=since),)
        held = replace(CLEARED, created=created, status=replace(CLEARED.status, conditions=told))
        return Scene(record=held).plan(durable=DURABLE)

    @pytest.mark.parametrize(
        "since",
        [
            "2999-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "nonsense",
            "2026",
            "1" * 100_000,
            "\x00",
        ],
    )
    @pytest.mark.parametrize("created", ["", "nonsense", stamp(3600)])
    def test_what_cannot_be_is_over(self, since, created):
        assert isinstance(self._plan(since, created).step, DeleteRecord)

    @pytest.mark.parametrize(
        "form", ["{}Z", "{}z", "{}.5Z", "{}.123456789Z", "{}+00:00", "{}-00:00", "{}"]
    )
    def test_every_form_of_a_time_is_read(self, form):
        since = form.format(stamp(5.0).removesuffix("Z"))
        left = self._plan(since, stamp(3600)).retry_in
        assert left == pytest.approx(self.GRACE - 5.0, abs=1.0)

    def test_none_is_before_the_poddnat(self):
        assert self._plan("2020-01-01T00:00:00Z", stamp(5.0)).retry_in == self.GRACE - 5.0


def told_already(scene: Scene, made: Plan) -> Scene:
    """The same, once the status that was planned is written."""
    record = replace(scene.seen.record, status=made.step.status)
    scene.seen = dataclasses.replace(scene.seen, record=record)
    return scene


class TestOrder:
    """Status, rows, seen absent, quarantine on record, PodDNAT: nothing before its turn."""

    def test_status_first(self):
        made = Scene(WEB, TLS, record=FULL).plan()
        assert published(made) == ("False", "Releasing")
        assert made.step.status.condition("Ready").message == "the entries are being deleted"
        assert made.writes == ()

    def test_what_it_lists_and_nothing_marks_is_named_and_stays(self):
        """Left by another controller, of a pod that is gone: it was said that they are deleted."""
        theirs = row("fwd-2", f"{EIP}:601", f"{POD_IP}:443")
        scene = Scene(WEB, theirs, record=FULL)
        made = scene.plan()
        assert published(made) == ("False", "EntriesUnmarked")
        assert made.problem.reason == "EntriesUnmarked"
        assert "1 entry that it lists on ngw-1" in made.problem.text
        assert "(fwd-2)" in made.problem.text
        assert told_already(scene, made).plan() == Plan(writes=(delete("fwd-1"),))

    def test_even_if_it_only_lists_them(self):
        """An older CRD keeps no conditions."""
        bare = replace(FULL, status=replace(FULL.status, conditions=()))
        assert published(Scene(WEB, TLS, record=bare).plan()) == ("False", "Releasing")

    def test_even_if_it_only_says_ready(self):
        odd = replace(FULL, status=replace(FULL.status, entries=()))
        assert published(Scene(WEB, record=odd).plan()) == ("False", "Releasing")

    def test_then_the_rows(self):
        assert Scene(WEB, TLS, record=CLEARED).plan() == Plan(
            writes=(delete("fwd-1"), delete("fwd-2"))
        )

    @pytest.mark.parametrize("status", [AVAILABLE, PENDING])
    def test_whatever_they_are_like(self, status):
        odd = mine("fwd-1", f"{EIP}:999", "10.0.0.9:1", status=status)
        assert Scene(odd, record=CLEARED).plan().writes == (delete("fwd-1"),)

    def test_on_whichever_gateway_they_are(self):
        offers = (offer(GATEWAY), offer("ngw-2"))
        elsewhere = {"ngw-2": view(mine("fwd-9", "2.2.2.2:600"), gateway_id="ngw-2")}
        made = Scene(WEB, record=CLEARED, offers=offers, tables=elsewhere).plan()
        assert made.writes == (delete("fwd-1"), delete("fwd-9", "ngw-2"))

    def test_not_those_of_others(self):
        others = row("fwd-8", f"{EIP}:602"), row("fwd-9", f"{EIP}:603", owner=OTHER)
        made = Scene(WEB, *others, record=CLEARED).plan()
        assert made.writes == (delete("fwd-1"),)

    def test_what_is_on_its_way_out_is_waited_for(self):
        leaving = mine(status=DELETING)
        assert Scene(leaving, record=CLEARED).plan(durable=DURABLE) == Plan()
        assert Scene(leaving, TLS, record=CLEARED).plan().writes == (delete("fwd-2"),)

    def test_then_the_quarantine_begins_and_is_noted(self):
        assert Scene(record=CLEARED).plan() == Plan(Retire(ENDPOINTS))
        part = frozenset(ENDPOINTS[:1])
        assert Scene(record=CLEARED).plan(durable=part) == Plan(Retire(ENDPOINTS[1:]))

    def test_then_the_poddnat_goes(self):
        assert Scene(record=CLEARED, pod=pod(annotations={})).plan(durable=DURABLE) == Plan(
            DeleteRecord()
        )

    def test_and_its_finalizer_last(self):
        deleted = replace(CLEARED, deleting=True)
        assert Scene(record=deleted).plan(durable=DURABLE) == Plan(DropFinalizer())

    def test_what_others_hold_is_left_to_them(self):
        deleted = replace(CLEARED, deleting=True, finalizers=("someone/else",))
        assert Scene(record=deleted).plan(durable=DURABLE) == Plan()

    @pytest.mark.parametrize("deleting", [False, True])
    def test_a_record_that_claims_nothing_goes_at_once(self, deleting):
        empty = record(claim=PodDNATSpec(), deleting=deleting, finalizers=(FINALIZER,))
        made = Scene(record=empty).plan()
        assert made.step == (DropFinalizer() if deleting else DeleteRecord())

    def test_without_a_status_there_is_nothing_to_clear(self):
        fresh = record((600, 80))
        assert Scene(WEB, record=fresh).plan() == Plan(writes=(delete("fwd-1"),))


class TestDoubt:
    """While it is not known whether a row is left, nothing is let go."""

    def test_a_write_whose_outcome_is_unknown(self):
        assert Scene(record=CLEARED).plan(unanswered=True, durable=DURABLE) == Plan()

    def test_rows_are_deleted_all_the_same(self):
        made = Scene(WEB, record=CLEARED).plan(unanswered=True)
        assert made.writes == (delete("fwd-1"),)

    @pytest.mark.parametrize("tables", [{GATEWAY: view(read=False)}, {GATEWAY: None}])
    def test_a_table_that_cannot_be_read(self, tables):
        scene = Scene(record=CLEARED)
        if tables[GATEWAY] is None:
            del scene.tables[GATEWAY]
        else:
            scene.tables.update(tables)
        text = "the forward table of ngw-1 cannot be read: whether entries are left is unknown"
        made = scene.plan(durable=DURABLE)
        assert published(made) == ("False", "GatewayUnusable")
        assert made.problem == Problem("GatewayUnusable", text)
        assert told_already(scene, made).plan(durable=DURABLE) == Plan(problem=made.problem)

    def test_why_it_cannot_be_read_is_told(self):
        scene = Scene(record=CLEARED, tables={GATEWAY: view(read=False)})
        scene.tables[GATEWAY].unreadable = "DescribeForwardTableEntries: Forbidden.RAM: no"
        assert "(DescribeForwardTableEntries: Forbidden.RAM: no)" in scene.plan().problem.message

    def test_status_is_cleared_even_then(self):
        scene = Scene(record=FULL, tables={GATEWAY: view(read=False)})
        assert published(scene.plan()) == ("False", "GatewayUnusable")

    @pytest.mark.parametrize("deleting", [False, True])
    def test_a_gateway_that_is_no_more_has_no_rows(self, deleting):
        ended = replace(CLEARED, deleting=deleting)
        scene = Scene(record=ended, pod=pod(annotations={}), tables={GATEWAY: view(read=False)})
        made = scene.plan(durable=DURABLE, absent=frozenset({GATEWAY}))
        assert made.step == (DropFinalizer() if deleting else DeleteRecord())


class TestUpsertOnly:
    @pytest.mark.parametrize("deleting", [False, True])
    def test_rows_are_kept_and_with_them_the_record(self, deleting):
        kept = replace(CLEARED, deleting=deleting)
        scene = Scene(WEB, record=kept, policy=UPSERT_ONLY)
        made = scene.plan(durable=DURABLE)
        assert published(made) == ("False", DELETION_HELD.reason)
        assert told_already(scene, made).plan(durable=DURABLE) == Plan(problem=DELETION_HELD)

    def test_nothing_is_said_to_be_on_its_way_out_that_stays(self):
        made = Scene(WEB, TLS, record=FULL, policy=UPSERT_ONLY).plan()
        assert published(made) == ("False", DELETION_HELD.reason)

    def test_what_has_no_rows_can_go(self):
        made = Scene(record=CLEARED, pod=pod(annotations={}), policy=UPSERT_ONLY).plan(
            durable=DURABLE
        )
        assert made == Plan(DeleteRecord())


class TestHeld:
    """A release that cannot happen says what holds it, for as long as that does."""

    NO = "DeleteForwardEntry: Forbidden.RAM: not authorized; grant vpc:DeleteForwardEntry"

    def test_by_the_cloud(self):
        scene = Scene(WEB, TLS, record=CLEARED, hindrances={"fwd-1": self.NO})
        made = scene.plan()
        assert published(made) == ("False", "DeletionHeld")
        text = f"2 entries on {GATEWAY} cannot be deleted: {self.NO}"
        assert made.problem == Problem("DeletionHeld", text)
        assert made.writes == (delete("fwd-1"), delete("fwd-2")), "it is tried again"
        again = told_already(scene, made).plan()
        assert again == Plan(writes=made.writes, problem=made.problem)

    def test_a_claim_that_was_never_told_ready_says_so_too(self):
        scene = Scene(WEB, record=record((600, 80)), hindrances={"fwd-1": self.NO})
        made = scene.plan()
        assert published(made) == ("False", "DeletionHeld")
        assert made.problem.message == f"1 entry on {GATEWAY} cannot be deleted: {self.NO}"

    def test_a_parked_one_as_well(self):
        away = record((600, 80), conditions=(ready("False", "PodAway"),), fixed=True)
        scene = Scene(WEB, record=away, hindrances={"fwd-1": self.NO})
        assert published(scene.plan()) == ("False", "DeletionHeld")

    def test_and_is_told_no_longer_than_that(self):
        held = Scene(WEB, record=CLEARED, hindrances={"fwd-1": self.NO})
        later = told_already(held, held.plan())
        made = later.plan(hindrances={})
        assert published(made) == ("False", "Releasing")
        assert made.writes == (delete("fwd-1"),)

    def test_what_is_on_its_way_out_by_now_is_not_held(self):
        leaving = mine(status=DELETING)
        made = Scene(leaving, record=CLEARED, hindrances={"fwd-1": self.NO}).plan()
        assert made == Plan()

    def test_by_another_programs_finalizer(self):
        held = replace(CLEARED, deleting=True, finalizers=(FINALIZER, "example.com/other"))
        scene = Scene(record=held)
        made = scene.plan(durable=DURABLE)
        assert published(made) == ("False", "Released")
        assert "example.com/other" in made.step.status.condition("Ready").message
        assert told_already(scene, made).plan(durable=DURABLE) == Plan(DropFinalizer())

    def test_by_several_programs(self):
        held = replace(CLEARED, deleting=True, finalizers=("a.io/x", FINALIZER, "b.io/y"))
        made = Scene(record=held).plan(durable=DURABLE)
        text = (
            "the entries are deleted; the PodDNAT is kept by a.io/x, b.io/y, which is not dnatctl's"
        )
        assert made.step.status.condition("Ready").message == text

    def test_rows_elsewhere_are_not_kept_by_a_table_that_cannot_be_read(self):
        """Only once they are gone it matters what that one holds."""
        scene = Scene(WEB, record=replace(CLEARED, spec=replace(CLEARED.spec, gateway_id="ngw-9")))
        made = scene.plan()
        assert (made.step, made.problem, made.writes) == (None, None, (delete("fwd-1"),))


class TestGarbageCollection:
    """A pod takes its PodDNAT along: given time for that, one write is saved."""

    def ended(self, ago: float | None) -> PodDNAT:
        conditions = () if ago is None else (replace(GONE_READY, since=stamp(ago)),)
        return replace(CLEARED, status=replace(CLEARED.status, conditions=conditions))

    @pytest.mark.parametrize("a_pod", [None, pod(ended=True, deleting=True)])
    def test_is_waited_for(self, a_pod):
        made = Scene(record=self.ended(10.0), pod=a_pod).plan(durable=DURABLE)
        assert made == Plan(retry_in=20.0)
        made = Scene(record=self.ended(29.0), pod=a_pod).plan(durable=DURABLE)
        assert made == Plan(retry_in=1.0)

    @pytest.mark.parametrize("ago", [30.0, 3600.0, None])
    def test_but_not_for_ever(self, ago):
        made = Scene(record=self.ended(ago)).plan(durable=DURABLE)
        assert made == Plan(DeleteRecord())

    def test_a_condition_without_a_time_is_not_waited_for(self):
        odd = self.ended(1.0)
        undated = (replace(odd.status.conditions[0], since=""),)
        odd = replace(odd, status=replace(odd.status, conditions=undated))
        assert Scene(record=odd).plan(durable=DURABLE) == Plan(DeleteRecord())

    @pytest.mark.parametrize("a_pod", [pod(ended=True), pod(annotations={})])
    def test_a_pod_that_stays_takes_nothing_along(self, a_pod):
        made = Scene(record=self.ended(10.0), pod=a_pod).plan(durable=DURABLE)
        assert made == Plan(DeleteRecord())


class TestPark:
    """The claim stays; the rows go, as the pod's address may be another pod's by now."""

    AWAY = record((600, 80), entries=[WEB], conditions=(ready(),), fixed=True)
    PARKED = record(
        (600, 80),
        conditions=(ready("False", "PodAway", AWAY_TEXT, ago=50),),
        fixed=True,
    )

    def plan(self, a_record: PodDNAT, *rows: Any, pod: Any = None, **seen: Any) -> Plan:
        policy = seen.pop("policy", None)
        return Scene(*rows, record=a_record, pod=pod, policy=policy).plan(**seen)

    def test_status_first(self):
        made = self.plan(self.AWAY, WEB)
        assert published(made) == ("False", "PodAway")
        assert made.step.status.condition("Ready").message == AWAY_TEXT

    @pytest.mark.parametrize("fixed", [False, True])
    def test_a_pod_that_has_lost_its_ip_is_not_said_to_be_away(self, fixed):
        made = self.plan(replace(self.AWAY, owners=record(fixed=fixed).owners), WEB, pod=pod(ip=""))
        assert published(made) == ("False", "PodAway")
        text = made.step.status.condition("Ready").message
        assert text == "the pod has no IP; its claim is kept"

    def test_then_the_rows(self):
        assert self.plan(self.PARKED, WEB) == Plan(writes=(delete("fwd-1"),))
        assert self.plan(self.PARKED, mine(status=DELETING)) == Plan()

    def test_the_endpoint_is_not_retired(self):
        made = self.plan(self.PARKED, workload=WorkloadAnswer.WANTS)
        assert made == Plan()

    def test_a_pod_that_has_no_address_yet_is_waited_for(self):
        for a_pod in (pod(fixed=True, ip=""), pod(ip="")):
            fixed = a_pod.owner is not None
            away = record((600, 80), fixed=fixed)
            assert self.plan(away, pod=a_pod) == Plan()
            assert self.plan(away, WEB, pod=a_pod) == Plan(writes=(delete("fwd-1"),))

    def test_a_living_pod_keeps_its_claim_whatever_its_workload_says(self):
        for gone in (WorkloadAnswer.GONE, WorkloadAnswer.SHED):
            assert self.plan(self.PARKED, pod=pod(fixed=True, ip=""), workload=gone) == Plan()

    def test_what_is_wrong_with_it_is_told(self):
        nonsense = pod("nonsense", fixed=True, ip="")
        made = self.plan(self.PARKED, pod=nonsense)
        assert (made.step, made.problem.reason) == (None, "InvalidAnnotation")

    @pytest.mark.parametrize("kept", [WorkloadAnswer.UNKNOWN, WorkloadAnswer.WANTS])
    def test_a_claim_is_kept_for_who_may_come_back(self, kept):
        assert self.plan(self.PARKED, workload=kept) == Plan()

    def test_it_ends_with_its_workload(self):
        assert self.plan(self.PARKED, workload=WorkloadAnswer.GONE) == Plan(DeleteRecord())
        waiting = self.plan(self.PARKED, WEB, workload=WorkloadAnswer.GONE)
        assert waiting == Plan(writes=(delete("fwd-1"),)), "rows first"

    def test_a_claim_never_used_says_that_it_is_parked(self):
        made = self.plan(record((600, 80), fixed=True), workload=WorkloadAnswer.WANTS)
        assert published(made) == ("False", "PodAway")

    @pytest.mark.parametrize("why", ["unanswered", "unread"])
    def test_in_doubt_it_stays(self, why):
        scene = Scene(record=self.PARKED)
        if why == "unread":
            scene.tables[GATEWAY] = view(read=False)
        made = scene.plan(workload=WorkloadAnswer.GONE, unanswered=why == "unanswered")
        if why == "unread":
            assert published(made) == ("False", "GatewayUnusable")
        else:
            assert made.step is None

    def test_upsert_only_keeps_the_rows(self):
        made = self.plan(self.PARKED, WEB, policy=UPSERT_ONLY, workload=WorkloadAnswer.GONE)
        assert published(made) == ("False", DELETION_HELD.reason)
        assert made.problem == DELETION_HELD
        assert made.writes == ()

    def test_but_what_somebody_else_deletes_is_not_kept_by_it(self):
        going = mine(status=DELETING)
        made = self.plan(self.PARKED, going, policy=UPSERT_ONLY, workload=WorkloadAnswer.GONE)
        assert (made.problem, made.writes) == (None, ())

    def test_when_the_pod_comes_back_it_has_its_endpoint_again(self):
        back = pod(fixed=True, ip="10.0.0.7")
        made = self.plan(self.PARKED, pod=back)
        assert made.step.spec == spec((600, 80), ip="10.0.0.7")


class TestUnasked:
    """A workload of a kind that may not be read: nobody can say that the pod comes back no more."""

    TEXT = (
        "the claim is kept, perhaps for ever: the controller may not look whether StatefulSet "
        "lobby still wants the pod; give it the verb get on that kind (apps/v1), or delete the "
        "PodDNAT by hand"
    )

    def test_the_claim_is_kept_and_told_so(self):
        made = Scene(record=TestPark.PARKED).plan(workload=WorkloadAnswer.UNREADABLE)
        assert published(made) == ("False", "WorkloadUnreadable")
        assert made.step.status.condition("Ready").message == self.TEXT
        assert made.problem == Problem("WorkloadUnreadable", self.TEXT)
        assert made.writes == ()
        assert made.retry_in == ASK_AGAIN_S

    def test_once(self):
        """Told already, it is only looked at again now and then."""
        scene = Scene(record=TestPark.PARKED)
        made = scene.plan(workload=WorkloadAnswer.UNREADABLE)
        again = told_already(scene, made).plan(workload=WorkloadAnswer.UNREADABLE)
        assert again == Plan(problem=made.problem, retry_in=ASK_AGAIN_S)

    def test_a_pod_that_waits_for_an_address_is_not_told(self):
        a_pod = pod(fixed=True, ip="")
        made = Scene(record=TestPark.PARKED, pod=a_pod).plan(workload=WorkloadAnswer.UNREADABLE)
        assert made == Plan()


class TestRetain:
    """A fixed claim whose name its workload no longer wants is kept for the retain time."""

    POLICY = Policy(retain_s=3600.0)
    PARKED = TestPark.PARKED

    def shed(self, ago: float) -> PodDNAT:
        """A record that has said so for so long."""
        made = Scene(record=self.PARKED).plan(workload=WorkloadAnswer.SHED)
        assert isinstance(made.step, Publish)
        conditions = tuple(
            replace(c, since=stamp(ago)) if c.type == RETAINED else c
            for c in made.step.status.conditions
        )
        return replace(self.PARKED, status=replace(made.step.status, conditions=conditions))

    def test_begins_when_it_is_first_seen(self):
        made = Scene(record=self.PARKED, policy=self.POLICY).plan(workload=WorkloadAnswer.SHED)
        assert published(made) == ("False", "PodAway")
        found = made.step.status.condition(RETAINED)
        assert (found.status, found.reason, found.since) == ("True", "NotAmongReplicas", stamp())
        assert found.message == (
            "no longer among the workload's replicas; the claim is kept for the retain time"
        )

    def test_lasts_as_long_as_configured(self):
        for ago, left in ((600.0, 3000.0), (3599.0, 1.0)):
            scene = Scene(record=self.shed(ago), policy=self.POLICY)
            assert scene.plan(workload=WorkloadAnswer.SHED) == Plan(retry_in=left)

    def test_and_ends(self):
        scene = Scene(record=self.shed(3600.0), policy=self.POLICY)
        assert scene.plan(workload=WorkloadAnswer.SHED) == Plan(DeleteRecord())

    def test_begins_anew_when_the_name_was_wanted_in_between(self):
        wanted = Scene(record=self.shed(3599.0), policy=self.POLICY).plan(
            workload=WorkloadAnswer.WANTS
        )
        assert wanted.step.status.condition(RETAINED) is None
        again = replace(self.PARKED, status=wanted.step.status)
        made = Scene(record=again, policy=self.POLICY).plan(workload=WorkloadAnswer.SHED)
        assert made.step.status.condition(RETAINED).since == stamp()

    def test_is_over_when_the_pod_is_back(self):
        rows = mine()
        back = Scene(rows, record=self.shed(600.0), pod=pod(fixed=True)).plan()
        assert isinstance(back.step, Publish)
        assert back.step.status.condition(RETAINED) is None
        assert back.step.status.entries == listed(rows)

    def test_may_be_dated_as_far_ahead_as_clocks_differ(self):
        made = Scene(record=self.shed(-CLOCKS_DIFFER_S), policy=self.POLICY).plan(
            workload=WorkloadAnswer.SHED
        )
        assert made == Plan(retry_in=3600.0 + CLOCKS_DIFFER_S)

    @pytest.mark.parametrize("since", [stamp(-301.0), stamp(-3600.0), "2999", "nonsense", ""])
    def test_begins_anew_where_its_date_cannot_be(self, since):
        """A leader's clock was ahead, and has been put right: the claim was hardly kept yet."""
        shed = self.shed(0.0)
        dated = tuple(
            replace(c, since=since) if c.type == RETAINED else c for c in shed.status.conditions
        )
        odd = replace(shed, created=stamp(1e6), status=replace(shed.status, conditions=dated))
        made = Scene(record=odd, policy=self.POLICY).plan(workload=WorkloadAnswer.SHED)
        assert isinstance(made.step, Publish)
        assert made.step.status.condition(RETAINED).since == stamp()

    def test_without_conditions_the_claim_goes_with_its_workload(self):
        """An older CRD drops what dates the retain time."""
        policy = Policy(keeps_conditions=False, retain_s=1.0)
        assert Scene(record=self.PARKED, policy=policy).plan(workload=WorkloadAnswer.SHED) == Plan()
        gone = Scene(record=self.PARKED, policy=policy).plan(workload=WorkloadAnswer.GONE)
        assert gone == Plan(DeleteRecord())


def test_the_whole_way_is_one_write_a_step():
    """From a living pod's full record to nothing, each plan carried out in turn."""
    current, rows, durable, steps = FULL, [WEB, TLS], frozenset(), []
    for _ in range(10):
        made = Scene(*rows, record=current).plan(durable=durable)
        steps.append(type(made.step).__name__ if made.step else len(made.writes))
        match made.step:
            case Publish(status):
                dated = tuple(replace(c, since=stamp(60)) for c in status.conditions)
                current = replace(current, status=replace(status, conditions=dated))
            case Retire(endpoints):
                durable = frozenset(endpoints)
            case DeleteRecord():
                current = replace(current, deleting=True)
            case DropFinalizer():
                break
            case None:
                rows = []
    assert steps == ["Publish", 2, "Retire", "DeleteRecord", "DropFinalizer"]
    assert endpoint(600) in durable
