"""The decision table: from record and pod to hold, park, release or a new claim."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.model import Eni, PortRange
from dnatctl.objects import Owner, PodDNATSpec
from dnatctl.plan.exposure import Ask, Exposure, Problem, Rules, in_grace, read_exposure
from dnatctl.plan.owners import is_fixed
from dnatctl.plan.plan import needs_fresh_look, plan
from dnatctl.plan.tenancy import without_address
from dnatctl.plan.values import (
    Allowance,
    CreateRecord,
    DeleteRecord,
    DropFinalizer,
    FixMetadata,
    Plan,
    Policy,
    Publish,
    Reclaim,
    Retire,
    WorkloadAnswer,
    quota_used_up,
)
from dnatctl.pool import Target
from tests.unit.plan.made import (
    ME,
    NOW,
    POD_OWNER,
    SET,
    TLS,
    WALL,
    WEB,
    Scene,
    condition,
    create,
    delete,
    entries,
    mine,
    offer,
    pod,
    ports,
    ready,
    record,
    spec,
)
from tests.unit.table.made import EIP, GATEWAY, POD_IP, TCP, UDP

ROW = mine()
HELD = record(entries=[ROW], conditions=(ready(),))
FIXED = record(entries=[ROW], conditions=(ready(),), fixed=True)
ANOTHERS = replace(HELD, owners=(Owner("v1", "Pod", "lobby-0", "uid-earlier-pod"),))
OFF = pod(annotations={})
INVALID = pod("nonsense")


def kind(made: Plan) -> str:
    """What a plan amounts to, for a record whose one row is there and listed in its status."""
    if made == Plan():
        return "rest"
    if isinstance(made.step, Publish):
        condition = made.step.status.condition("Ready")
        return {"Releasing": "release", "PodAway": "park"}.get(condition.reason, condition.reason)
    return type(made.step).__name__ if made.step else "wait"


class TestPaused:
    """Nothing is changed, and that is told to whom it keeps from something."""

    WHY = "gateway/ngw-1 is paused"

    @pytest.mark.parametrize(
        ("a_record", "a_pod"), [(HELD, pod()), (HELD, OFF), (HELD, None), (None, pod())]
    )
    def test_nothing_is_changed(self, a_record, a_pod):
        made = Scene(ROW, record=a_record, pod=a_pod).plan(paused=self.WHY)
        told = f"nothing is changed: {self.WHY}"
        assert made == Plan(problem=Problem("Paused", told))

    @pytest.mark.parametrize("a_pod", [OFF, None, pod(ended=True)])
    def test_who_asks_for_nothing_and_has_nothing_is_told_nothing(self, a_pod):
        assert Scene(pod=a_pod).plan(paused=self.WHY) == Plan()


class TestAlongWithIt:
    """What is known before anything is decided goes along with whatever is."""

    def test_why_nothing_may_lead_to_the_pod(self):
        scene = Scene(ROW, record=HELD, pod=pod())
        lost = Problem("AddressTaken", "its IP belongs to another pod now")
        made = scene.plan(exposure=without_address(scene.seen.exposure, lost, ended=True))
        assert made.problem == lost
        assert isinstance(made.step, Publish)

    def test_when_that_may_be_known(self):
        assert Scene(ROW, record=HELD, pod=pod()).plan(retry_in=7.0) == Plan(retry_in=7.0)


class TestTheTable:
    @pytest.mark.parametrize(
        ("a_record", "a_pod", "then"),
        [
            (replace(HELD, deleting=True), None, "release"),
            (ANOTHERS, pod(), "release"),
            (ANOTHERS, pod(ip=""), "release"),
            (ANOTHERS, INVALID, "release"),
            (HELD, pod(), "rest"),
            (HELD, pod(deleting=True), "rest"),
            (HELD, INVALID, "InvalidAnnotation"),
            (HELD, pod(host_network=True), "HostNetwork"),
            (HELD, pod(ip=""), "park"),
            (HELD, pod(ended=True), "release"),
            (HELD, pod("nonsense", ended=True), "release"),
            (HELD, None, "release"),
            (HELD, OFF, "release"),
            (FIXED, pod(fixed=True), "rest"),
            (FIXED, pod(fixed=True, ip=""), "park"),
            (FIXED, pod(fixed=True, ended=True), "park"),
            (FIXED, None, "park"),
            (FIXED, pod(annotations={}, owner=SET), "release"),
            (FIXED, pod(owner=SET), "FixMetadata"),
            (HELD, pod(fixed=True), "FixMetadata"),
            (replace(HELD, owners=()), pod(), "FixMetadata"),
            (replace(HELD, owners=()), None, "release"),
            (replace(HELD, finalizers=("other",)), pod(), "FixMetadata"),
        ],
    )
    def test_record_and_pod(self, a_record, a_pod, then):
        assert kind(Scene(ROW, record=a_record, pod=a_pod).plan()) == then

    @pytest.mark.parametrize(
        ("a_record", "a_pod", "owner"),
        [(FIXED, pod(owner=SET), POD_OWNER), (HELD, pod(fixed=True), SET)],
    )
    def test_who_a_record_belongs_to_follows_the_pod(self, a_record, a_pod, owner):
        assert Scene(ROW, record=a_record, pod=a_pod).plan() == Plan(FixMetadata(owner))

    @pytest.mark.parametrize(
        ("a_pod", "problem"),
        [
            (None, None),
            (OFF, None),
            (pod(ip=""), None),
            (pod(ended=True), None),
            (pod(deleting=True), None),
            (INVALID, "InvalidAnnotation"),
            (pod(host_network=True), "HostNetwork"),
        ],
    )
    def test_without_a_record_only_a_living_pod_with_an_address_gets_one(self, a_pod, problem):
        made = Scene(pod=a_pod).plan()
        assert made.step is None
        assert made.writes == ()
        assert (made.problem.reason if made.problem else None) == problem

    def test_asking_changes_nothing(self):
        scene = Scene(pod=pod("80,443"))
        assert scene.plan() == scene.plan()


class TestFreshLook:
    """A claim is not let go of because of what an old cache shows."""

    @pytest.mark.parametrize(
        ("a_record", "a_pod", "needed"),
        [
            (None, None, False),
            (None, pod(), False),
            (HELD, pod(), False),
            (HELD, INVALID, False),
            (HELD, None, True),
            (HELD, OFF, True),
            (HELD, pod(ip=""), True),
            (HELD, pod(ended=True), True),
            (ANOTHERS, pod(), True),
            (FIXED, None, True),
            (replace(HELD, deleting=True), None, True),
            (replace(HELD, deleting=True), pod(), True),
        ],
    )
    def test_is_needed_to_let_go(self, a_record, a_pod, needed):
        assert needs_fresh_look(Scene(record=a_record, pod=a_pod).seen) is needed


class TestOwners:
    @pytest.mark.parametrize(
        ("owners", "fixed"),
        [((), False), ((POD_OWNER,), False), ((SET,), True), ((SET, POD_OWNER), False)],
    )
    def test_what_is_fixed_belongs_to_a_workload(self, owners, fixed):
        assert is_fixed(replace(HELD, owners=owners)) is fixed


class TestClaiming:
    def claimed(self, scene: Scene, **changes: Any) -> CreateRecord:
        step = scene.plan(**changes).step
        assert isinstance(step, CreateRecord)
        return step

    def test_a_claim_says_what_it_is_for(self):
        step = self.claimed(Scene(pod=pod("443/udp,80")))
        assert step.owner == POD_OWNER
        assert step.spec == PodDNATSpec(
            gateway_id=GATEWAY,
            external_ip=EIP,
            internal_ip=POD_IP,
            protocol=UDP,
            ports=ports((600, 443, UDP), (600, 80, TCP)),
        )

    def test_a_fixed_one_belongs_to_the_workload(self):
        assert self.claimed(Scene(pod=pod(fixed=True))).owner == SET

    def test_the_interface_is_noted_if_it_is_known(self):
        eni = Eni("eni-1", "vsw-1", "z-2", (POD_IP,))
        found = self.claimed(Scene(pod=pod()), eni=eni, zone_id="z-1").spec
        assert (found.eni, found.vswitch, found.zone_id) == ("eni-1", "vsw-1", "z-2")
        assert self.claimed(Scene(pod=pod()), zone_id="z-1").spec.zone_id == "z-1"

    def test_the_zone_of_the_pod_is_preferred(self):
        offers = (offer("ngw-1", zone_id="z-1"), offer("ngw-2", zone_id="z-2"))
        assert self.claimed(Scene(pod=pod(), offers=offers), zone_id="z-2").spec.gateway_id == (
            "ngw-2"
        )

    def test_a_namespace_gets_no_more_than_it_may_have(self):
        full = quota_used_up("games", 3, 2, 1)
        asks = Scene(pod=pod("80,443"))
        assert asks.plan(allowance=Allowance(1, full, 5.0)) == Plan(problem=full, retry_in=5.0)
        assert isinstance(asks.plan(allowance=Allowance(2, full)).step, CreateRecord)

    def test_what_was_asked_for_in_doubt_is_asked_for_again(self):
        asked = replace(spec((605, 80), (607, 443)), internal_ip="10.9.9.9")
        made = Scene(pod=pod("443,80")).plan(asked=asked)
        assert [p.external for p in made.step.spec.ports] == [607, 605]
        assert made.step.spec.internal_ip == POD_IP

    @pytest.mark.parametrize(
        ("rows", "ports"), [((), "80,22"), ((mine("fwd-1", f"{EIP}:605", owner=""),), "80,443")]
    )
    def test_but_not_if_it_will_not_do_any_more(self, rows, ports):
        asked = spec((605, 80), (607, 443))
        made = Scene(*rows, pod=pod(ports)).plan(asked=asked)
        assert 605 not in [p.external for p in made.step.spec.ports]

    def test_without_room_it_waits_for_the_next_quarantine_to_end(self):
        scene = Scene(pod=pod(), offers=(offer(ports="600/600"),))
        scene.pool.retire(spec().endpoints(), scene.seen.now - 20.0)
        assert scene.plan() == Plan(
            problem=Problem(
                "PoolExhausted", f"{GATEWAY}: no free tcp port is left in 600-600 on its EIPs"
            ),
            retry_in=40.0,
        )

    def test_an_empty_record_is_filled_in(self):
        empty = record(claim=PodDNATSpec())
        made = Scene(pod=pod(), record=empty).plan()
        assert made == Plan(Reclaim(spec((600, 80))))
        full = Scene(pod=pod(), record=empty, offers=()).plan()
        assert full.problem == Problem("PoolExhausted", "no gateway is left to try")

    def test_but_not_for_a_pod_that_asks_for_nonsense(self):
        made = Scene(pod=INVALID, record=record(claim=PodDNATSpec())).plan()
        assert (made.step, made.problem.reason) == (None, "InvalidAnnotation")

    def test_a_denied_namespace_keeps_what_it_has_for_the_grace(self):
        denied = Rules(denial=lambda _: "no")
        made = Scene(ROW, pod=pod(), record=HELD, rules=denied).plan()
        assert made.writes == ()
        assert made.step.status.entries == HELD.status.entries


DENIED = Rules(denial=lambda _: "no", grace_s=300.0)


class TestRevoked:
    """What a namespace that is denied has, once the grace is over."""

    def over(self, **more: Any) -> Exposure:
        return in_grace(read_exposure(pod(**more), DENIED), 0.0, WALL)

    def test_is_withdrawn_and_then_deleted(self):
        scene = Scene(ROW, pod=pod(), record=HELD)
        made = scene.plan(exposure=self.over())
        assert entries(made) == []
        status, reason, message = condition(made)
        assert (status, reason) == ("False", "NamespaceDenied")
        assert "no in the controller's configuration" in message
        told = replace(HELD, status=made.step.status)
        scene = Scene(ROW, pod=pod(), record=told)
        assert scene.plan(exposure=self.over()).writes == (delete(),)

    def test_is_not_claimed_anew(self):
        made = Scene(pod=pod()).plan(exposure=self.over())
        assert (made.step, made.problem.reason) == (None, "NamespaceDenied")

    def test_nor_is_a_fixed_claim_kept(self):
        exposure = self.over(fixed=True)
        assert exposure.fixed
        endpoints = HELD.spec.endpoints()
        told = replace(HELD, status=replace(HELD.status, entries=(), conditions=(ready("False"),)))
        scene = Scene(pod=pod(), record=told)
        made = scene.plan(exposure=exposure, durable=frozenset(endpoints))
        assert made.step == DeleteRecord()

    def test_until_then_it_is_said_when(self):
        exposure = in_grace(read_exposure(pod(), DENIED), 90.0, WALL)
        assert exposure.ask is Ask.KEEP
        assert f"released at {WALL:%H:%M:%S} UTC (namespaces.grace)" in exposure.problem.text


class TestDeniedPorts:
    POLICY = Policy(denied_ports=(PortRange(22, 22), PortRange(80, 80)))

    def test_no_row_is_led_there_whatever_the_poddnat_says(self):
        """It is the pod's own record, edited while the annotations ask for nonsense."""
        edited = record((600, 22), entries=[WEB], conditions=(ready(),))
        made = Scene(ROW, pod=INVALID, record=edited, policy=self.POLICY).plan()
        assert made.writes == ()
        after = replace(edited, status=made.step.status)
        assert Scene(ROW, pod=INVALID, record=after, policy=self.POLICY).plan().writes == (
            delete(),
        )

    def test_what_leads_there_already_stays(self):
        rules = Rules(denied_ports=self.POLICY.denied_ports)
        made = Scene(ROW, pod=pod(), record=HELD, rules=rules, policy=self.POLICY).plan()
        assert made.writes == ()
        assert made.step.status.entries == HELD.status.entries
        assert condition(made)[:2] == ("True", "PortDenied")


