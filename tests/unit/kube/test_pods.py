"""How pods are read."""

from __future__ import annotations

from itertools import product
from typing import Any

import orjson
import pytest

from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.pods import PodSource
from dnatctl.kube.source import Event
from dnatctl.objects import Condition, Key, Owner, Pod
from tests.support.kubejson import Json, event, listing, pod


def nobody(key: Key, uid: str) -> bool:
    return False


def everybody(key: Key, uid: str) -> bool:
    return True


def read(obj: Json) -> Pod:
    found = PodSource().event(event("ADDED", obj), nobody).object
    assert found is not None
    return found


def test_the_fields_in_use() -> None:
    obj = pod(
        "web-0",
        42,
        annotations={
            "k8s.aliyun.com/pod-dnat": "",
            "k8s.aliyun.com/pod-dnat-expose-port": "80",
            "k8s.aliyun.com/pod-eni": "true",
        },
        metadata={
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "1"},
                {
                    "apiVersion": "apps/v1",
                    "kind": "StatefulSet",
                    "name": "web",
                    "uid": "2",
                    "controller": True,
                },
            ]
        },
    )
    obj["status"]["podIPs"].append({"ip": "fd00::1"})
    assert read(obj) == Pod(
        key=Key("default", "web-0"),
        uid="uid-web-0",
        resource_version="42",
        annotations={
            "k8s.aliyun.com/pod-dnat": "",
            "k8s.aliyun.com/pod-dnat-expose-port": "80",
        },
        ips=("10.0.0.1", "fd00::1"),
        phase="Running",
        node="node-1",
        owner=Owner("apps/v1", "StatefulSet", "web", "2", controller=True),
    )


def test_no_annotation_takes_more_memory_than_it_is_worth() -> None:
    """Whoever may create pods may write 256 KiB of them on each, under any name that looks ours."""
    known = ("", "-expose-port", "-expose-protocol", "-fixed", "-endpoints")
    prefix = "k8s.aliyun.com/pod-dnat"
    notes = {prefix + name: "x" * 50_000 for name in (*known, "-x", "-expose-portx")}
    found = read(pod(annotations=notes)).annotations
    assert found.keys() == {prefix + name for name in known}
    assert sum(map(len, found.values())) < 10_000
    assert len(found[f"{prefix}-expose-port"]) > 1024, "that it was longer can be told"


def test_the_longest_annotation_of_our_own_is_read_whole() -> None:
    endpoints = ",".join(["255.255.255.255:65535/tcp->65535"] * 100)
    name = "k8s.aliyun.com/pod-dnat-endpoints"
    assert read(pod(annotations={name: endpoints})).annotations == {name: endpoints}


def test_a_pod_with_other_annotations_alone_is_none_of_ours() -> None:
    notes = {"k8s.aliyun.com/pod-dnat-x": "y"}
    assert PodSource().event(event("ADDED", pod(annotations=notes)), nobody).object is None


@pytest.mark.parametrize("field", ["apiVersion", "kind", "name", "uid"])
def test_an_owner_that_there_cannot_be_is_none(field: str) -> None:
    owner = {"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": True}
    notes = {"k8s.aliyun.com/pod-dnat": ""}
    there = pod(annotations=notes, metadata={"ownerReferences": [owner]})
    assert read(there).owner is not None
    far = pod(annotations=notes, metadata={"ownerReferences": [owner | {field: "x" * 9999}]})
    assert read(far).owner is None


def test_the_condition_of_ours_is_found_among_others() -> None:
    obj = pod()
    obj["status"]["conditions"] = [
        {"type": "Ready", "status": "True"},
        {
            "type": "k8s.aliyun.com/pod-dnat-ready",
            "status": "False",
            "reason": "NoRoom",
            "message": "full",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "lastProbeTime": None,
        },
    ]
    assert read(obj).condition == Condition(
        "k8s.aliyun.com/pod-dnat-ready", "False", "NoRoom", "full", "2026-01-01T00:00:00Z"
    )


def test_a_pod_with_nothing_yet() -> None:
    found = read(pod(spec={"containers": None}, status={}))
    assert (found.ips, found.phase, found.node, found.ended) == ((), "", "", False)


def test_a_single_ip_is_enough() -> None:
    assert read(pod(status={"podIP": "10.0.0.9"})).ips == ("10.0.0.9",)


