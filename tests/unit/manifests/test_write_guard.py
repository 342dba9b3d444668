"""What the account may write, as the API server's own language decides it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dnatctl.kube import ledger
from tests.unit.manifests.built import Object
from tests.unit.manifests.policies import complaints, part

ME = "system:serviceaccount:dnatctl-system:dnatctl"
POD: Object = {
    "metadata": {
        "name": "web",
        "namespace": "games",
        "labels": {"app": "web"},
        "annotations": {"k8s.aliyun.com/pod-dnat": "", "other": "1"},
        "finalizers": ["example.com/keep"],
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "u1"}],
    },
    "spec": {"containers": [{"name": "main", "image": "nginx"}]},
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
OURS = {"type": "k8s.aliyun.com/pod-dnat-ready", "status": "True", "reason": "EntriesAvailable"}
ENDPOINTS = "k8s.aliyun.com/pod-dnat-endpoints"


def changed(**changes: Any) -> Object:
    """The pod with fields changed: `status__podIP`; None takes one away."""
    new = deepcopy(POD)
    for path, value in changes.items():
        *parents, name = path.split("__")
        part = new
        for parent in parents:
            part = part[parent]
        part.pop(name, None) if value is None else part.update({name: value})
    return new


def denials(policy: str, new: Object, old: Object, who: str = ME, subresource: str = "") -> int:
    """How many rules of the policy deny the write."""
    request = {"userInfo": {"username": who}}
    request |= {"subResource": subresource} if subresource else {}
    return len(complaints("write-guard", policy, new, old, request))


@pytest.mark.parametrize(
    ("new", "subresource"),
    [
        (POD, "status"),
        (changed(status__conditions=[*POD["status"]["conditions"], OURS]), "status"),
        (changed(status__conditions=[OURS, *POD["status"]["conditions"]]), "status"),
        (changed(metadata__annotations={**POD["metadata"]["annotations"], ENDPOINTS: "x"}), ""),
        (
            changed(
                metadata__annotations={
                    **POD["metadata"]["annotations"],
                    ENDPOINTS: "x",
                    "game.kruise.io/network-status": "{}",
                }
            ),
            "",
        ),
    ],
    ids=["nothing", "its condition", "its condition first", "its annotation", "OpenKruiseGame's"],
)
def test_what_the_program_writes_of_pods_is_allowed(new: Object, subresource: str) -> None:
    assert denials("dnatctl-pods", new, POD, subresource=subresource) == 0


def test_so_it_is_to_take_both_off_again() -> None:
    told = changed(
        status__conditions=[*POD["status"]["conditions"], OURS],
        metadata__annotations={**POD["metadata"]["annotations"], ENDPOINTS: "x"},
    )
    without = deepcopy(told)
    del without["metadata"]["annotations"][ENDPOINTS]
    assert denials("dnatctl-pods", without, told) == 0
    without = deepcopy(told)
    without["status"]["conditions"].pop()
    assert denials("dnatctl-pods", without, told, subresource="status") == 0


def test_so_it_is_where_a_pod_has_next_to_nothing() -> None:
    bare: Object = {"metadata": {"name": "web"}, "spec": {}}
    told = bare | {"status": {"conditions": [OURS]}}
    assert denials("dnatctl-pods", told, bare, subresource="status") == 0
    again = bare | {"status": {"conditions": [OURS | {"status": "False"}]}}
    assert denials("dnatctl-pods", again, told, subresource="status") == 0


THEFTS: dict[str, Object] = {
    "a label": changed(metadata__labels={"app": "other"}),
    "all labels": changed(metadata__labels=None),
    "a finalizer": changed(metadata__finalizers=[]),
    "an owner": changed(metadata__ownerReferences=None),
    "an annotation": changed(metadata__annotations={"k8s.aliyun.com/pod-dnat": "", "other": "2"}),
    "an annotation less": changed(metadata__annotations={"k8s.aliyun.com/pod-dnat": ""}),
    "an exposure": changed(metadata__annotations={"k8s.aliyun.com/pod-dnat": "false"}),
    "an IP": changed(status__podIP="10.0.0.9"),
    "no IP": changed(status__podIP=None),
    "a phase": changed(status__phase="Failed"),
    "readiness": changed(status__conditions=[{"type": "Ready", "status": "False"}]),
    "a condition less": changed(status__conditions=[]),
    "no conditions": changed(status__conditions=None),
    "no status": changed(status=None),
    "an image": changed(spec__containers=[{"name": "main", "image": "evil"}]),
    "a webhook's annotation by way of the status": changed(
        metadata__annotations={**POD["metadata"]["annotations"], "game.kruise.io/network-type": "x"}
    ),
}


@pytest.mark.parametrize("theft", THEFTS)
def test_a_stolen_token_changes_nothing_else_of_a_pod(theft: str) -> None:
    assert denials("dnatctl-pods", THEFTS[theft], POD, subresource="status") > 0


def test_others_are_not_looked_at() -> None:
    kubelet = "system:node:worker-1"
    assert denials("dnatctl-pods", THEFTS["an IP"], POD, who=kubelet, subresource="status") == 0


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        *((name, True) for name in ledger.NAMES),
        ("dnatctl-adopted-w", False),
        ("dnatctl-adopted-", False),
        ("dnatctl-adopted-0.more", False),
        ("a.dnatctl-ledger", False),
        ("dnatctl-parked-10", False),
        ("dnatctl-orders", False),
        ("dnatctl-config", False),
        ("dnatctl-config-5k2h", False),
        ("kube-root-ca.crt", False),
    ],
)
def test_of_config_maps_only_the_ledgers_are_its_own(name: str, allowed: bool) -> None:
    new: Object = {"metadata": {"name": name}}
    assert (denials("dnatctl-configmaps", new, {}) == 0) is allowed


@pytest.mark.parametrize("name", ["dnatctl-pods", "dnatctl-configmaps"])
def test_each_policy_is_in_force(name: str) -> None:
    binding = part("write-guard", "ValidatingAdmissionPolicyBinding", name)["spec"]
    assert binding == {"policyName": name, "validationActions": ["Deny"]}
    policy = part("write-guard", "ValidatingAdmissionPolicy", name)["spec"]
    assert policy["failurePolicy"] == "Fail"
