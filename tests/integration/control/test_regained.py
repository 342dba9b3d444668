"""PodDNATs that were lost, while the pods they were for live on: a restored backup, for one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import RECORDS, Stage, eventually, fast, stage

FIRST, SECOND = "ngw-bp1emulated0001", "ngw-bp1emulated0002"
RANGE: dict[str, Any] = {"portRangeStart": 512, "portRangeEnd": 520}

PODS = [f"web-{n}" for n in range(12)]
"""More than are ever taken for leftovers of a crash."""


def lose(it: Stage, *names: str) -> None:
    """PodDNATs go, and nobody releases what they had."""
    before = [row["entry_id"] for row in it.rows()]
    it.referee.adopted.update(before)
    with it.kube.store.raw.lock:
        for name in names:
            it.kube.store.patch(RECORDS, it.ns, name, {"metadata": {"finalizers": None}})
            with suppress(ApiError):  # it was being deleted as it was
                it.kube.store.delete(RECORDS, it.ns, name)
    it.referee.violations.clear()  # the referee takes it for the controller's doing


def exposed(it: Stage, names: list[str], ports: str) -> dict[str, Any]:
    for name in names:
        it.pod(name, ports)
    return listed(it, names, len(ports.split(",")))


def listed(it: Stage, names: list[str], ports: int) -> dict[str, Any]:
    return {name: it.ready(name, ports) for name in names}


def uid_of(it: Stage) -> str:
    """That of web's PodDNAT; empty where there is none."""
    record = it.record("web")
    return record["metadata"]["uid"] if record else ""


def test_pods_keep_the_addresses_that_lead_to_them() -> None:
    with stage() as it:
        it.start_controller()
        before = exposed(it, PODS, "80,81/udp")
        it.stop_controllers()
        lose(it, *PODS)
        since = len(it.cloud.calls(0))
        it.start_controller()
        assert listed(it, PODS, 2) == before
        assert not it.calls("CreateForwardEntry", "DeleteForwardEntry", since=since)
        eventually(lambda: "EntriesAdopted" in it.events(PODS[0]))
        it.assert_at_rest()
        it.stop_controllers()
        it.start_controller()
        it.assert_at_rest()
        assert listed(it, PODS, 2) == before
        it.clear_out()
        eventually(lambda: it.rows() == [])


def test_so_they_do_where_what_they_lost_is_swept_for_first() -> None:
    """Of so many rows that nobody has none is touched; what is noted of it ends with it."""
    with stage() as it:
        it.start_controller()
        before = exposed(it, PODS, "80,81/udp")
        it.stop_controllers()
        lose(it, *PODS)
        refused = it.kube.faults.add(Fault(code=503), Match("create", RECORDS), None)
        it.start_controller()
        eventually(lambda: refused.hits)
        parts = it.running[0].controller.parts
        parts.sweeper.sweep()
        assert parts.identity.braked
        it.kube.faults.clear()
        assert listed(it, PODS, 2) == before
        it.assert_at_rest()
        assert not parts.identity.braked


def test_so_they_do_where_the_cluster_has_another_id_by_now() -> None:
    with stage() as it:
        it.start_controller()
        before = exposed(it, ["web"], "80")
        it.stop_controllers()
        lose(it, "web")
        it.config["clusterID"] = "another"
        it.start_controller(sweep_s=0.1)
        assert listed(it, ["web"], 1) == before
        it.assert_at_rest()


def test_those_that_are_lost_while_somebody_watches_keep_theirs_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However long it takes until all are seen to be gone, it is together.
    monkeypatch.setattr("dnatctl.control.gateway.sweeper.FOLLOW_S", 600.0)
    with stage() as it:
        it.start_controller(sweep_s=0.1)
        before = exposed(it, PODS, "80")
        lose(it, *PODS)
        eventually(lambda: all(it.record(name) for name in PODS))
        assert listed(it, PODS, 1) == before
        it.assert_at_rest()


