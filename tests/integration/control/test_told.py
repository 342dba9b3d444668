"""What people are told is so: who did what, what is reachable, what is wrong now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Fault, Scenario, Settle
from tests.integration.control.test_one_ip import state_ip
from tests.support.stage import RECORDS, Stage, eventually, fast, stage

GATEWAY = "ngw-bp1emulated0001"
EIP = "203.0.113.1"
DENIED = Fault(
    action="error",
    stage="before",
    apis=["DeleteForwardEntry"],
    times=None,
    status=403,
    code="Forbidden.RAM",
    message="User not authorized to operate on the specified resource.",
)


@pytest.fixture
def one() -> Iterator[Stage]:
    """One EIP; gateways are described anew every second."""
    with stage(Scenario.many(1, eips=1, knobs=fast()), resync="1s") as running:
        running.start_controller()
        yield running


def drift(it: Stage) -> float:
    counter = it.running[0].controller.parts.metrics.drift_repaired
    return float(sum(counter.labels(kind)._value.get() for kind in ("changed", "deleted")))


def reason(it: Stage, name: str) -> str:
    return str(it.condition(name).get("reason", ""))


def notes(it: Stage) -> list[str]:
    """What health says is wrong."""
    return it.running[0].controller.parts.standing.notes()


def test_nobody_else_is_blamed_for_the_users_own_edit(one: Stage) -> None:
    one.pod("web", "80,443,53/udp")
    one.ready("web", 3)
    one.annotate("web", **{"expose-port": "80,53/udp"})
    one.ready("web", 2)
    one.annotate("web", **{"expose-port": "8080"})
    eventually(lambda: [e["internalPort"] for e in one.entries("web")] == ["8080"])
    one.assert_at_rest()
    assert "EntryRepaired" not in one.events("web")
    assert drift(one) == 0


def test_a_pod_is_told_reachable_at_what_it_asks_for_alone(one: Stage) -> None:
    one.pod("web", "7777,7777/udp")
    one.ready("web", 2)
    eventually(lambda: "EntryReady" in one.events("web"))
    before = {e["externalPort"] for e in one.entries("web")}
    one.cloud.add_fault(DENIED)  # the new ones are there before the old ones are gone

    one.annotate("web", **{"expose-port": "8000-8002"})
    one.ready("web", 3)
    said = eventually(lambda: (e := one.events("web")["EntryReady"]) and "8000" in e and e)

    assert len(one.own_rows("web")) == 5
    one.cloud.clear_faults()
    assert "7777" not in said
    assert not any(f"{port}->" in said for port in before)
    one.assert_at_rest()


def test_a_finished_pod_is_not_reachable(one: Stage) -> None:
    one.pod("job")
    one.ready("job")
    eventually(lambda: one.condition("job").get("status") == "True")
    one.kube.kubelet.finish("default", "job")
    one.gone("job")
    eventually(lambda: reason(one, "job") == "PodEnded")
    assert one.condition("job")["status"] == "False"
    one.assert_at_rest()


def test_a_mistake_that_was_mended_is_told_no_more_before_the_pod_is_reachable(one: Stage) -> None:
    one.pod("web", "bad")
    one.told("web", "InvalidAnnotation")
    one.cloud.set_knobs(mode="strict")
    row = one.acts.create_entry(GATEWAY, "203.0.113.1", "9", "10.0.50.1", "9", name="terraform")
    one.acts.hold_entry(row)
    one.annotate("web", **{"expose-port": "80"})
    eventually(lambda: reason(one, "web") == "EntriesPending")
    assert one.entries("web") == []
    one.acts.release_entry(row)
    one.ready("web")
    eventually(lambda: reason(one, "web") == "EntriesAvailable")


@pytest.mark.parametrize("ports", ["80", "bad"])
def test_who_asks_no_more_since_nobody_looked_is_told_just_that(one: Stage, ports: str) -> None:
    one.pod("web", ports)
    eventually(lambda: reason(one, "web") in ("EntriesAvailable", "InvalidAnnotation"))
    one.stop_controllers()
    one.annotate("web", switch=None, expose_port=None)
    one.start_controller(leader_elect=False)
    eventually(lambda: reason(one, "web") == "NotExposed")
    one.gone("web")
    one.assert_at_rest()


# --- what forwards nothing


TROUBLES = {
    "unbound": (
        lambda it: it.acts.unbind_eip(EIP, force=True),
        lambda it: it.acts.bind_eip(EIP, GATEWAY),
        f"EIP {EIP} is not bound",
    ),
    "EIP locked": (
        lambda it: it.acts.set_eip(EIP, business_status="FinancialLocked"),
        lambda it: it.acts.set_eip(EIP, business_status="Normal"),
        f"EIP {EIP} is locked",
    ),
    "gateway locked": (
        lambda it: it.acts.set_gateway(GATEWAY, business_status="FinancialLocked"),
        lambda it: it.acts.set_gateway(GATEWAY, business_status="Normal"),
        "the gateway is locked (FinancialLocked)",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_forwards_nothing_is_not_reachable(one: Stage, trouble: str) -> None:
    begin, end, text = TROUBLES[trouble]
    one.pod("web", "80,443")
    before = one.ready("web", 2)
    begin(one)
    assert text in one.told("web", "GatewayUnusable")
    assert one.entries("web") == []
    assert one.condition("web")["status"] == "False"
    writes = one.writes()[1]
    end(one)
    assert one.ready("web", 2) == before
    eventually(lambda: reason(one, "web") == "EntriesAvailable")
    assert one.writes()[1] == writes, "the rows were there all the time"
    assert drift(one) == 0
    one.assert_at_rest()


# --- what holds a release


def ready_condition(it: Stage, name: str) -> dict[str, str]:
    """The Ready condition of the PodDNAT."""
    conditions = (it.record(name) or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


def test_a_release_that_is_not_allowed_says_so_and_goes_on_when_it_is(one: Stage) -> None:
    one.pod("web")
    one.ready("web")
    one.cloud.add_fault(DENIED)
    one.delete_pod("web", grace=0)
    eventually(lambda: ready_condition(one, "web").get("reason") == "DeletionHeld")
    assert "vpc:DeleteForwardEntry" in ready_condition(one, "web")["message"]
    eventually(lambda: "DeletionHeld" in one.events("web"))
    assert one.own_rows("web"), "it is still there"
    one.cloud.clear_faults()
    one.gone("web")
    assert one.own_rows() == []


def test_a_policy_that_keeps_entries_is_named() -> None:
    with stage(policy="upsert-only", resync="1s") as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        it.delete_pod("web", grace=0)
        eventually(lambda: ready_condition(it, "web").get("reason") == "DeletionHeldByPolicy")
        assert it.own_rows("web")


# --- what is waited for


WAITS = {
    "throttled": (
        Fault(
            action="error",
            stage="before",
            apis=["CreateForwardEntry"],
            times=None,
            status=400,
            code="Throttling.User",
            message="Request was denied due to user flow control.",
        ),
        "CreateForwardEntry: Throttling.User",
    ),
    "no answer": (
        Fault(action="close", stage="before", times=None),
        f"the forward table of {GATEWAY} cannot be read",
    ),
}


@pytest.fixture
def _soon_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOLD_AFTER_S", "LOOK_AGAIN_S"):
        monkeypatch.setattr(f"dnatctl.plan.waits.{name}", 0.5)


@pytest.mark.usefixtures("_soon_told")
@pytest.mark.parametrize("why", WAITS)
def test_a_pod_that_waits_is_told_what_for(one: Stage, why: str) -> None:
    fault, text = WAITS[why]
    one.cloud.add_fault(fault)
    one.pod("web")
    eventually(lambda: text in str(one.condition("web").get("message")))
    assert reason(one, "web") == "EntriesAwaited"
    assert ready_condition(one, "web")["status"] == "False"
    assert text in ready_condition(one, "web")["message"]
    one.cloud.clear_faults()
    one.ready("web")
    eventually(lambda: reason(one, "web") == "EntriesAvailable")
    one.assert_at_rest()


@pytest.mark.usefixtures("_soon_told")
def test_a_row_that_stays_in_the_works_is_named(one: Stage) -> None:
    one.cloud.set_knobs(settle=Settle.all(600.0))
    one.pod("web")
    eventually(lambda: "is Pending in the cloud" in str(one.condition("web").get("message")))
    assert one.own_rows("web")[0]["entry_id"] in one.condition("web")["message"]


@pytest.mark.usefixtures("_soon_told")
def test_a_table_that_may_not_be_read_for_now_is_named(
    one: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnatctl.table.read_wait.UNREAD_S", 0.5)
    monkeypatch.setattr("dnatctl.control.gateway.poller.HELD_BACK_S", 0.5)
    one.pod("before")
    one.ready("before")
    one.quiet()
    one.cloud.add_fault(
        Fault(
            action="error",
            stage="before",
            apis=["DescribeForwardTableEntries"],
            times=None,
            status=400,
            code="Throttling.User",
            retry_after_ms=60_000,
        )
    )
    one.pod("web")
    text = "UTC; the cloud refuses to list it for now: Throttling.User"
    eventually(lambda: text in str(one.condition("web").get("message")))
    assert f"the forward table of {GATEWAY} was last read at " in one.condition("web")["message"]
    eventually(lambda: any(text in each for each in notes(one)), what=lambda: str(notes(one)))
    assert one.condition("before")["status"] == "True"


# --- a name that is taken


def recreated(it: Stage, name: str) -> None:
    it.delete_pod(name, grace=0)
    it.pod(name)


@pytest.mark.usefixtures("_soon_told")
def test_who_waits_for_a_poddnat_that_another_program_keeps_is_told_so(one: Stage) -> None:
    one.pod("web")
    one.ready("web")
    kept = {"finalizers": [*one.record("web")["metadata"]["finalizers"], "example.com/backup"]}
    one.kube.store.patch(RECORDS, one.ns, "web", {"metadata": kept})
    recreated(one, "web")
    named = "the finalizer example.com/backup keeps it"
    eventually(lambda: named in str(one.condition("web").get("message")))
    one.told("web", "NameTaken")
    one.kube.store.patch(RECORDS, one.ns, "web", {"metadata": {"finalizers": None}})
    one.ready("web")
    eventually(lambda: reason(one, "web") == "EntriesAvailable")


@pytest.mark.usefixtures("_soon_told")
def test_an_entry_that_stays_deleting_is_named_to_all_who_wait_for_that(
    one: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnatctl.control.gateway.poller.LASTS_S", 0.5)
    one.pod("web")
    one.ready("web")
    assert not any("settle" in note for note in notes(one))
    one.cloud.set_knobs(settle=Settle(create=0.02, delete=3600.0))
    ip = one.kube.store.get("pods", one.ns, "web")["status"]["podIP"]
    one.delete_pod("web", grace=0)
    state_ip(one, "heir", ip)
    state_ip(one, "web", "10.0.0.250")
    (row,) = eventually(lambda: [r["entry_id"] for r in one.rows() if r["status"] == "Deleting"])
    text = f"entry {row} is Deleting in the cloud"
    eventually(lambda: text in str(one.condition("web").get("message")))
    one.told("web", "NameTaken")
    held = f"entry {row}, which leads to {ip}:80/tcp, is Deleting in the cloud"
    eventually(lambda: held in str(one.condition("heir").get("message")))
    one.running[0].controller.parts.gateways.fleet.read_soon()
    note = f"1 entry does not settle in the cloud: {row} is Deleting"
    eventually(lambda: any(note in each for each in notes(one)), what=lambda: str(notes(one)))


# --- what was meant


def test_a_switch_with_a_letter_wrong_is_told_beside_the_ports(one: Stage) -> None:
    one.pod("web")
    one.ready("web")
    one.annotate("web", switch=None)
    one.gone("web")
    key = "k8s.aliyun.com/pod_dnat"
    one.kube.store.patch("pods", one.ns, "web", {"metadata": {"annotations": {key: ""}}})
    eventually(lambda: key in one.events("web").get("AnnotationIgnored", ""))


def test_fixed_on_a_pod_without_a_workload_is_told(one: Stage) -> None:
    one.pod("web", fixed="true")
    one.ready("web")
    eventually(lambda: "has no workload" in one.events("web").get("FixedIgnored", ""))


# --- room


def test_a_pod_too_big_for_the_quota_hoards_nothing_and_is_told_how_to_mend_it() -> None:
    with stage(Scenario.many(1, eips=1, knobs=fast(quota=5)), resync="1s") as it:
        it.start_controller()
        it.pod("big", "7000-7011")
        eventually(lambda: it.calls("CreateForwardEntry", code="QuotaExceeded"))
        eventually(lambda: not it.own_rows())
        eventually(lambda: "no room for 12 entries" in it.condition("big")["message"])
        for name in "abcde":
            it.pod(name)
        for name in "abcde":
            it.ready(name)
        # What rests is told besides until it is over: that is the last thing to change.
        eventually(lambda: it.condition("big")["message"].endswith("(5 of 5 entries)"))
        it.assert_at_rest(but=[("default", "big")])