def test_a_pod_of_the_same_name_claims_anew_after_the_release():
    """Step by step: the record of an earlier pod is released, then the new pod gets its own."""
    new = pod(ip="10.0.0.5")
    gone = replace(ANOTHERS, status=replace(HELD.status, entries=(), conditions=(ready("False"),)))
    assert kind(Scene(ROW, record=ANOTHERS, pod=new).plan()) == "release"
    assert Scene(ROW, record=gone, pod=new).plan().writes == (delete(),)
    endpoints = gone.spec.endpoints()
    assert Scene(record=gone, pod=new).plan().step == Retire(endpoints)
    durable = frozenset(endpoints)
    assert Scene(record=gone, pod=new).plan(durable=durable).step == DeleteRecord()
    deleted = replace(gone, deleting=True)
    assert Scene(record=deleted, pod=new).plan(durable=durable).step == DropFinalizer()
    claim = Scene(pod=new).plan().step
    assert isinstance(claim, CreateRecord)
    assert claim.spec.internal_ip == "10.0.0.5"


def test_a_poddnat_deleted_by_hand_is_claimed_anew_as_long_as_the_pod_asks():
    deleted = replace(HELD, deleting=True, finalizers=())
    scene = Scene(record=replace(deleted, status=replace(HELD.status, entries=())), pod=pod())
    made = scene.plan(durable=frozenset(deleted.spec.endpoints()), workload=WorkloadAnswer.UNKNOWN)
    assert kind(made) == "release", "Ready is True still"
    assert isinstance(Scene(pod=pod()).plan().step, CreateRecord)


