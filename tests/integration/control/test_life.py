"""The life of an exposure, on the emulators, with everything running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stage import RECORDS, Stage, eventually, stage


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    """What was released rests for longer than the machine may be busy with something else."""
    with stage(quarantine="120s") as running:
        running.start_controller()
        yield running
        running.assert_at_rest()


def test_an_annotated_pod_gets_its_endpoint_and_gives_it_back(it: Stage) -> None:
    it.pod("web")
    (entry,) = it.ready("web")
    (row,) = it.own_rows("web")
    assert row["works"]
    assert entry["forwardEntryId"] == row["entry_id"]
    assert entry["externalPort"] == row["external_port"]
    assert entry["internalPort"] == "80"
    it.assert_at_rest()
    it.delete_pod("web")
    it.gone("web")
    assert it.own_rows() == []


def test_ports_of_both_protocols_share_one_external_ip(it: Stage) -> None:
    it.pod("web", "80,443/tcp,7000-7002/udp")
    entries = it.ready("web", 5)
    assert len({entry["externalIP"] for entry in entries}) == 1
    assert [entry["internalPort"] for entry in entries] == ["80", "443", "7000", "7001", "7002"]
    assert [entry["ipProtocol"] for entry in entries] == ["tcp", "tcp", "udp", "udp", "udp"]
    it.assert_at_rest()


def test_the_same_port_of_both_protocols(it: Stage) -> None:
    it.pod("web", "53/tcp,53/udp")
    it.ready("web", 2)
    it.assert_at_rest()


def test_interface_vswitch_and_zone_are_filled_in(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    spec = eventually(lambda: (s := it.record("web")["spec"]).get("eni") and s)
    assert spec["eni"].startswith("eni-")
    assert spec["vswitch"] == "vsw-bp1pods3"
    assert spec["zoneID"] == "cn-hangzhou-j"
    it.assert_at_rest()


def test_the_pod_takes_finalizer_owner_and_condition(it: Stage) -> None:
    pod = it.pod("web")
    it.ready("web")
    meta = it.record("web")["metadata"]
    assert meta["finalizers"] == ["natgw-controller"]
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Pod", pod["metadata"]["uid"])
    assert owner["blockOwnerDeletion"]
    eventually(lambda: it.condition("web").get("status") == "True")
    assert {"PortAllocated", "EntryReady"} <= eventually(
        lambda: (e := it.events("web")) and "EntryReady" in e and e
    ).keys()


# --- the annotations change


def test_a_pod_that_turns_it_off_keeps_nothing(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    it.annotate("web", switch="false")
    it.gone("web")
    assert it.own_rows() == []
    it.assert_at_rest()
    assert it.condition("web")["reason"] == "NotExposed"
    it.annotate("web", switch="true")
    it.ready("web")
    it.assert_at_rest()


def test_a_pod_that_loses_the_annotation_keeps_nothing(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    it.annotate("web", switch=None)
    it.gone("web")
    assert it.own_rows() == []


def test_a_pod_that_gets_the_annotation_later_is_exposed(it: Stage) -> None:
    it.pod("web", switch="false")
    it.assert_at_rest()
    assert it.record("web") is None
    it.annotate("web", switch="true")
    it.ready("web")


def test_added_ports_join_the_others_on_their_external_ip(it: Stage) -> None:
    it.pod("web", "80")
    (before,) = it.ready("web")
    it.annotate("web", **{"expose-port": "80,443,8000-8001/udp"})
    after = it.ready("web", 4)
    assert after[0] == before
    assert {entry["externalIP"] for entry in after} == {before["externalIP"]}
    it.assert_at_rest()


def test_removed_ports_are_taken_away_and_the_others_stay(it: Stage) -> None:
    it.pod("web", "80,443,8080")
    before = it.ready("web", 3)
    it.annotate("web", **{"expose-port": "443"})
    assert it.ready("web", 1) == [before[1]]
    it.assert_at_rest()
    assert len(it.record("web")["spec"]["portMapping"]) == 1


def test_reordered_ports_keep_their_endpoints(it: Stage) -> None:
    it.pod("web", "80,443")
    before = it.ready("web", 2)
    sent = it.writes()[1]
    it.annotate("web", **{"expose-port": "443,80"})
    eventually(lambda: it.entries("web") == before[::-1])
    it.assert_at_rest()
    assert it.writes()[1] == sent


def test_a_changed_protocol_moves_the_port(it: Stage) -> None:
    it.pod("web", "80")
    it.ready("web")
    it.annotate("web", **{"expose-protocol": "udp"})
    eventually(lambda: [e["ipProtocol"] for e in it.entries("web")] == ["udp"])
    it.assert_at_rest()
    assert [row["protocol"] for row in it.own_rows("web")] == ["udp"]


def test_what_becomes_invalid_is_kept_until_it_is_valid_again(it: Stage) -> None:
    it.pod("web", "80")
    before = it.ready("web")
    it.annotate("web", **{"expose-port": "eighty"})
    assert "eighty" in it.told("web", "InvalidAnnotation")
    assert it.entries("web") == before
    assert it.own_rows("web")[0]["works"]
    it.annotate("web", **{"expose-port": "80,443"})
    assert it.ready("web", 2)[0] == before[0]
    it.assert_at_rest()
    eventually(lambda: it.condition("web")["reason"] == "EntriesAvailable")


def test_what_became_invalid_can_be_turned_off(it: Stage) -> None:
    it.pod("web", "80")
    it.ready("web")
    it.annotate("web", **{"expose-port": "0"})
    it.told("web", "InvalidAnnotation")
    it.annotate("web", switch="false")
    it.gone("web")
    assert it.own_rows() == []


# --- the pod changes


def test_a_pod_with_a_new_ip_keeps_its_endpoint(it: Stage) -> None:
    it.pod("web", "80,443")
    before = it.ready("web", 2)
    ip = it.kube.kubelet.restart(it.ns, "web")
    after = eventually(
        lambda: len(e := [e for e in it.entries("web") if e["internalIP"] == ip]) == 2 and e
    )
    ports = [entry["externalPort"] for entry in before]
    assert [entry["externalPort"] for entry in after] == ports
    it.assert_at_rest()


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_pod_that_finishes_is_released_while_it_is_still_there(
    it: Stage, succeeded: bool
) -> None:
    it.pod("job")
    it.ready("job")
    it.kube.kubelet.finish(it.ns, "job", succeeded=succeeded)
    it.gone("job")
    assert it.own_rows() == []
    it.assert_at_rest()


def test_players_stay_until_the_containers_have_ended(it: Stage) -> None:
    it.pod("game")
    before = it.ready("game")
    it.kube.kubelet.hold(it.ns, "game")
    it.delete_pod("game")
    it.assert_at_rest()
    assert it.entries("game") == before
    assert it.own_rows("game")[0]["works"]
    it.kube.kubelet.release(it.ns, "game")
    it.gone("game")


def test_a_pod_deleted_by_force_is_released(it: Stage) -> None:
    it.pod("web", "80,443")
    it.ready("web", 2)
    it.delete_pod("web", grace=0)
    it.gone("web")
    assert it.own_rows() == []


def test_a_pod_deleted_before_it_was_ready_leaves_nothing(it: Stage) -> None:
    for n in range(5):
        it.pod(f"web-{n}", "80,443,8080")
        it.delete_pod(f"web-{n}", grace=0)
    it.assert_at_rest()
    assert it.own_rows() == []


def test_a_pod_recreated_under_its_name_at_once_gets_an_exposure_of_its_own(it: Stage) -> None:
    it.pod("web")
    (before,) = it.ready("web")
    first = it.record("web")["metadata"]["uid"]
    it.delete_pod("web", grace=0)
    it.pod("web")
    eventually(lambda: (r := it.record("web")) and r["metadata"]["uid"] != first)
    (after,) = it.ready("web")
    taken = [(entry["externalIP"], entry["externalPort"]) for entry in (before, after)]
    assert taken[0] != taken[1], "still in quarantine"
    it.assert_at_rest()


def test_a_name_recreated_many_times_ends_with_one_exposure(it: Stage) -> None:
    for _ in range(6):
        it.pod("web", "80,443")
        it.delete_pod("web", grace=0)
    it.pod("web", "80,443")
    it.ready("web", 2)  # a claim never told ready waits out lagging lists
    it.assert_at_rest()


def test_a_poddnat_deleted_by_hand_is_released_and_claimed_anew(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    first = it.record("web")["metadata"]["uid"]
    it.kube.store.delete(RECORDS, it.ns, "web")
    eventually(lambda: (r := it.record("web")) and r["metadata"]["uid"] != first)
    it.ready("web")
    it.assert_at_rest()


def test_a_namespace_that_is_deleted_takes_everything_along(it: Stage) -> None:
    for n in range(5):
        it.pod(f"web-{n}", "80,443")
    for n in range(5):
        it.ready(f"web-{n}", 2)
    it.kube.store.delete("namespaces", "", it.ns)
    eventually(lambda: it.kube.store.get("namespaces", "", it.ns) is None)
    assert it.own_rows() == []
    it.assert_at_rest()
    it.ns = "default"


def test_a_pod_without_an_ip_yet_waits_without_a_claim(it: Stage) -> None:
    it.pod("slow", spec={"nodeSelector": {"test": "later"}})
    it.assert_at_rest()
    assert it.record("slow") is None
    it.kube.store.patch("nodes", "", "node-1", {"metadata": {"labels": {"test": "later"}}})
    it.ready("slow")


# --- the controller


def test_a_restart_writes_nothing(it: Stage) -> None:
    for n in range(8):
        it.pod(f"web-{n}", "80,443/udp")
    for n in range(8):
        it.ready(f"web-{n}", 2)
    it.assert_at_rest()
    before = it.writes()
    it.stop_controllers()
    it.start_controller()
    it.assert_at_rest()
    assert it.writes() == before


def test_what_happened_while_nobody_looked_is_done_after_the_restart(it: Stage) -> None:
    for name in ("stays", "goes", "off", "changes", "recreated"):
        it.pod(name)
    for name in ("stays", "goes", "off", "changes", "recreated"):
        it.ready(name)
    before = it.entries("stays")
    it.stop_controllers()
    it.delete_pod("goes", grace=0)
    it.annotate("off", switch="false")
    it.annotate("changes", **{"expose-port": "80,443"})
    it.delete_pod("recreated", grace=0)
    it.pod("recreated")
    it.pod("new")
    it.start_controller()
    it.ready("new")
    it.ready("recreated")
    it.assert_at_rest()
    assert it.entries("stays") == before
    assert it.record("goes") is None
    assert it.record("off") is None
