"""PodDNATs that go without their finalizer's leave: what they leave behind is surely nobody's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl.control.gateway.sweeper import FOLLOW_S
from dnatctl.objects import Key
from dnatctl.observe.metrics import CONTROLLER
from dnatctl.table.orphans import Patience
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import NAMESPACE, RECORDS, Running, Stage, eventually, stage

LEASES = "leases.coordination.k8s.io"
NEVER = Patience(age_s=1e9, urgent_s=1e9)
IMPATIENT = Patience(age_s=0.0, urgent_s=0.0)


@pytest.fixture
def it() -> Iterator[Stage]:
    """A controller that never takes anything for an orphan by its age, and seldom looks."""
    with stage(resync="60s") as running:
        running.start_controller(orphans=NEVER, sweep_s=60.0)
        yield running


def strip(it: Stage, name: str) -> None:
    """Take a PodDNAT away with all it has, as somebody does who is tired of waiting."""
    with it.kube.store.raw.lock:
        it.kube.store.patch(RECORDS, it.ns, name, {"metadata": {"finalizers": None}})
        it.kube.store.delete(RECORDS, it.ns, name)
    it.referee.violations.clear()  # the referee takes it for the controller's doing


def swept(it: Stage) -> None:
    """The table was read anew, orphans were looked for, and what was to be deleted is."""
    parts = it.running[0].controller.parts
    ((gateway_id, table),) = parts.views.tables.items()
    poller = parts.gateways.fleet.poller(gateway_id)
    assert poller is not None
    for _ in range(3):
        before = table.generation
        poller.read_soon()
        eventually(lambda before=before: table.generation > before)
        parts.sweeper.sweep()
    it.quiet(unless=lambda: True)


def test_its_rows_go_at_once_when_its_pod_is_gone(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    with it.kube.store.raw.lock:
        it.delete_pod("web", grace=0)
        strip(it, "web")
    eventually(lambda: it.rows() == [])
    it.assert_at_rest()


def test_the_next_pod_with_its_ip_is_not_led_to(it: Stage) -> None:
    it.pod("web")
    (entry,) = it.ready("web")
    with it.kube.store.raw.lock:
        it.delete_pod("web", grace=0)
        strip(it, "web")
        it.pod("next", switch="false")
    eventually(lambda: it.kube.store.get("pods", it.ns, "next")["status"].get("podIP"))
    eventually(lambda: entry["forwardEntryId"] not in {row["entry_id"] for row in it.rows()})


def stand_by(it: Stage) -> Running:
    """In place of the controller another, which somebody else's Lease keeps from leading."""
    it.stop_controllers()
    held = {"holderIdentity": "somebody", "leaseDurationSeconds": 600}
    it.kube.store.patch(LEASES, NAMESPACE, CONTROLLER, {"spec": held})
    running = it.start_controller(wait=False, orphans=NEVER, sweep_s=60.0)
    eventually(lambda: running.controller.parts.records.get(Key(it.ns, "web")))
    return running


def take_over(it: Stage, standby: Running) -> None:
    """Once it has seen the PodDNAT of web go."""
    parts = standby.controller.parts
    eventually(lambda: parts.records.get(Key(it.ns, "web")) is None)
    assert not parts.standing.working
    it.kube.store.patch(LEASES, NAMESPACE, CONTROLLER, {"spec": {"holderIdentity": ""}})
    eventually(lambda: parts.standing.working)


def test_so_they_do_where_only_a_standby_saw_it(it: Stage) -> None:
    """The leader is away: that is when finalizers hang, and people take them off."""
    it.pod("web")
    it.ready("web")
    standby = stand_by(it)
    with it.kube.store.raw.lock:
        it.delete_pod("web", grace=0)
        strip(it, "web")
    take_over(it, standby)
    eventually(lambda: it.rows() == [])
    it.assert_at_rest()


def test_a_pod_that_lives_keeps_what_a_standby_saw_it_lose(it: Stage) -> None:
    it.pod("web")
    before = it.ready("web")
    standby = stand_by(it)
    strip(it, "web")
    take_over(it, standby)
    eventually(lambda: it.record("web"))
    assert it.ready("web") == before
    assert not it.calls("DeleteForwardEntry")


def test_a_pod_that_lives_is_given_another(it: Stage) -> None:
    it.pod("web")
    before = it.ready("web")
    uid = it.record("web")["metadata"]["uid"]
    strip(it, "web")
    eventually(lambda: (r := it.record("web")) and r["metadata"]["uid"] != uid)
    assert it.ready("web") != before
    it.assert_at_rest()


def test_players_on_a_pod_that_is_going_stay(it: Stage) -> None:
    """Somebody wants to be rid of a namespace that waits for them, say."""
    it.pod("web")
    it.ready("web")
    rows = it.rows()
    it.kube.kubelet.hold(it.ns, "web")
    it.delete_pod("web")
    eventually(lambda: "deletionTimestamp" in it.kube.store.get("pods", it.ns, "web")["metadata"])
    it.quiet()
    strip(it, "web")
    parts = it.running[0].controller.parts
    eventually(lambda: parts.sweeper._vanished)
    for _ in range(2):
        at = parts.clock.monotonic()
        eventually(lambda at=at: parts.clock.monotonic() > at + FOLLOW_S)
        parts.sweeper.sweep()
    it.quiet(unless=lambda: True)
    assert it.rows() == rows
    it.kube.kubelet.release(it.ns, "web")
    eventually(lambda: it.rows() == [])
    it.assert_at_rest()


