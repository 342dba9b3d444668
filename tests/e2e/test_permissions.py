"""What dnatctl may do is what it does: the granted verbs against the API server's audit log.

Every test of this folder runs with these permissions; a verb that is missing fails them. The first
one was shown to fail with `delete` of pods granted too ("granted but not used", and which), without
`patch` of ConfigMaps (entries could not be adopted), and without `get` of PodDNATs.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dnatctl.kube import ledger, orders
from hack.controlplane.files import CONTROLLER_NAMESPACE
from tests.e2e.arena import CONFIG_MAPS, Arena, exposing, pods_path
from tests.e2e.audit import AuditEvent
from tests.e2e.conftest import MANIFESTS
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import ApiError, KubeApi, Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.meddler import meddling
from tests.e2e.older import exposed_before
from tests.e2e.oracle import entries_of
from tests.e2e.workloads import deployment, pod, stateful_set

Grant = tuple[str, str, str]
"""API group, resource (with its subresource) and verb."""

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CLUSTER_ROLE = f"{RBAC}/clusterroles/dnatctl"
CONDITION_ROLE = f"{RBAC}/clusterroles/dnatctl-pod-condition"
ROLE = f"{RBAC}/namespaces/dnatctl-system/roles/dnatctl"
ANNOTATION = MANIFESTS.parents[1] / "components" / "publish-annotation" / "rbac.yaml"

DNAT = "alibabacloud.com"
CRDS = "customresourcedefinitions"
OWNING = {("", "pods/finalizers", "update"), ("apps", "statefulsets/finalizers", "update")}
"""Asked for by an admission plugin, on behalf of a request for something else: never logged."""


def test_every_granted_verb_is_used_and_nothing_is_refused(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    exposed_before(arena, kubelet, namespace, "old", (600, 80))
    replica = arena.start()
    _live(arena, kubelet, namespace)
    _repair_twice(arena, namespace)
    _meet_conflicts(arena, namespace)
    replica.stop()  # a watch is logged when it ends
    eventually(lambda: _is_all_used(arena), within=60)
    assert [event for event in arena.requests() if event.code == 403] == []


def _is_all_used(arena: Arena) -> bool:
    granted, used = _granted(arena) - OWNING, _used(arena)
    assert granted <= used, f"granted but not used: {granted - used}"
    assert used <= granted, f"used though granted to everybody: {used - granted}"
    return True


def _live(arena: Arena, kubelet: Kubelet, namespace: str) -> None:
    """Adopt, expose, turn off, keep for a fixed pod that is away, release."""
    arena.ready(namespace, "old")
    arena.api.delete(f"{pods_path(namespace)}/old")
    arena.gone(namespace, "old")
    arena.api.create(pods_path(namespace), pod("web", annotations=exposing("80")))
    arena.ready(namespace, "web")
    _annotate(arena, namespace, {"k8s.aliyun.com/pod-dnat": "false"})
    arena.gone(namespace, "web")
    _annotate(arena, namespace, {"k8s.aliyun.com/pod-dnat": ""})
    arena.ready(namespace, "web")
    statefulsets = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
    arena.api.create(statefulsets, stateful_set("game", 1, annotations=exposing("80", fixed="")))
    arena.ready(namespace, "game-0")
    arena.api.patch(f"{statefulsets}/game", {"spec": {"replicas": 0}})
    eventually(lambda: not entries_of(arena.record(namespace, "game-0") or {}), within=60)
    _delete_by_hand(arena, namespace)


def _delete_by_hand(arena: Arena, namespace: str) -> None:
    """A PodDNAT whose pod runs: everything around that is looked at."""
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    arena.api.create(deployments, deployment("site", 1, annotations=exposing("80")))
    names = [pod["metadata"]["name"] for pod in eventually(lambda: _of_site(arena, namespace))]
    arena.ready(namespace, names[0])
    arena.api.delete(f"{arena.records_path(namespace)}/{names[0]}")
    needed = {("apps", "deployments", "get"), ("apiextensions.k8s.io", CRDS, "get")}
    eventually(lambda: needed <= _used(arena), within=60)


def _of_site(arena: Arena, namespace: str) -> list[Object]:
    return arena.api.items(pods_path(namespace), labelSelector="app=site")


def _repair_twice(arena: Arena, namespace: str) -> None:
    """The event that tells of the second repair is the first one, patched."""
    for _ in range(2):
        (entry,) = arena.ready(namespace, "web")
        arena.acts.delete_entry(entry["forwardEntryId"])
        eventually(lambda old=entry: arena.ready(namespace, "web") != [old], within=60)  # type: ignore[misc]


def _meet_conflicts(arena: Arena, namespace: str) -> None:
    """While somebody else writes to the PodDNAT, too, it is read past the cache."""
    with meddling(arena, namespace):
        ports = iter(range(1000, 2000))

        def read() -> bool:
            _annotate(arena, namespace, {"k8s.aliyun.com/pod-dnat-expose-port": str(next(ports))})
            return (DNAT, "poddnats", "get") in _used(arena)

        eventually(read, within=60, every=0.3)


@pytest.mark.parametrize("kind", ["pods", "statefulsets"])
def test_owners_may_be_named_only_with_leave_to_block_their_deletion(
    arena: Arena, kubelet: Kubelet, namespace: str, kind: str
) -> None:
    """Shows that the grants on finalizers are needed: without them the claim is refused.

    And that a refusal holds up nobody else, and is over once leave is given.
    """
    fixed = {"fixed": ""} if kind == "statefulsets" else {}
    workload = stateful_set("game", 1, annotations=exposing("80", **fixed))
    with _without(arena, f"{kind}/finalizers"):
        arena.start()
        arena.api.create(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", workload)
        eventually(lambda: (DNAT, "poddnats", "create") in _refused(arena), within=60)
        assert arena.records(namespace) == []
    arena.ready(namespace, "game-0", within=60)


def test_annotations_are_published_only_with_the_component_that_permits_it(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    arena.start(publish={"annotation": True})
    arena.api.create(pods_path(namespace), pod("web", annotations=exposing("80")))
    arena.ready(namespace, "web")
    eventually(lambda: ("", "pods", "patch") in _refused(arena), within=60)
    with _applied(arena, ANNOTATION):
        eventually(lambda: _published(arena, namespace) == "203.0.113.1:512/tcp->80", within=60)


def _published(arena: Arena, namespace: str) -> str | None:
    annotations = arena.api.get(f"{pods_path(namespace)}/web")["metadata"]["annotations"]
    published: str | None = annotations.get("k8s.aliyun.com/pod-dnat-endpoints")
    return published


def test_of_config_maps_it_may_change_its_own_alone(arena: Arena) -> None:
    """Beside it may lie those of others: in kube-system CoreDNS's and kube-proxy's."""
    theirs = {"metadata": {"name": "coredns"}, "data": {"Corefile": ". {}"}}
    arena.api.create(CONFIG_MAPS, theirs)
    with closing(arena.control_plane.api_as("dnatctl")) as api:
        assert _is_forbidden(lambda: api.get(f"{CONFIG_MAPS}/coredns"))
        assert _is_forbidden(lambda: _patched(api, "coredns"))
        assert _is_forbidden(lambda: api.delete(f"{CONFIG_MAPS}/coredns"))
        assert _is_forbidden(lambda: api.get(CONFIG_MAPS))
        assert api.find(f"{CONFIG_MAPS}/{orders.NAME}") is None
        assert _is_forbidden(lambda: _patched(api, orders.NAME))
        for name in ledger.NAMES:
            assert api.find(f"{CONFIG_MAPS}/{name}") is None
            api.create(CONFIG_MAPS, {"metadata": {"name": name}})
            assert _patched(api, name)["data"] == {"a": "b"}
    assert arena.api.get(f"{CONFIG_MAPS}/coredns")["data"] == theirs["data"]


def test_a_default_installation_lacks_nothing_and_says_nothing(arena: Arena) -> None:
    replica = arena.start(publish={"condition": False})
    command = [sys.executable, "-m", "dnatctl", "check", "--online", "--config", replica.config]
    cluster = ("--kubeconfig", arena.control_plane.dnatctl_kubeconfig)
    place = ("--namespace", CONTROLLER_NAMESPACE)
    done = subprocess.run(
        [*command, *cluster, *place], capture_output=True, text=True, check=False, timeout=120
    )
    more = len(ledger.NAMES) - 1
    assert f"may patch configmaps {ledger.FACTS} and {more} more in {CONTROLLER_NAMESPACE}" in (
        done.stdout
    )
    assert "may not" not in done.stdout
    assert "pods/status" not in done.stdout
    assert "not told" not in replica.verbose()


def _patched(api: KubeApi, name: str) -> Object:
    return api.patch(f"{CONFIG_MAPS}/{name}", {"data": {"a": "b"}})


def _is_forbidden(call: Callable[[], object]) -> bool:
    try:
        call()
    except ApiError as error:
        return error.status == 403
    return False


@contextmanager
def _applied(arena: Arena, manifest: Path) -> Iterator[None]:
    kubectl = arena.control_plane.kubectl_as("admin")
    kubectl.apply(manifest)
    try:
        yield
    finally:
        kubectl.run("delete", "-f", manifest)


@contextmanager
def _without(arena: Arena, resource: str) -> Iterator[None]:
    """The cluster role lacks the rule for a resource meanwhile."""
    rules = arena.api.get(CLUSTER_ROLE)["rules"]
    arena.api.patch(
        CLUSTER_ROLE, {"rules": [rule for rule in rules if rule["resources"] != [resource]]}
    )
    try:
        yield
    finally:
        arena.api.patch(CLUSTER_ROLE, {"rules": rules})


def _granted(arena: Arena) -> set[Grant]:
    rules = [
        rule
        for path in (CLUSTER_ROLE, CONDITION_ROLE, ROLE)
        for rule in arena.api.get(path)["rules"]
    ]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _used(arena: Arena) -> set[Grant]:
    return {
        _grant(event)
        for event in arena.requests()
        if event.resource and event.code not in (401, 403)
    }


def _refused(arena: Arena) -> set[Grant]:
    return {_grant(event) for event in arena.requests() if event.code == 403}


def _grant(event: AuditEvent) -> Grant:
    subresource = f"/{event.subresource}" if event.subresource else ""
    return event.group, f"{event.resource}{subresource}", event.verb


def _annotate(arena: Arena, namespace: str, annotations: Object) -> None:
    path = f"{pods_path(namespace)}/web"
    arena.api.patch(path, {"metadata": {"annotations": annotations}})
