"""How nodes and workloads are read, and what a workload says of its pods."""

from __future__ import annotations

import orjson
import pytest

from dnatctl.kube.client import resource_of
from dnatctl.kube.nodes import NodeSource
from dnatctl.kube.workloads import Workload, reserved_ordinals
from dnatctl.objects import Key
from tests.support.kubejson import event


@pytest.mark.parametrize(
    ("labels", "zone"),
    [
        ({"topology.kubernetes.io/zone": "cn-hangzhou-j"}, "cn-hangzhou-j"),
        ({"failure-domain.beta.kubernetes.io/zone": "old"}, "old"),
        (
            {
                "failure-domain.beta.kubernetes.io/zone": "old",
                "topology.kubernetes.io/zone": "new",
            },
            "new",
        ),
        ({"topology.kubernetes.io/zone": ""}, ""),
        (None, ""),
    ],
)
def test_the_zone_of_a_node(labels: dict[str, str] | None, zone: str) -> None:
    metadata = {"name": "n", "uid": "u", "resourceVersion": "3", "labels": labels}
    line = event("ADDED", {"kind": "PartialObjectMetadata", "metadata": metadata})
    node = NodeSource().event(line, lambda key, uid: False).object
    assert node is not None
    assert (node.key, node.zone) == (Key("", "n"), zone)


@pytest.mark.parametrize(
    ("spec", "status", "known"),
    [
        ({}, {}, (True, (), "")),
        ({"providerID": "cn-hangzhou.i-bp1"}, {}, (True, (), "i-bp1")),
        ({"providerID": "alicloud://cn-hangzhou.i-bp1"}, {}, (True, (), "i-bp1")),
        ({"providerID": "kind://docker/x"}, {}, (True, (), "")),
        ({}, {"conditions": [{"type": "Ready", "status": "Unknown"}]}, (False, (), "")),
        ({}, {"conditions": [{"type": "Ready", "status": "False"}]}, (False, (), "")),
        (
            {},
            {
                "conditions": [
                    {"type": "DiskPressure", "status": "False"},
                    {"type": "Ready", "status": "True"},
                ],
                "addresses": [
                    {"type": "Hostname", "address": "n"},
                    {"type": "InternalIP", "address": "192.168.0.1"},
                ],
            },
            (True, ("192.168.0.1",), ""),
        ),
    ],
)
def test_what_a_node_says_of_itself(spec, status, known) -> None:
    metadata = {"name": "n", "uid": "u", "resourceVersion": "3"}
    line = event("ADDED", {"kind": "Node", "metadata": metadata, "spec": spec, "status": status})
    node = NodeSource().event(line, lambda key, uid: False).object
    assert node is not None
    assert (node.ready, node.addresses, node.instance) == known


def workload(
    replicas: int | None = 3, start: int = 0, reserved: tuple[object, ...] = ()
) -> Workload:
    key = Key("default", "web")
    return Workload(key, "u", "1", False, replicas, start, reserved_ordinals(reserved))


@pytest.mark.parametrize(
    ("those", "kept"),
    [
        (workload(3), {0, 1, 2}),
        (workload(0), set()),
        (workload(2, start=5), {5, 6}),
        (workload(3, reserved=(1,)), {0, 2, 3}),
        (workload(3, reserved=(0, 1, 4)), {2, 3, 5}),
        (workload(2, start=3, reserved=(1, 4)), {3, 5}),
        (workload(2, reserved=("1-4", 3, "2-6", "6", 8)), {0, 7}),
        (workload(3, reserved=("1-999999999999999999", "5-" + "9" * 5000)), {0}),
        (workload(1, reserved=("9-3", "-1", "1-", "x", "٣", -1, None, True, 1.5)), {0}),
    ],
)
def test_the_pods_a_workload_keeps(those: Workload, kept: set[int]) -> None:
    assert {n for n in range(12) if those.keeps(f"web-{n}")} == kept


@pytest.mark.parametrize("name", ["web-abcde", "other-7", "web", "web-1-7"])
def test_names_without_an_ordinal_are_kept(name: str) -> None:
    assert workload(1).keeps(name)


def test_a_kind_without_replicas_keeps_all() -> None:
    assert workload(None).keeps("web-99")


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/api/v1/pods", "pods"),
        ("/api/v1/namespaces/a/pods/b", "pods"),
        ("/api/v1/namespaces/a/pods/b/status", "pods/status"),
        ("/api/v1/namespaces/a", "namespaces"),
        ("/api/v1/nodes/n", "nodes"),
        ("/apis/alibabacloud.com/v1/poddnats", "poddnats"),
        ("/apis/alibabacloud.com/v1/namespaces/a/poddnats/b/status", "poddnats/status"),
        ("/apis/alibabacloud.com/v1", "discovery"),
        ("/apis/alibabacloud.com", "discovery"),
        ("/api/v1", "discovery"),
        ("/version", "discovery"),
    ],
)
def test_what_a_path_is_about(path: str, resource: str) -> None:
    assert resource_of(path) == resource


def test_a_page_of_nodes() -> None:
    items = [{"metadata": {"name": "n", "uid": "u", "resourceVersion": "3"}}]
    body = orjson.dumps({"metadata": {"resourceVersion": "9"}, "items": items})
    page = NodeSource().page(body, lambda key, uid: False)
    assert [node.key.name for node in page.items] == ["n"]
