"""Admission policies and rules of the definition, judged by a real API server that has them.

`tests/unit/manifests` judges them by a library, in thousands of cases; here some show that the
server takes them and decides alike, and that dnatctl works behind all of them. They need Kubernetes
1.30: `KUBEBUILDER_ASSETS` names the programs of one.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from dnatctl.plan.exposure import FIXED, MAX_TEXT, PORTS, PROTOCOL, SWITCH
from hack.controlplane.files import CONTROLLER_NAMESPACE
from tests.e2e.arena import Arena, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import ApiError, KubeApi, Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.test_guards import condition, granted
from tests.e2e.workloads import deployment, pod
from tests.unit.manifests.built import with_components
from tests.unit.manifests.test_admission import is_refused

OLDEST = 30
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/poddnats.alibabacloud.com"
POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
WRONG = {SWITCH: "", PORTS: "70000"}
OURS = "k8s.aliyun.com/pod-dnat-ready"


@pytest.fixture(autouse=True)
def _new_enough(control_plane: ControlPlane) -> None:
    minor = int(control_plane.api.get("/version")["minor"].rstrip("+"))
    if minor < OLDEST:
        pytest.skip(f"admission policies need Kubernetes 1.{OLDEST}, this is 1.{minor}")


@contextmanager
def in_force(control_plane: ControlPlane, *components: str) -> Iterator[None]:
    """The policies of these components, and the definition with the rules of these."""
    kubectl = control_plane.kubectl_as("admin")
    objects = with_components(*components)
    policies = [item for item in objects if item["kind"] in POLICIES]
    kubectl.apply([i for i in objects if i["kind"] == "CustomResourceDefinition"] + policies)
    try:
        yield
    finally:
        for item in policies:
            kubectl.run("delete", item["kind"], item["metadata"]["name"])
        kubectl.apply(MANIFESTS)


def said_against(write: Callable[[], Any]) -> str:
    """What the API server says against a write of which it understands all; "" if it takes it."""
    try:
        write()
    except ApiError as error:
        if error.status != 422:
            raise
        return str(error)
    return ""


def refusal(api: KubeApi, path: str, body: Object) -> str:
    """What the API server says against this object; "" if it would take it."""
    return said_against(lambda: api.create(path, body, dryRun="All"))


def wait_for_policies(arena: Arena, namespace: str) -> None:
    """They are in force a moment after they were written."""
    wrong = pod("wrong", annotations=WRONG)
    eventually(lambda: refusal(arena.api, pods_path(namespace), wrong))


ASKED: tuple[Mapping[str, str], ...] = (
    {},
    {SWITCH: ""},
    {SWITCH: "yes", PORTS: "80"},
    {SWITCH: "false", PORTS: "nonsense"},
    {PORTS: "80"},
    *(
        {SWITCH: "", PORTS: ports}
        for ports in (
            *("80", " 80 ", "080", "80,443", "0", "65535", "65536", "7-9", "9-7", "1-100", "1-101"),
            *("80/tcp", "80/UDP", "80/ udp", "80/sctp", "80/", "a", "80;81", "80,80", "80,80/udp"),
            *("7000-7003,7003", "", ",", "\u00a080", ",".join("8" for _ in range(400)), "8" * 20),
            *("," * MAX_TEXT, "," * (MAX_TEXT + 1), ",".join(str(n) for n in range(1, 101))),
        )
    ),
    *({SWITCH: "", PORTS: "80", PROTOCOL: it} for it in ("", "udp", " UDP ", "sctp", "tcp,udp")),
    *({SWITCH: "", PORTS: "80", FIXED: it} for it in ("", "true", "false", "yes")),
)


def test_annotations_are_judged_as_dnatctl_judges_them(arena: Arena, namespace: str) -> None:
    with in_force(arena.control_plane, "admission-deny"):
        wait_for_policies(arena, namespace)
        path = pods_path(namespace)
        for asked in ASKED:
            said = refusal(arena.api, path, pod("web", annotations=asked))
            assert bool(said) == is_refused(dict(asked)), f"{asked}: {said or 'taken'}"
        said = refusal(arena.api, path, pod("web", annotations=WRONG))
        assert "found 70000" in said
        workloads = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        assert "found 70000" in refusal(arena.api, workloads, deployment("w", 1, annotations=WRONG))
        assert not refusal(arena.api, workloads, deployment("web", 1))


def test_by_default_it_warns_and_lets_in(arena: Arena, namespace: str) -> None:
    kubectl = arena.control_plane.kubectl_as("admin")
    manifest = pod("web", annotations=WRONG)
    with in_force(arena.control_plane, "admission"):

        def warned() -> bool:
            told = kubectl.attempt(
                *("-n", namespace, "run", "web", "--image=game", "--dry-run=server"),
                *(f"--annotations={name}={value}" for name, value in WRONG.items()),
            )
            assert told.returncode == 0, told.stderr
            return "found 70000" in told.stderr

        eventually(warned, every=0.5)
        assert arena.api.create(pods_path(namespace), manifest)


def test_poddnats_are_for_dnatctl_and_who_may_override(arena: Arena, namespace: str) -> None:
    kubectl = arena.control_plane.kubectl_as("admin")
    verbs = ("get", "list", "create", "update", "patch", "delete")
    rule = {"apiGroups": ["alibabacloud.com"], "resources": ["poddnats"], "verbs": list(verbs)}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": [rule]}
    kubectl.apply([role | {"metadata": {"name": "tenant", "namespace": namespace}}])
    kubectl.run("-n", namespace, "create", "rolebinding", "tenant", "--role=tenant", "--user=tess")
    record = claim(port="600")
    with in_force(arena.control_plane, "admission-deny"):
        wait_for_policies(arena, namespace)
        path = arena.records_path(namespace)
        assert not refusal(arena.api, path, record), "whoever may do everything may override"
        with closing(arena.control_plane.api_as("dnatctl")) as dnatctl:
            assert not refusal(dnatctl, path, record)
        arena.api.create(path, record)
        told = kubectl.attempt(
            *("--as=tess", "-n", namespace, "patch", "poddnat", "by-hand", "--type=merge"),
            *("-p", '{"spec": {"zoneId": "elsewhere"}}'),
        )
        assert told.returncode
        assert "PodDNATs are written by dnatctl alone" in told.stderr
        kubectl.run("--as=tess", "-n", namespace, "delete", "poddnat", "by-hand")


THEFTS: dict[str, Object] = {
    "a label": {"metadata": {"labels": {"app": "other"}}},
    "a finalizer": {"metadata": {"finalizers": ["example.com/keep"]}},
    "an exposure": {"metadata": {"annotations": {SWITCH: "false"}}},
    "an annotation": {"metadata": {"annotations": {"other": "1"}}},
    "an IP": {"status": {"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}},
    "a phase": {"status": {"phase": "Failed"}},
    "no status": {"status": None},
    "no condition": {"status": {"conditions": []}},
    "readiness": {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
}


def test_a_stolen_token_is_worth_little(arena: Arena, kubelet: Kubelet, namespace: str) -> None:
    asked = {SWITCH: "", PORTS: "80"}
    arena.api.create(pods_path(namespace), pod("web", annotations=asked))
    conditions = kubelet.wait_running(namespace, "web")["status"]["conditions"]
    maps = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}/configmaps"

    def written(change: Any) -> bool:
        path = f"{pods_path(namespace)}/web/status"
        return not said_against(lambda: dnatctl.patch(path, change, dryRun="All"))

    with (
        in_force(arena.control_plane, "write-guard"),
        closing(arena.control_plane.api_as("dnatctl")) as dnatctl,
    ):
        eventually(lambda: not written(THEFTS["a label"]))
        for what, theft in THEFTS.items():
            assert not written(theft), what
        own = {"type": OURS, "status": "True", "reason": "EntriesAvailable"}
        assert written({"status": {"conditions": [*conditions, own]}})
        assert refusal(dnatctl, maps, {"metadata": {"name": "dnatctl-config"}})
        assert not refusal(dnatctl, maps, {"metadata": {"name": "dnatctl-adopted-1"}})


def claim(port: str) -> Object:
    """A PodDNAT as nobody but dnatctl should write one."""
    mapping = [{"externalPort": port, "internalPort": "80"}]
    return {
        "apiVersion": "alibabacloud.com/v1",
        "kind": "PodDNAT",
        "metadata": {"name": "by-hand"},
        "spec": {"portMapping": mapping},
    }


def test_a_claim_names_ports_from_its_creation_on(arena: Arena, namespace: str) -> None:
    path = arena.records_path(namespace)
    with in_force(arena.control_plane, "creation-rules"):
        eventually(lambda: refusal(arena.api, path, claim(port="0")))
        for port in ("", "65536", "-1"):
            assert refusal(arena.api, path, claim(port=port)), port
        for port in ("1", "65535"):
            assert not refusal(arena.api, path, claim(port=port)), port


def test_dnatctl_works_behind_all_of_them(arena: Arena, kubelet: Kubelet, namespace: str) -> None:
    every = ("creation-rules", "admission-deny", "write-guard")
    with granted(arena, "publish-annotation"), in_force(arena.control_plane, *every):
        wait_for_policies(arena, namespace)
        arena.start(publish={"annotation": True})
        asked = {SWITCH: "", PORTS: "80,7000-7001/udp"}
        arena.api.create(pods_path(namespace), pod("web", annotations=asked))
        arena.ready(namespace, "web")
        eventually(lambda: condition(arena, namespace, "web") == "EntriesAvailable")
        published = "k8s.aliyun.com/pod-dnat-endpoints"
        shown = f"{pods_path(namespace)}/web"
        eventually(lambda: published in arena.api.get(shown)["metadata"]["annotations"])
        arena.api.delete(shown)
        arena.gone(namespace, "web")
        arena.settled()
        denied = [event.uri for event in arena.requests() if event.code in (403, 422)]
        assert denied == []
