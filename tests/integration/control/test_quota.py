"""A namespace has as many endpoints as it may have, whatever its users do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from dnatctl.objects import Key
from dnatctl_sim.cloud import Scenario
from tests.support.stage import RECORDS, Object, Stage, eventually, fast, stage

GATEWAY = "ngw-bp1emulated0001"
LIMITS = {"crowded": 1, "forgers": 1}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    scenario = Scenario(knobs=fast(quota=2000))
    with stage(scenario, namespaces={"quota": LIMITS}, quarantine="2s", maxPortsPerPod=100) as it:
        it.start_controller()
        yield it


def write(
    it: Stage, name: str, ports: Iterable[tuple[int, int]], ip: str = "203.0.113.1"
) -> Object:
    """A PodDNAT as a user may write it, on an EIP of the gateway."""
    it.referee.forged.add((it.ns, name))
    mapping = [{"externalPort": str(e), "internalPort": str(i)} for e, i in ports]
    spec: Object = {"protocol": "tcp"}
    if mapping:
        place = {"tableId": GATEWAY, "externalIP": ip}
        spec |= place | {"portMapping": mapping}
    return it.kube.store.create(
        RECORDS,
        {
            "apiVersion": "alibabacloud.com/v1beta1",
            "kind": "PodDNAT",
            "metadata": {"name": name, "namespace": it.ns},
            "spec": spec,
        },
    )


def taken(it: Stage, namespace: str) -> int:
    """Endpoints that the namespace claims or has resting."""
    world = it.running[0].controller.parts.views
    with world.lock:
        _, claimed, resting = world.pool.quotas.use(namespace, world.clock.monotonic())
    return claimed + resting


def seen(it: Stage, name: str) -> bool:
    """Whether the controller knows that PodDNAT, or has seen to it already."""
    world = it.running[0].controller.parts.views
    with world.lock:
        return Key(it.ns, name) in world.records.keys.values() or not it.record(name)


def test_poddnats_written_by_hand_get_no_more_either(it: Stage) -> None:
    """The youngest lose, are told so, and have their turn when there is room."""
    it.move_to("crowded")
    it.pod("granted")
    it.ready("granted")
    for name, ports in (("empty", []), ("filled", [(900, 80)])):
        it.pod(name)
        said = it.told(name, "NamespaceQuota")
        assert "namespaces.quota" in said
        assert "is 1" in said
        write(it, name, ports)
    it.quiet()
    assert taken(it, "crowded") == 1
    for name in ("empty", "filled"):
        assert it.condition(name)["reason"] == "NamespaceQuota"
        assert not it.own_rows(name)
    assert it.entries("granted")
    it.delete_pod("granted", grace=0)
    eventually(lambda: len(it.entries("empty")) + len(it.entries("filled")) == 1)


def test_no_more_is_taken_by_asking_for_other_ports_again_and_again() -> None:
    """What rests counts for who caused it."""
    limit = {"restless": 20}
    with stage(namespaces={"quota": limit}, quarantine="600s") as it:
        it.start_controller()
        it.move_to("restless")
        it.pod("web", "1-10")
        it.ready("web", 10)
        for first in (100, 200, 300, 400):
            it.annotate("web", **{"expose-port": f"{first}-{first + 9}"})
            it.quiet()
            assert taken(it, "restless") <= 20
        eventually(
            lambda: taken(it, "restless") == 20,
            what="ten of the first, and as many instead of them",
        )
        assert "namespaces.quota" in it.told("web", "NamespaceQuota")


def test_what_is_written_for_pods_that_there_are_not_reserves_nothing(it: Stage) -> None:
    """Twelve PodDNATs that claim every endpoint of the pool."""
    it.move_to("forgers")
    for ip in ("203.0.113.1", "203.0.113.2"):
        for first in range(512, 1025, 100):
            ports = range(first, min(first + 100, 1025))
            claim = [(port, port - first + 1) for port in ports]
            write(it, name := f"forged-{ip}-{first}", claim, ip)
            eventually(lambda name=name: seen(it, name))
            assert taken(it, "forgers") <= 1
    it.move_to("neighbours")
    it.pod("web", "100-199")
    it.ready("web", 100)
    eventually(lambda: not it.records("forgers"), what="they are released")


def test_a_name_that_changes_its_mind_too_often_is_told_to_wait() -> None:
    with stage(quarantine="2s") as it:
        it.start_controller(changes_a_minute=3)
        it.pod("web", "80")
        for port in ("81", "82"):
            it.ready("web")
            it.annotate("web", **{"expose-port": port})
            eventually(lambda port=port: [e["internalPort"] for e in it.entries("web")] == [port])
        it.annotate("web", **{"expose-port": "82,83"})
        assert "3 times within a minute" in it.told("web", "ChangesTooOften")
        assert len(it.entries("web")) == 1, "what it has it keeps"
        it.annotate("web", **{"expose-port": "82"})
        eventually(lambda: it.condition("web")["status"] == "True")
