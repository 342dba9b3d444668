"""The control plane that the other end-to-end tests stand on does what they rely on."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hack.controlplane.assets import VERSION
from hack.controlplane.files import CONTROLLER_USER
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import ApiError, KubeApi, Object, Unreachable
from tests.e2e.kubectl import Kubectl, KubectlError
from tests.e2e.workloads import deployment, pod, stateful_set
from tests.support.programs import KUBECTL

CONFIG_MAP: Object = {"metadata": {"name": "some"}, "data": {"a": "1"}}


def pods_of(api: KubeApi, namespace: str) -> list[Object]:
    return api.items(f"/api/v1/namespaces/{namespace}/pods")


def names_of(objects: list[Object]) -> set[str]:
    return {item["metadata"]["name"] for item in objects}


def crd_manifest(group: str) -> str:
    return f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: "lamps.{group}"}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Lamp, plural: lamps}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def test_the_api_server_says_the_version_it_was_built_from(
    api: KubeApi, control_plane: ControlPlane
) -> None:
    said = api.get("/version")["gitVersion"]
    assert control_plane.version_of("kube-apiserver") == f"Kubernetes {said}"
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        assert said == f"v{VERSION}"


@pytest.mark.parametrize("program", ["of the control plane", "newest"])
def test_kubectl_works(control_plane: ControlPlane, namespace: str, program: str) -> None:
    kubectl = control_plane.kubectl_as("admin")
    if program == "newest":
        kubectl = Kubectl(Path(KUBECTL), control_plane.admin_kubeconfig)
    manifest = deployment("web", 2) | {"metadata": {"name": "web", "namespace": namespace}}
    kubectl.apply([manifest])
    kubectl.run("-n", namespace, "scale", "deployment/web", "--replicas=3")
    read = kubectl.json("-n", namespace, "get", "deployment", "web")
    assert read["spec"]["replicas"] == 3
    assert "web" in kubectl.run("-n", namespace, "describe", "deployment", "web")
    with pytest.raises(KubectlError, match="NotFound"):
        kubectl.run("-n", namespace, "get", "deployment", "other")


def test_workloads_make_pods_and_deleting_them_takes_the_pods_along(
    api: KubeApi, namespace: str, kubectl: Kubectl
) -> None:
    kubectl.run("version")
    path = f"/apis/apps/v1/namespaces/{namespace}"
    api.create(f"{path}/deployments", deployment("web", 2))
    api.create(f"{path}/statefulsets", stateful_set("db", 2))
    pods = eventually(lambda: [p for p in [pods_of(api, namespace)] if len(p) == 4])[0]
    assert {"db-0", "db-1"} < names_of(pods)
    api.delete(f"{path}/deployments/web", propagationPolicy="Background")
    eventually(lambda: names_of(pods_of(api, namespace)) == {"db-0", "db-1"})


def test_an_object_goes_with_its_owner(
    api: KubeApi, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "crd.yaml"
    manifest.write_text(crd_manifest("owned.example.com"))
    control_plane.install(manifest)
    owner = api.create(f"/api/v1/namespaces/{namespace}/configmaps", CONFIG_MAP)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "some"}
    reference |= {"uid": owner["metadata"]["uid"]}
    lamps = f"/apis/owned.example.com/v1/namespaces/{namespace}/lamps"
    api.create(
        lamps,
        {
            "apiVersion": "owned.example.com/v1",
            "kind": "Lamp",
            "metadata": {"name": "one", "ownerReferences": [reference]},
        },
    )
    api.delete(f"/api/v1/namespaces/{namespace}/configmaps/some")
    eventually(lambda: api.items(lamps) == [], within=60)


def test_a_cleared_namespace_holds_nothing_that_a_finalizer_could_keep(
    api: KubeApi, control_plane: ControlPlane, tmp_path: Path
) -> None:
    manifest = tmp_path / "crd.yaml"
    manifest.write_text(crd_manifest("kept.example.com"))
    control_plane.install(manifest)
    api.create("/api/v1/namespaces", {"metadata": {"name": "to-clear"}})
    lamps = "/apis/kept.example.com/v1/namespaces/to-clear/lamps"
    lamp = {"apiVersion": "kept.example.com/v1", "kind": "Lamp"}
    api.create(lamps, lamp | {"metadata": {"name": "one", "finalizers": ["example.com/keep"]}})
    api.create("/api/v1/namespaces/to-clear/pods", pod("a", nodeName="nowhere"))
    control_plane.clear_namespace("to-clear")
    assert api.items(lamps) == []
    assert pods_of(api, "to-clear") == []


def test_the_service_account_may_do_what_is_granted_and_nothing_else(
    api: KubeApi, control_plane: ControlPlane, namespace: str
) -> None:
    account = control_plane.api_as("dnatctl")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with pytest.raises(ApiError, match=f"403 Forbidden: .*{CONTROLLER_USER}"):
        account.get(path)

    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    api.create(f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
    _, _, account_namespace, name = CONTROLLER_USER.split(":")
    api.create(
        f"{rbac}/rolebindings",
        {
            "metadata": {"name": "reader"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "reader",
            },
            "subjects": [{"kind": "ServiceAccount", "namespace": account_namespace, "name": name}],
        },
    )

    def is_granted() -> bool:  # the authorizer learns of the role by a watch
        with suppress(ApiError):
            return account.items(path) == []
        return False

    eventually(is_granted)
    with pytest.raises(ApiError, match="403 Forbidden"):
        account.create(path, CONFIG_MAP)
    account.close()


def test_an_unknown_token_is_turned_away(control_plane: ControlPlane) -> None:
    stranger = KubeApi(control_plane.url, control_plane.authority, "guessed")
    with pytest.raises(ApiError, match="401 Unauthorized"):
        stranger.get("/api/v1/pods")
    stranger.close()


def test_the_audit_log_tells_who_wrote_what(
    api: KubeApi, control_plane: ControlPlane, namespace: str
) -> None:
    mark = control_plane.audit.mark()
    api.create(f"/api/v1/namespaces/{namespace}/pods", pod("seen"))
    api.patch(f"/api/v1/namespaces/{namespace}/pods/seen/status", {"status": {"message": "hi"}})

    def writes() -> list[tuple[str, str, str, int]]:
        events = control_plane.audit.events(since=mark, user="admin")
        return [
            (event.verb, event.resource, event.subresource, event.code)
            for event in events
            if event.is_write and event.namespace == namespace and event.resource == "pods"
        ]

    expected = [("create", "pods", "", 201), ("patch", "pods", "status", 200)]
    eventually(lambda: writes() == expected)


def test_a_paused_server_answers_nothing_and_then_goes_on(
    api: KubeApi, control_plane: ControlPlane
) -> None:
    hasty = control_plane.api_as("admin", patience=0.5)
    with control_plane.paused(), pytest.raises(Unreachable):
        hasty.get("/version")
    hasty.close()
    assert api.get("/version")


@pytest.mark.parametrize("kill", [True, False])
def test_a_restarted_api_server_keeps_its_objects_and_identities(
    api: KubeApi, control_plane: ControlPlane, namespace: str, kill: bool
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    created = api.create(path, CONFIG_MAP)
    control_plane.restart_apiserver(kill=kill)
    assert api.get(f"{path}/some")["metadata"] == created["metadata"]


def test_a_stopped_api_server_refuses_connections(
    api: KubeApi, control_plane: ControlPlane
) -> None:
    control_plane.stop_apiserver()
    with pytest.raises(Unreachable):
        api.get("/version")
    control_plane.start_apiserver()
    assert api.get("/version")


def test_a_continue_token_ends_with_compaction(
    api: KubeApi, control_plane: ControlPlane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        api.create(path, {"metadata": {"name": name}})
    token = api.get(path, limit=1)["metadata"]["continue"]
    api.create(path, CONFIG_MAP)
    control_plane.compact_etcd()
    with pytest.raises(ApiError, match="410 Expired"):
        api.get(path, **{"limit": 1, "continue": token})


def test_watches_expire_when_history_is_lost(
    api: KubeApi, control_plane: ControlPlane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.create(path, CONFIG_MAP)
    seen = api.get(path)["metadata"]["resourceVersion"]
    control_plane.expire_watches()
    with pytest.raises(ApiError, match="410 Expired") as caught, api.watch(path, seen) as watch:
        list(watch)
    assert caught.value.status == 410


def test_nothing_is_left_of_a_control_plane_whose_test_run_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.e2e.control_plane import ControlPlane;"
        "plane = ControlPlane(Path(sys.argv[1])); plane.start(); print('up', flush=True);"
        "sys.stdin.read()"
    )
    state = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(state)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        pids = [int(path.read_text().strip("[").split(",")[0]) for path in state.glob("*.pid")]
        assert len(pids) == 3
        run.send_signal(signal.SIGKILL)
    eventually(lambda: not state.exists(), within=60)
    assert not [pid for pid in pids if _is_running(pid)]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # empty: ended, not yet reaped
    except (FileNotFoundError, ProcessLookupError):
        return False
