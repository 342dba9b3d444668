"""One IP, several pods that state it: it is led to for the one that can be alive with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl.control.sight import tenancy
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import POD_READY, RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

OLD, NEW, NEWEST = (f"2099-01-01T{hour}:00:00Z" for hour in (10, 11, 12))
GATED = {"schedulingGates": [{"name": "test/never"}]}


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(quarantine="1s") as running:
        running.start_controller()
        yield running
        running.heal()
        running.assert_fair()


def ip_of(it: Stage, name: str) -> str:
    pod = it.kube.store.get("pods", it.ns, name)
    return str(pod["status"].get("podIP", "")) if pod else ""


def state_ip(it: Stage, name: str, ip: str, started: str = NEW, **pod: Any) -> None:
    """A pod that somebody else's kubelet runs: with that IP since then."""
    if it.kube.store.get("pods", it.ns, name) is None:
        it.pod(name, **{"spec": GATED, **pod})
    running = {"name": "main", "state": {"running": {"startedAt": started}}, "ready": True}
    status = {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": started,
        "containerStatuses": [running],
    }
    it.kube.store.patch("pods", it.ns, name, {"status": status}, "status")


def node_dies(it: Stage, name: str) -> None:
    """The node of that pod is not heard of any more."""
    node = it.kube.store.get("pods", it.ns, name)["spec"]["nodeName"]
    conditions = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    it.kube.store.patch("nodes", "", node, {"status": {"conditions": conditions}}, "status")


def led_to(it: Stage, ip: str) -> set[str]:
    """UIDs of the PodDNATs whose rows lead to the IP."""
    return {it.marks.owner(row["name"]) for row in it.rows() if row["internal_ip"] == ip}


def only(it: Stage, ip: str, *names: str) -> bool:
    """Whether rows lead to the IP for these pods, and for no other."""
    records = [it.record(name) for name in names]
    return led_to(it, ip) == {record["metadata"]["uid"] for record in records if record}


def lost(it: Stage, name: str, *says: str) -> None:
    """Wait until nothing leads to the pod, and people are told why."""
    it.told(name, "AddressTaken")
    # Not at once what it says in the end: of a node, say, is heard apart from the pods on it.
    eventually(
        lambda: all(part in it.condition(name).get("message", "") for part in says),
        what=lambda: f"{says} in {it.condition(name)}",
    )
    assert it.condition(name)["status"] == "False"
    eventually(lambda: not it.entries(name))


def stuck(it: Stage, name: str = "old", **options: Any) -> str:
    """A pod whose containers never end, deleted; its IP."""
    it.pod(name, **options)
    it.ready(name)
    it.kube.kubelet.hold(it.ns, name)
    it.delete_pod(name)
    return ip_of(it, name)


@pytest.mark.parametrize("dead", [True, False], ids=["its node is dead", "its node lives"])
def test_a_terminating_pod_gives_way_to_a_living_one(it: Stage, dead: bool) -> None:
    ip = stuck(it)
    if dead:
        node_dies(it, "old")
    state_ip(it, "new", ip, OLD)
    it.ready("new")
    lost(it, "old", "default/new", ip, "kubectl delete pod -n default old --force")
    assert only(it, ip, "new")


def test_a_pod_on_a_dead_node_that_nobody_deletes_gives_way(it: Stage) -> None:
    it.pod("old")
    it.ready("old")
    ip = ip_of(it, "old")
    state_ip(it, "new", ip, OLD)
    node_dies(it, "old")
    it.ready("new")
    lost(it, "old", "default/new", "is not ready")
    assert only(it, ip, "new")


def test_a_pod_whose_node_is_gone_gives_way(it: Stage) -> None:
    it.pod("old")
    it.ready("old")
    ip = ip_of(it, "old")
    it.kube.store.delete("nodes", "", it.kube.store.get("pods", it.ns, "old")["spec"]["nodeName"])
    state_ip(it, "new", ip, OLD)
    it.ready("new")
    lost(it, "old", "default/new", "is gone")


def test_a_dead_node_alone_takes_nothing_from_those_who_may_still_play(it: Stage) -> None:
    it.pod("web")
    before = it.ready("web")
    node_dies(it, "web")
    it.kube.kubelet.hold(it.ns, "web")
    it.delete_pod("web")
    it.pod("other")
    it.ready("other")
    it.quiet()
    assert it.entries("web") == before