def test_plan_is_a_function():
    scene = Scene(ROW, record=HELD, pod=pod())
    assert plan(scene.seen, scene.pool) == plan(scene.seen, scene.pool)
    assert scene.pool.owner(spec().endpoints()[0]) == ME


@pytest.mark.parametrize("most", [0, 1, 2])
def test_a_pod_that_asks_for_nonsense_gets_no_more_ports_than_it_may_have(most):
    """Somebody may have written them down for it, with our finalizer."""
    claims, policy = record((600, 80), (601, 443)), Policy(max_ports=most)
    made = Scene(record=claims, pod=INVALID, policy=policy).plan()
    endpoints = tuple(claims.spec.endpoints())
    retired = [made.step] if isinstance(made.step, Retire) else []
    assert retired == ([Retire(endpoints[most:])] if most < 2 else [])
    assert set(made.writes) == ({create(), create("601", "443")} if most == 2 else set())
    served = Scene(TLS, record=claims, pod=INVALID, policy=policy).plan()
    assert (served.step == Retire(endpoints[:1])) is (most < 2), "what it has stays"
    assert set(served.writes) == ({create()} if most == 2 else set())


def test_nor_does_one_that_may_have_none_move_with_nothing():
    """Where its gateway is refused: each look at it failed, without end."""
    claims = record((600, 80), (601, 443))
    scene = Scene(record=claims, pod=INVALID, policy=Policy(max_ports=0))
    scene.pool.trust.mark(Target(GATEWAY), "no", NOW)
    assert scene.plan(made_here=True).step == Retire(tuple(claims.spec.endpoints()))