def test_so_do_a_few_where_a_backup_without_their_poddnats_is_restored_under_the_leader() -> None:
    """That they are gone is not that they were seen to go."""
    with stage() as it:
        it.start_controller()
        refused = it.kube.faults.add(Fault(code=503), Match("create", RECORDS), None)
        it.pod("web")
        eventually(lambda: refused.hits)
        backup = it.kube.backup()
        it.kube.faults.clear()
        before = listed(it, ["web"], 1)
        it.referee.adopted.update(row["entry_id"] for row in it.rows())
        for n in range(100):  # so that no version from after the restore is past those from before
            it.kube.store.patch(RECORDS, it.ns, "web", {"metadata": {"labels": {"n": str(n)}}})
        it.quiet()
        uid = uid_of(it)
        it.kube.restore(backup)
        eventually(lambda: uid_of(it) not in ("", uid))
        assert listed(it, ["web"], 1) == before
        assert not it.calls("DeleteForwardEntry")
        it.referee.violations.clear()  # nobody tells the referee that the former PodDNAT never was
        it.assert_at_rest()


def test_a_claim_that_was_lost_while_it_was_stored_is_no_hindrance() -> None:
    with stage() as it:
        it.start_controller()
        before = exposed(it, ["web"], "80")
        it.stop_controllers()
        lose(it, "web")
        it.kube.faults.add(Fault(code=504, after=True), Match("create", RECORDS), times=1)
        it.start_controller()
        assert listed(it, ["web"], 1) == before
        it.assert_at_rest()


def test_only_ports_that_are_asked_for_are_kept() -> None:
    with stage() as it:
        it.start_controller()
        before = exposed(it, ["web"], "80,81")
        it.stop_controllers()
        lose(it, "web")
        it.annotate("web", expose_port="81,82")
        it.start_controller(sweep_s=0.1)
        entries = it.ready("web", 2)
        assert [entry for entry in before["web"] if entry["internalPort"] == "81"] == [
            entry for entry in entries if entry["internalPort"] == "81"
        ]
        assert {entry["internalPort"] for entry in entries} == {"81", "82"}


def test_another_pod_that_has_the_address_by_now_gets_none_of_it() -> None:
    with stage() as it:
        it.start_controller()
        (entry,) = exposed(it, ["web"], "80")["web"]
        it.stop_controllers()
        with it.kube.store.raw.lock:
            it.delete_pod("web", grace=0)
            lose(it, "web")
            it.pod("next", "80")
        eventually(lambda: it.kube.store.get("pods", it.ns, "next")["status"].get("podIP"))
        assert it.kube.store.get("pods", it.ns, "next")["status"]["podIP"] == entry["internalIP"]
        it.start_controller(sweep_s=0.1)
        (own,) = it.ready("next")
        assert own["forwardEntryId"] != entry["forwardEntryId"]
        assert own["externalPort"] != entry["externalPort"]
        eventually(lambda: entry["forwardEntryId"] not in {row["entry_id"] for row in it.rows()})


CUT: dict[str, dict[str, Any]] = {
    "the range is cut": {"portRangeStart": 600, "portRangeEnd": 700},
    "the EIP is cut": {"eips": ["203.0.113.2"]},
    "the gateway is reserved": {"namespaces": ["else"]},
}


@pytest.mark.parametrize("change", CUT)
def test_what_is_offered_no_more_is_the_pods_to_the_end(change: str) -> None:
    offered = {"natGwPool": [{"natgwId": FIRST, **RANGE}]}
    cut = {"natgwId": FIRST, **RANGE, **CUT[change]}
    with stage(Scenario.many(2, eips=2, knobs=fast()), networkController=offered) as it:
        it.start_controller()
        before = exposed(it, ["web"], "80")
        it.stop_controllers()
        lose(it, "web")
        it.config["networkController"] = {"natGwPool": [cut, {"natgwId": SECOND, **RANGE}]}
        running = it.start_controller(sweep_s=0.1)
        assert listed(it, ["web"], 1) == before
        eventually(lambda: running.controller.parts.views.pool.leaving(FIRST) == 1)
        it.assert_at_rest()
        it.delete_pod("web")
        it.gone("web")
        assert it.rows() == []


def test_a_problem_of_its_gateway_moves_no_pod() -> None:
    both = {"natGwPool": [{"natgwId": each, **RANGE} for each in (FIRST, SECOND)]}
    with stage(Scenario.many(2, eips=1, knobs=fast()), networkController=both) as it:
        it.start_controller()
        before = exposed(it, ["a", "b"], "80")
        assert {row["gateway"] for row in it.rows()} == {FIRST, SECOND}
        it.stop_controllers()
        lose(it, "a", "b")
        it.acts.set_gateway(FIRST, status="Modifying")
        it.start_controller(sweep_s=0.1)
        assert listed(it, ["a", "b"], 1) == before
        it.acts.set_gateway(FIRST, status="Available")
        it.assert_at_rest()
