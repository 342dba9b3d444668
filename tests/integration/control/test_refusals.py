"""What cannot be exposed: refused with a reason on the pod, and nothing is made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stage import Stage, eventually, stage
from tests.support.workloads import stateful


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    rules = {"deny": ["denied-*"], "quota": {"crowded": 2, "crowded-at-once": 2}}
    with stage(namespaces=rules, vpcCIDRs=["10.0.0.0/16"]) as running:
        running.start_controller()
        yield running
        running.assert_at_rest(but=[("denied-1", "web")])


def refused(it: Stage, name: str, reason: str) -> str:
    """The message of the refusal, once it is told; nothing was claimed or created."""
    text = it.told(name, reason)
    assert it.condition(name)["status"] == "False"
    assert it.record(name) is None
    assert it.own_rows() == []
    return text


INVALID = {
    "no ports": ({"expose-port": ""}, "expose-port is missing"),
    "not a number": ({"expose-port": "http"}, '"http" is not a port'),
    "port 0": ({"expose-port": "0"}, '"0" is not a port'),
    "port 65536": ({"expose-port": "65536"}, '"65536" is not a port'),
    "negative": ({"expose-port": "-1"}, '"-1" is not a port'),
    "empty part": ({"expose-port": "80,,443"}, "a comma has no port beside it"),
    "range backwards": ({"expose-port": "90-80"}, "ends before it begins"),
    "twice": ({"expose-port": "80,80/tcp"}, "named twice"),
    "too many": ({"expose-port": "1000-2000"}, "1001 ports are more than 32"),
    "protocol": ({"expose-port": "80/sctp"}, '"sctp" is neither tcp nor udp'),
    "default protocol": ({"expose-protocol": "icmp"}, '"icmp" is neither tcp nor udp'),
    "switch": ({"switch": "yes"}, '"yes" is neither'),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_annotation_that_makes_no_sense_is_named_and_can_be_put_right(
    it: Stage, case: str
) -> None:
    annotations, says = INVALID[case]
    it.pod("web", **annotations) if "expose-port" not in annotations else it.pod(
        "web", annotations["expose-port"]
    )
    assert says in refused(it, "web", "InvalidAnnotation")
    it.annotate("web", switch="true", **{"expose-port": "80", "expose-protocol": "tcp"})
    it.ready("web")
    eventually(lambda: it.condition("web")["status"] == "True")


def test_an_invalid_fixed_annotation_is_named(it: Stage) -> None:
    it.kube.store.create("statefulsets.apps", stateful(it.ns, fixed="maybe"))
    assert '"maybe" is neither' in refused(it, "db-0", "InvalidAnnotation")


def test_a_host_network_pod_is_refused(it: Stage) -> None:
    it.pod("web", spec={"hostNetwork": True})
    assert "node's address" in refused(it, "web", "HostNetwork")


def test_a_pod_on_a_virtual_node_is_refused(it: Stage) -> None:
    it.pod("web", spec={"nodeName": "virtual-kubelet-cn-hangzhou-j"})
    assert "virtual" in refused(it, "web", "VirtualNode")


def test_a_pod_outside_the_vpc_is_refused(it: Stage) -> None:
    unplaced(it, "172.16.0.9")
    assert "172.16.0.9 is not in vpcCIDRs (10.0.0.0/16)" in refused(it, "web", "OutsideVPC")


def test_a_pod_with_ipv6_only_is_refused(it: Stage) -> None:
    unplaced(it, "fd00::9")
    assert "no IPv4 address" in refused(it, "web", "NoIPv4")


def test_a_dual_stack_pod_is_exposed_by_its_ipv4_address(it: Stage) -> None:
    unplaced(it, "fd00::9", "10.0.77.7")
    (entry,) = it.ready("web")
    assert entry["internalIP"] == "10.0.77.7"


def test_pods_of_a_denied_namespace_are_refused(it: Stage) -> None:
    it.move_to("denied-1")
    it.pod("web")
    assert "denied-1 may not expose pods" in refused(it, "web", "NamespaceDenied")


def test_a_namespace_that_has_used_up_its_quota_waits_for_its_turn(it: Stage) -> None:
    it.move_to("crowded")
    it.pod("one")
    it.pod("two")
    it.ready("one")
    it.ready("two")
    it.pod("three")
    it.told("three", "NamespaceQuota")
    it.assert_at_rest(but=[("crowded", "three"), ("denied-1", "web")])
    it.delete_pod("one")
    it.ready("three")


def test_pods_that_come_all_at_once_do_not_overrun_the_quota(it: Stage) -> None:
    it.move_to("crowded-at-once")
    for n in range(12):
        it.pod(f"web-{n}")
    eventually(lambda: sum(len(it.entries(f"web-{n}")) for n in range(12)) >= 2)
    eventually(
        lambda: sum(it.condition(f"web-{n}").get("reason") == "NamespaceQuota" for n in range(12))
    )
    it.quiet()
    assert len(it.records("crowded-at-once")) == 2


def test_a_refused_pod_that_is_recreated_properly_is_exposed(it: Stage) -> None:
    it.pod("web", "nonsense")
    refused(it, "web", "InvalidAnnotation")
    it.delete_pod("web", grace=0)
    it.pod("web", "80")
    it.ready("web")


def test_one_bad_pod_does_not_hold_up_the_others(it: Stage) -> None:
    for n in range(10):
        it.pod(f"bad-{n}", "nonsense")
        it.pod(f"good-{n}", "80")
    for n in range(10):
        it.ready(f"good-{n}")
    assert len(it.records(it.ns)) == 10


def unplaced(it: Stage, *ips: str) -> None:
    """A pod that runs somewhere we know nothing of, with these addresses."""
    it.pod("web", spec={"schedulingGates": [{"name": "test/never"}]})
    status = {"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    it.kube.store.patch("pods", it.ns, "web", {"status": status}, "status")