def test_pods_of_others_are_dropped_unless_known() -> None:
    stranger = pod("x", 7, annotations={"other": "pod-dnat"})
    for none_of_ours in ({}, None, {"other": "pod-dnat"}):
        assert read_any(pod(annotations=none_of_ours), nobody) is None
    kept = read_any(stranger, everybody)
    assert kept is not None
    assert kept.annotations == {}


def read_any(obj: Json, known: Any) -> Pod | None:
    return PodSource().event(event("MODIFIED", obj), known).object


def test_an_event_of_a_stranger_still_says_who_and_when() -> None:
    found = PodSource().event(event("MODIFIED", pod("x", 7, annotations={})), nobody)
    assert (found.key, found.uid, found.version) == (Key("default", "x"), "uid-x", "7")
    assert not found.unreadable


@pytest.mark.parametrize(
    "broken",
    [
        pod(status={"podIPs": "none"}),
        pod(spec=[]),
        pod(metadata={"annotations": {"k8s.aliyun.com/pod-dnat": 1}}),
        pod(metadata={"uid": ""}),
        pod(annotations={}, metadata={"uid": ""}),
    ],
    ids=["ips", "spec", "annotation", "no-uid", "no-uid-of-a-stranger"],
)
def test_what_cannot_be_read_is_told_from_what_is_not_wanted(broken: Json) -> None:
    source = PodSource()
    found = source.event(event("MODIFIED", broken), nobody)
    assert (found.unreadable, found.object, found.version) == (True, None, "5")
    page = source.page(listing(broken, pod("b")), nobody)
    assert [item.key.name for item in page.items] == ["b"]
    assert page.unreadable == (Key("default", "web-0"),)


def test_what_nobody_reads_of_a_stranger_may_be_anything() -> None:
    broken = pod("x", 7, annotations={}, status={"podIPs": "none"}, spec={"containers": 1})
    found = PodSource().event(event("MODIFIED", broken), nobody)
    assert (found.object, found.unreadable) == (None, False)
    assert (found.key, found.uid, found.version) == (Key("default", "x"), "uid-x", "7")


WAYS: list[tuple[str, list[Json]]] = [
    ("annotations", [{}, {"other": "x"}, {"k8s.aliyun.com/pod-dnat": ""}]),
    ("host", [{}, {"hostNetwork": True}]),
    ("phase", [{"phase": "Running"}, {"phase": "Pending"}, {"phase": "Failed"}]),
    (
        "ips",
        [
            {},
            {"podIP": "10.0.0.1"},
            {"podIP": "10.0.0.2"},
            {"podIP": "fd00::1", "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]},
        ],
    ),
    (
        "conditions",
        [
            {},
            {"conditions": [{"type": "Ready"}]},
            {"conditions": [{"type": "k8s.aliyun.com/pod-dnat-ready", "reason": "NoRoom"}]},
            {"conditions": [{"type": "k8s.aliyun.com/pod-dnat-ready", "reason": "NotExposed"}]},
        ],
    ),
]


@pytest.mark.parametrize("known", [nobody, everybody])
@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED"])
def test_an_event_tells_of_a_pod_what_a_list_does(kind: str, known: Any) -> None:
    """An event is not read to its end where that changes nothing."""
    kept = 0
    for notes, host, phase, ips, conditions in product(*(ways for _, ways in WAYS)):
        obj = pod(annotations=notes, spec=host, status=phase | ips | conditions)
        told, listed = Neighbours(), Neighbours()
        for each in (told, listed):
            each.note("10.0.0.1", Key("default", "web-0"))  # as it had it before
        found = PodSource("", told, "10.0.0.2".__eq__).event(event(kind, obj), known)
        page = PodSource("", listed, "10.0.0.2".__eq__).page(listing(obj), known)
        assert [found.object] == (page.items or [None]), obj
        assert (found.key, found.uid, found.version) == (Key("default", "web-0"), "uid-web-0", "5")
        for ip in ("10.0.0.1", "10.0.0.2"):
            assert told.at(ip) == listed.at(ip), (ip, obj)
        kept += found.object is not None
    assert kept == (288 if known is everybody else 156), "of 288"


def test_an_event_of_any_other_kind_is_read_whole() -> None:
    neighbours = Neighbours()
    source = PodSource("", neighbours)
    source.event(event("ADDED", pod(annotations={})), nobody)
    assert neighbours.at("10.0.0.1") == (Key("default", "web-0"),)
    assert source.event(event("DELETED", pod(annotations={})), nobody).type == "DELETED"
    assert neighbours.at("10.0.0.1") == ()
    assert source.event(event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}), nobody) == Event(
        "BOOKMARK", "9", Key("", ""), ""
    )