def test_a_fixed_pod_on_a_dead_node_keeps_its_claim(it: Stage) -> None:
    it.kube.store.create("statefulsets.apps", stateful("default"))
    (entry,) = it.ready("db-0")
    ip = ip_of(it, "db-0")
    it.kube.kubelet.hold(it.ns, "db-0")
    it.delete_pod("db-0")
    node_dies(it, "db-0")
    state_ip(it, "new", ip)
    it.ready("new")
    lost(it, "db-0", "default/new")
    record = it.record("db-0")
    assert record is not None
    assert record["spec"]["portMapping"][0]["externalPort"] == entry["externalPort"]
    it.delete_pod("new", grace=0)
    it.kube.kubelet.release(it.ns, "db-0")
    (again,) = it.ready("db-0")
    assert again["externalPort"] == entry["externalPort"]


def test_of_two_running_pods_the_later_one_has_the_ip(it: Stage) -> None:
    state_ip(it, "old", "10.0.7.1", OLD)
    it.ready("old")
    state_ip(it, "new", "10.0.7.1", NEW)
    it.ready("new")
    lost(it, "old", "default/new", "that one was started later")
    assert only(it, "10.0.7.1", "new")


def test_a_sandbox_made_anew_brings_the_pod_back(it: Stage) -> None:
    state_ip(it, "old", "10.0.7.1", OLD)
    it.ready("old")
    state_ip(it, "new", "10.0.7.1", NEW)
    it.ready("new")
    lost(it, "old")
    state_ip(it, "old", "10.0.7.2", NEW)
    (entry,) = it.ready("old")
    assert entry["internalIP"] == "10.0.7.2"
    it.assert_at_rest()


def test_the_end_of_the_later_one_gives_the_ip_back(it: Stage) -> None:
    state_ip(it, "old", "10.0.7.1", OLD)
    it.ready("old")
    state_ip(it, "new", "10.0.7.1", NEW)
    lost(it, "old")
    it.delete_pod("new", grace=0)
    it.ready("old")
    it.assert_at_rest()


def test_the_later_one_has_the_ip_until_its_containers_have_ended(it: Stage) -> None:
    """What a kubelet still says of an earlier pod cuts nobody off who plays on the later one."""
    it.pod("later")
    before = it.ready("later")
    ip = ip_of(it, "later")
    status = {"startTime": NEW}
    it.kube.store.patch("pods", it.ns, "later", {"status": status}, "status")
    state_ip(it, "earlier", ip, OLD)
    lost(it, "earlier", "default/later")
    it.kube.kubelet.hold(it.ns, "later")
    it.delete_pod("later")
    it.quiet()
    assert it.entries("later") == before
    assert only(it, ip, "later")
    it.kube.kubelet.release(it.ns, "later")
    it.gone("later")
    it.ready("earlier")


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_finished_pod_that_keeps_its_ip_stands_in_nobodys_way(it: Stage, phase: str) -> None:
    state_ip(it, "old", "10.0.7.1", NEW)
    it.ready("old")
    status = {"phase": phase, "reason": "Evicted"}
    it.kube.store.patch("pods", it.ns, "old", {"status": status}, "status")
    state_ip(it, "new", "10.0.7.1", OLD)
    it.ready("new")
    it.gone("old")


@pytest.mark.parametrize("code", [500, 403, 429])
@pytest.mark.parametrize("how", ["deleted", "finished"])
def test_what_leads_to_a_pod_that_ended_goes_though_pods_cannot_be_read(
    it: Stage, code: int, how: str
) -> None:
    """The watch told of its end, and its IP is the next one's."""
    it.pod("old")
    it.ready("old")
    ip = ip_of(it, "old")
    (old,) = led_to(it, ip)
    retry_after = 1 if code == 429 else None
    answer = Fault(code=code, retry_after=retry_after)
    it.kube.faults.add(answer, Match(verb="get", resource="pods"), times=None)
    if how == "deleted":
        it.delete_pod("old", grace=0)
    else:
        it.kube.kubelet.finish(it.ns, "old")
    state_ip(it, "new", ip, switch="false")
    eventually(lambda: old not in led_to(it, ip))
    it.kube.faults.clear()


def test_a_pod_of_unknown_phase_gives_way(it: Stage) -> None:
    state_ip(it, "old", "10.0.7.1", OLD)
    it.ready("old")
    it.kube.store.patch("pods", it.ns, "old", {"status": {"phase": "Unknown"}}, "status")
    state_ip(it, "new", "10.0.7.1", NEW)
    it.ready("new")
    lost(it, "old")