@pytest.mark.parametrize("restart", [False, True])
def test_however_long_they_stay(it: Stage, restart: bool) -> None:
    """What is taken for an orphan for its age has nobody on it."""
    it.stop_controllers()
    it.start_controller(orphans=IMPATIENT, sweep_s=0.1)
    it.pod("web")
    it.pod("gone")
    it.ready("web")
    it.ready("gone")
    web, rows = it.record("web"), {row["name"]: row for row in it.rows()}
    assert web is not None
    it.kube.kubelet.hold(it.ns, "web")
    it.delete_pod("web")
    eventually(lambda: "deletionTimestamp" in it.kube.store.get("pods", it.ns, "web")["metadata"])
    it.quiet()
    if restart:
        it.stop_controllers()
    with it.kube.store.raw.lock:
        strip(it, "web")
        strip(it, "gone")
        it.delete_pod("gone", grace=0)
    if restart:
        it.start_controller(orphans=IMPATIENT, sweep_s=0.1)
    eventually(lambda: len(it.rows()) == 1)
    swept(it)
    (left,) = it.rows()
    assert web["metadata"]["uid"] in left["name"]
    assert left in rows.values()
    it.kube.kubelet.release(it.ns, "web")
    eventually(lambda: it.rows() == [])
    it.assert_at_rest()


@pytest.mark.parametrize("fault", ["nonsense", "refused"])
def test_a_living_pod_that_cannot_claim_keeps_what_leads_to_it(it: Stage, fault: str) -> None:
    it.pod("web")
    before = it.ready("web")
    rows = it.rows()
    it.stop_controllers()
    strip(it, "web")
    if fault == "nonsense":
        it.annotate("web", expose_port="80,nonsense")
    else:
        it.kube.faults.add(Fault(code=403), Match("create", RECORDS), times=None)
    it.start_controller(orphans=IMPATIENT, sweep_s=0.1)
    it.told("web", "InvalidAnnotation" if fault == "nonsense" else "PodDNATRefused")
    swept(it)
    assert it.rows() == rows
    it.kube.faults.clear()
    it.annotate("web", expose_port="80")
    assert it.ready("web") == before
    it.annotate("web", switch="false")
    eventually(lambda: it.rows() == [])


def test_nor_is_it_taken_while_its_new_claim_is_not_noted_yet(it: Stage) -> None:
    it.pod("web")
    before = it.ready("web")
    rows = it.rows()
    it.stop_controllers()
    strip(it, "web")
    unnoted = it.kube.faults.add(Fault(code=503), Match("patch", "configmaps"), None)
    it.start_controller(orphans=IMPATIENT, sweep_s=0.1)
    eventually(lambda: it.record("web"))
    swept(it)
    assert it.rows() == rows
    assert unnoted.hits
    it.kube.faults.clear()
    assert it.ready("web") == before


def test_what_led_to_a_pod_that_does_not_ask_for_it_any_more_goes(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    it.stop_controllers()
    strip(it, "web")
    it.annotate("web", expose_port="81")
    it.start_controller(orphans=IMPATIENT, sweep_s=0.1)
    eventually(lambda: [row["internal_port"] for row in it.rows()] == ["81"])


def test_one_that_a_fresh_list_still_knows_keeps_its_rows(it: Stage) -> None:
    """The watch is wrong: the PodDNAT is there."""
    it.pod("web")
    it.ready("web")
    rows = it.rows()
    controller = it.running[0].controller
    (held,) = controller.parts.records.values()
    controller.parts.records.note_deleted(held.key, held.uid)
    controller.parts.sweeper.sweep()
    fresh = it.kube.requests.all(lambda r: r.resource == RECORDS and r.query == "limit=500")
    assert fresh, "it was asked"
    assert not it.calls("DeleteForwardEntry")
    assert it.rows() == rows


def test_nothing_goes_while_kubernetes_does_not_answer(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    rule = it.kube.faults.add(Fault(503), Match(verb="list", resource=RECORDS), None)
    with it.kube.store.raw.lock:
        it.delete_pod("web", grace=0)
        strip(it, "web")
    eventually(lambda: rule.hits)
    assert len(it.rows()) == 1
    rule.cancel()
    it.running[0].controller.parts.sweeper.sweep()
    eventually(lambda: it.rows() == [])


def test_many_whose_pods_are_there_as_before_were_lost(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup from before them was restored: that is no reason to cut anybody off."""
    # However long it takes until all are seen to be gone, it is together.
    monkeypatch.setattr("dnatctl.control.gateway.sweeper.FOLLOW_S", 600.0)
    names = [f"web-{n}" for n in range(12)]
    for name in names:
        it.pod(name)
    for name in names:
        it.ready(name)
    before = {row["entry_id"] for row in it.rows()}
    creates = it.kube.faults.add(Fault(503), Match(verb="create", resource=RECORDS), None)
    with it.kube.store.raw.lock:
        for name in names:
            strip(it, name)
    # Not once a pod: where a namespace is refused, one of its pods tries at a time.
    eventually(lambda: creates.hits > 2)
    sweeper = it.running[0].controller.parts.sweeper

    def all_are_lost() -> bool:
        sweeper.sweep()
        return len(sweeper._lost) == len(names)

    eventually(all_are_lost)
    it.quiet(unless=lambda: True)
    assert {row["entry_id"] for row in it.rows()} == before