@pytest.mark.parametrize("items", [None, []])
def test_an_empty_list(items: object) -> None:
    body = orjson.dumps({"metadata": {"resourceVersion": "3"}, "items": items})
    page = PodSource().page(body, nobody)
    assert (page.items, page.version, page.next) == ([], "3", "")


@pytest.mark.parametrize(
    "parts",
    [
        {"spec": {"nodeName": "virtual-kubelet-cn-hangzhou-k"}},
        {"metadata": {"labels": {"alibabacloud.com/eci": "true"}}},
        {
            "annotations": {
                "k8s.aliyun.com/pod-dnat": "",
                "k8s.aliyun.com/eci-instance-id": "eci-1",
            }
        },
    ],
    ids=["node", "label", "annotation"],
)
def test_virtual_pods(parts: Json) -> None:
    sign = read(pod(**parts)).virtual
    assert sign.startswith(("its node virtual-", "its label alib", "its annotation k8s.al"))


def test_what_is_nearly_ours_is_noted_beside_what_is() -> None:
    notes = {
        "k8s.aliyun.com/pod-dnat": "",
        "k8s.aliyun.com/pod-dnat-export-port": "80",
        "k8s.aliyun.com/pod-dnat-endpoints": "1.1.1.1:600/tcp->80",
        "other.example/note": "x",
    }
    held = read(pod(annotations=notes, metadata={"labels": {"k8s.aliyun.com/pod-dnat": "true"}}))
    first, second = held.near
    assert "pod-dnat-export-port; did you mean k8s.aliyun.com/pod-dnat-expose-port?" in first
    assert "as a label" in second


def test_a_pod_says_whether_it_waits_for_its_condition() -> None:
    def gated(*types: str) -> bool:
        gates = [{"conditionType": each} for each in types]
        ours = {"k8s.aliyun.com/pod-dnat": ""}
        return bool(read(pod(annotations=ours, spec={"readinessGates": gates})).gated)

    assert gated("example.com/other", "k8s.aliyun.com/pod-dnat-ready")
    assert not gated("example.com/other")
    assert not gated()
    assert not read(pod(annotations={"k8s.aliyun.com/pod-dnat": ""})).gated


def test_a_game_server_says_that_its_network_is_a_plugin_s() -> None:
    ours = {"k8s.aliyun.com/pod-dnat": ""}
    network = {"game.kruise.io/network-type": "AlibabaCloud-NATGW"}
    assert not read(pod(annotations=ours)).counted
    assert read(pod(annotations=ours | network)).counted


def test_a_pod_may_have_any_number_of_annotations_that_are_nearly_ours() -> None:
    notes = {f"x.example/{n}-pod-dnat-expose-portx": "" for n in range(500)}
    held = read(pod(annotations={"k8s.aliyun.com/pod-dnat": "", **notes}))
    assert len(held.near) <= 3


def test_host_network_and_namespace() -> None:
    assert read(pod(spec={"hostNetwork": True})).host_network
    assert PodSource("games").path == "/api/v1/namespaces/games/pods"


RUNNING: Json = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
WAITING: Json = {"waiting": {"reason": "ContainerCreating"}}
ENDED: Json = {"terminated": {"exitCode": 0}}


def container(state: Json, name: str = "main", **more: Any) -> Json:
    return {"name": name, "state": state, **more}


def ended(
    *, deleting: bool = True, phase: str = "Running", containers: int = 1, **kinds: Any
) -> bool:
    names = ["main", "side"][:containers]
    statuses = {f"{kind}Statuses": value for kind, value in kinds.items()}
    return read(
        pod(
            metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {},
            spec={"containers": [{"name": name} for name in names]},
            status={"phase": phase, **statuses},
        )
    ).ended


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize("deleting", [True, False])
def test_a_final_phase_is_the_end(phase: str, deleting: bool) -> None:
    assert ended(phase=phase, deleting=deleting, container=[container(RUNNING)])


def test_being_deleted_is_not_the_end() -> None:
    assert not ended(container=[container(RUNNING)])


def test_a_container_that_ended_may_be_restarted_unless_the_pod_is_deleted() -> None:
    assert not ended(deleting=False, container=[container(ENDED)])
    assert ended(container=[container(ENDED)])


def test_the_last_container_counts() -> None:
    both = [container(ENDED), container(RUNNING, "side")]
    assert not ended(containers=2, container=both)
    both[1] = container(ENDED, "side")
    assert ended(containers=2, container=both)