@pytest.mark.parametrize("restart", [False, True], ids=["live", "found at a start"])
@pytest.mark.parametrize("name", ["a-private", "z-private"])
def test_a_pod_that_asks_for_nothing_has_its_ip_to_itself(
    it: Stage, restart: bool, name: str
) -> None:
    """Its name sorts before or behind that of the other: a list may bring it first or last."""
    elect = {"leader_elect": False}  # who is elected lists twice
    ip = stuck(it)
    if restart:
        it.stop_controllers()
    private = {"metadata": {"name": name, "namespace": it.ns}, "apiVersion": "v1", "kind": "Pod"}
    containers = [{"name": "main", "image": "nginx"}]
    it.kube.store.create("pods", {**private, "spec": {**GATED, "containers": containers}})
    state_ip(it, name, ip)
    if restart:
        it.start_controller(**elect)
    lost(it, "old", f"default/{name}")
    eventually(lambda: not led_to(it, ip))


def test_a_pod_that_asks_for_nothing_and_goes_gives_the_ip_free(it: Stage) -> None:
    ip = stuck(it)
    private = {"metadata": {"name": "private", "namespace": it.ns}, "kind": "Pod"}
    containers = [{"name": "main", "image": "nginx"}]
    it.kube.store.create(
        "pods", {**private, "apiVersion": "v1", "spec": {**GATED, "containers": containers}}
    )
    state_ip(it, "private", ip)
    lost(it, "old")
    it.delete_pod("private", grace=0)
    state_ip(it, "new", ip)
    it.ready("new")


def test_another_that_asks_for_nothing_hides_none_that_has_the_ip(it: Stage) -> None:
    """Of both nothing is held but their names."""
    containers = [{"name": "main", "image": "nginx"}]
    for name in ("private", "decoy"):
        meta = {"name": name, "namespace": it.ns}
        pod = {"metadata": meta, "kind": "Pod", "apiVersion": "v1"}
        it.kube.store.create("pods", {**pod, "spec": {"containers": containers}})
        eventually(lambda name=name: ip_of(it, name))
    ip = ip_of(it, "private")
    state_ip(it, "private", ip, NEWEST)
    state_ip(it, "decoy", ip, OLD)
    it.quiet()
    state_ip(it, "web", ip, NEW)
    lost(it, "web", "default/private")
    eventually(lambda: not led_to(it, ip))


def test_pods_on_the_network_of_their_node_share_its_ip(it: Stage) -> None:
    state_ip(it, "web", "10.0.7.1", OLD)
    it.ready("web")
    state_ip(it, "agent", "10.0.7.1", NEW, spec={**GATED, "hostNetwork": True})
    it.told("agent", "HostNetwork")
    it.quiet()
    assert len(it.entries("web")) == 1


def test_the_address_of_a_node_is_no_pods(it: Stage) -> None:
    state_ip(it, "web", "192.168.0.1")
    assert "192.168.0.1 is the address of node node-2" in it.told("web", "NodeAddress")
    it.quiet()
    assert it.own_rows() == []
    state_ip(it, "web", "10.0.7.1")
    it.ready("web")
    eventually(lambda: it.condition("web")["status"] == "True")
    state_ip(it, "web", "192.168.0.0")
    it.told("web", "NodeAddress")
    eventually(lambda: not it.own_rows() and not it.entries("web"))


def test_the_interface_says_who_has_the_ip_that_a_newer_pod_states(it: Stage) -> None:
    """Somebody who may write the status of pods does not get a living pod's traffic by that."""
    it.pod("victim")
    it.pod("thief")
    before = it.ready("victim")
    it.ready("thief")
    nodes = {
        name: it.kube.store.get("pods", it.ns, name)["spec"]["nodeName"]
        for name in ("victim", "thief")
    }
    assert nodes["victim"] != nodes["thief"]
    ip = ip_of(it, "victim")
    provider = it.kube.store.get("nodes", "", nodes["victim"])["spec"]["providerID"]
    it.acts.add_eni(
        id="eni-victim",
        ips=[ip],
        vswitch="vsw-bp1pods3",
        zone="cn-hangzhou-j",
        instance=provider.partition(".")[2],
    )
    state_ip(it, "thief", ip, NEWEST)
    lost(it, "thief", "default/victim")
    it.quiet()
    assert it.entries("victim") == before
    assert only(it, ip, "victim")


def test_an_address_of_a_machine_outside_of_the_cluster_is_no_pods(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a database's: the cloud says whose the interface is."""
    monkeypatch.setattr(tenancy, "FOREIGN_BELIEVED_S", 0.3)
    for ip, instance in (("10.0.8.1", ""), ("10.0.8.2", "i-database")):
        node = it.kube.store.list("nodes")[0]["spec"]["providerID"].partition(".")[2]
        it.acts.add_eni(
            id=f"eni-{ip.replace('.', '-')}",
            ips=[ip],
            vswitch="vsw-bp1pods3",
            zone="cn-hangzhou-j",
            instance=instance or node,
        )
    it.pod("honest")
    it.pod("thief")
    it.ready("honest")
    it.ready("thief")
    state_ip(it, "honest", "10.0.8.1")
    eventually(lambda: only(it, "10.0.8.1", "honest"))
    eventually(lambda: it.record("honest")["spec"].get("eni") == "eni-10-0-8-1")
    state_ip(it, "thief", "10.0.8.2")
    is_refused(it, "thief")
    assert it.record("thief")["spec"].get("eni") != "eni-10-0-8-2"
    assert only(it, "10.0.8.1", "honest")


def is_refused(it: Stage, name: str) -> None:
    """Wait until nothing leads to the database for that pod, and people are told why."""
    eventually(lambda: "machine i-database" in str(it.condition(name).get("message")))
    eventually(lambda: not it.entries(name) and not it.own_rows(name))


@pytest.fixture
def foreign(it: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Where the cloud names the machines of nodes, and that of a database, 10.0.8.2."""
    how = {"vswitch": "vsw-bp1pods3", "zone": "cn-hangzhou-j"}
    it.acts.add_eni(id="eni-db", ips=["10.0.8.2"], instance="i-database", **how)
    for node in it.kube.store.list("nodes"):
        address = node["status"]["addresses"][0]["address"]
        machine = node["spec"]["providerID"].partition(".")[2]
        it.acts.add_eni(id=f"eni-{machine}", ips=[address], instance=machine, **how)
    for name in ("thief", "other"):
        it.pod(name)
        it.ready(name)
    monkeypatch.setattr(tenancy, "FOREIGN_BELIEVED_S", 0.3)
    monkeypatch.setattr(tenancy, "FOREIGN_AGAIN_S", 2.0)
    return it


def test_a_foreign_address_stays_refused_after_a_restart(foreign: Stage) -> None:
    """It is asked about anew, and what is in doubt is not noted."""
    it = foreign
    state_ip(it, "thief", "10.0.8.2")
    is_refused(it, "thief")
    it.stop_controllers()
    it.start_controller()
    it.quiet()
    eventually(lambda: not it.entries("thief") and not led_to(it, "10.0.8.2"))
    assert it.record("thief")["spec"].get("eni") != "eni-db"


def test_a_foreign_address_whose_interface_is_recorded_is_asked_about(foreign: Stage) -> None:
    """Whoever may write PodDNATs may write an interface into his own."""
    it = foreign
    it.stop_controllers()
    spec = {"internalIP": "10.0.8.2", "eni": "eni-x", "vswitch": "vsw-x"}
    it.referee.forged.add((it.ns, "thief"))
    it.kube.store.patch(RECORDS, it.ns, "thief", {"spec": spec})
    state_ip(it, "thief", "10.0.8.2")
    it.start_controller()
    is_refused(it, "thief")


def test_two_that_state_a_foreign_address_do_not_free_each_other(foreign: Stage) -> None:
    it = foreign
    state_ip(it, "thief", "10.0.8.2")
    is_refused(it, "thief")
    state_ip(it, "other", "10.0.8.2", NEWEST)
    is_refused(it, "other")
    lost(it, "thief", "default/other")
    it.quiet()
    assert not led_to(it, "10.0.8.2")


def test_who_squats_for_long_is_named(it: Stage) -> None:
    """Nothing may be deleted here, so what stands in the way stays there."""
    it.stop_controllers()
    it.config["policy"] = "upsert-only"
    it.start_controller()
    state_ip(it, "old", "10.0.7.1", OLD)
    it.ready("old")
    state_ip(it, "new", "10.0.7.1", NEW)
    assert "a DNAT entry of PodDNAT default/old" in it.told("new", "TupleConflict")


def test_a_condition_does_not_stay_after_the_conflict(it: Stage) -> None:
    state_ip(it, "old", "10.0.7.1", OLD)
    it.ready("old")
    state_ip(it, "new", "10.0.7.1", NEW)
    lost(it, "old")
    it.delete_pod("new", grace=0)
    eventually(lambda: it.condition("old").get("status") == "True")
    kinds = [c["type"] for c in it.kube.store.get("pods", it.ns, "old")["status"]["conditions"]]
    assert kinds.count(POD_READY) == 1