def test_a_container_not_reported_yet_may_run() -> None:
    assert not ended(containers=2, container=[container(ENDED)])
    assert not ended(phase="Running")


def test_a_restarted_sidecar_and_a_debugger_count() -> None:
    main = [container(ENDED)]
    assert not ended(container=main, initContainer=[container(RUNNING, "sidecar")])
    assert ended(container=main, initContainer=[container(ENDED, "sidecar")])
    assert not ended(container=main, ephemeralContainer=[container(RUNNING, "debugger")])
    assert ended(container=main, ephemeralContainer=[container(ENDED, "debugger")])


def test_a_pod_as_servers_of_today_write_it() -> None:
    """Of 1.33 and later: a sidecar, resized in place, two IP families, users of its own."""
    running = {
        "ready": True,
        "started": True,
        "restartCount": 0,
        "allocatedResources": {"cpu": "500m"},
        "resources": {"requests": {"cpu": "500m"}},
        "state": RUNNING,
        "user": {"linux": {"uid": 0, "gid": 0, "supplementalGroups": [0]}},
        "allocatedResourcesStatus": [],
    }
    status = {
        "phase": "Running",
        "observedGeneration": 3,
        "hostIP": "10.250.0.1",
        "hostIPs": [{"ip": "10.250.0.1"}, {"ip": "fd00::1"}],
        "podIP": "10.0.0.5",
        "podIPs": [{"ip": "10.0.0.5"}, {"ip": "fd00::5"}],
        "resize": "InProgress",
        "conditions": [
            {"type": "PodResizeInProgress", "status": "True", "observedGeneration": 3},
            {"type": "PodReadyToStartContainers", "status": "True"},
        ],
        "containerStatuses": [running | {"name": "main"}],
        "initContainerStatuses": [running | {"name": "proxy"}],
        "resourceClaimStatuses": [],
    }
    spec = {
        "hostUsers": False,
        "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "main", "resizePolicy": [{"resourceName": "cpu"}]}],
        "resources": {"requests": {"cpu": "1"}},
        "nodeName": "node-1",
    }
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 4}
    found = read(pod(spec=spec, status=status, metadata=going))
    assert found.ips == ("10.0.0.5", "fd00::5")
    assert not found.ended
    assert not found.host_network
    status["containerStatuses"] = [running | {"name": "main", "state": ENDED}]
    assert not read(pod(spec=spec, status=status, metadata=going)).ended, "the sidecar runs"
    status["initContainerStatuses"] = [running | {"name": "proxy", "state": ENDED}]
    assert read(pod(spec=spec, status=status, metadata=going)).ended


@pytest.mark.parametrize("phase", ["Pending", ""])
def test_deleted_before_anything_ran(phase: str) -> None:
    assert ended(phase=phase)
    assert ended(phase=phase, container=[container(WAITING)])
    assert not ended(phase=phase, deleting=False, container=[container(WAITING)])


def test_deleted_while_it_is_initialised() -> None:
    assert not ended(
        phase="Pending",
        container=[container(WAITING)],
        initContainer=[container(RUNNING, "setup")],
    )
    assert ended(
        phase="Pending",
        container=[container(WAITING)],
        initContainer=[container(ENDED, "setup")],
    )


def test_deleted_between_two_crashes() -> None:
    waiting = container(
        {"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ENDED, restartCount=3
    )
    assert ended(container=[waiting])


@pytest.mark.parametrize(("reason", "kept"), [("InvalidAnnotation", True), ("NotExposed", False)])
def test_one_that_asks_no_more_is_kept_until_it_has_been_told(reason: str, kept: bool) -> None:
    obj = pod(annotations=None)
    obj["status"]["conditions"] = [
        {"type": "k8s.aliyun.com/pod-dnat-ready", "status": "False", "reason": reason}
    ]
    found = PodSource().event(event("ADDED", obj), nobody).object
    assert (found is not None) is kept


@pytest.mark.parametrize("nonsense", ["010.0.0.1", "10.0.0", "x", "10.0.0.1/24"])
def test_what_is_no_address_is_none(nonsense):
    """An older API server lets whoever may write the status of pods write anything."""
    assert read(pod(status={"podIP": nonsense})).ips == ()
    both = {"podIP": nonsense, "podIPs": [{"ip": nonsense}, {"ip": "10.0.0.9"}]}
    assert read(pod(status=both)).ips == ("10.0.0.9",)
