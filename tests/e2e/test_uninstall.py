"""Away again, on a real control plane: nothing is left, and nothing stays stuck."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from hack.controlplane.files import CONTROLLER_NAMESPACE
from tests.e2e.arena import CONFIG_MAPS, LEASE, Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS, POD_CONDITION
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod, stateful_set

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/poddnats.alibabacloud.com"
OWN_NAMESPACE = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{CONTROLLER_NAMESPACE}/deployments/dnatctl"


@pytest.fixture
def arena(installed: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    """As everywhere; at the end all that was installed is there again."""
    with Arena(installed, tmp_path) as arena:
        yield arena
        if "deletionTimestamp" in (arena.api.find(OWN_NAMESPACE) or {"metadata": {}})["metadata"]:
            eventually(lambda: arena.api.find(OWN_NAMESPACE) is None, within=60)
        if not arena.api.find(OWN_NAMESPACE):
            arena.api.create("/api/v1/namespaces", {"metadata": {"name": CONTROLLER_NAMESPACE}})
    installed.install(MANIFESTS)
    installed.kubectl_as("admin").apply(POD_CONDITION)


def uninstall(arena: Arena, config: Path, *arguments: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "dnatctl", "uninstall", "--config", str(config)]
    cluster = ("--kubeconfig", str(arena.control_plane.admin_kubeconfig))
    place = ("--namespace", CONTROLLER_NAMESPACE)
    done = subprocess.run(
        [*command, *cluster, *place, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == status, done
    return done.stdout + done.stderr


def exposed(arena: Arena, namespace: str) -> Path:
    """A pod and a fixed one with entries; the controller has gone since. The configuration."""
    replica = arena.start(publish={"condition": True, "annotation": True})
    game = stateful_set("game", 1, annotations=exposing("80", fixed=""))
    arena.api.create(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", game)
    arena.api.create(pods_path(namespace), pod("web", annotations=exposing("80/tcp,90/udp")))
    for name in ("game-0", "web"):
        arena.ready(namespace, name)
    refused = uninstall(arena, replica.config, "--yes", status=1)
    assert f"kubectl -n {CONTROLLER_NAMESPACE} scale deployment dnatctl --replicas=0" in refused
    assert len(arena.own_rows()) == 3
    replica.stop()
    arena.api.patch(DEPLOYMENT, {"spec": {"replicas": 0}})
    return replica.config


def test_nothing_is_left(arena: Arena, kubelet: Kubelet, namespace: str) -> None:
    """As docs/install.md has it; of all that the API server serves."""
    config = exposed(arena, namespace)
    shown = uninstall(arena, config)
    assert f"PodDNAT  {namespace}/web" in shown
    assert len(arena.own_rows()) == 3
    assert "3 entries, 2 PodDNATs gone, 2 pods cleaned" in uninstall(arena, config, "--yes")
    assert arena.rows() == []
    assert arena.records() == []
    for name in ("game-0", "web"):
        found = arena.api.get(f"{pods_path(namespace)}/{name}")
        assert not [each for each in found["metadata"]["annotations"] if "endpoints" in each]
        assert "pod-dnat-ready" not in str(found["status"]["conditions"])
    assert arena.api.find(LEASE) is None
    maps = [each["metadata"]["name"] for each in arena.api.items(CONFIG_MAPS)]
    assert not [name for name in maps if name.startswith(("dnatctl-adopted", "dnatctl-parked"))]
    assert arena.api.find(DEFINITION) is not None
    uninstall(arena, config, "--yes", "--crd")
    eventually(lambda: arena.api.find(DEFINITION) is None, within=60)
    kubectl = arena.control_plane.kubectl_as("admin")
    kubectl.run("delete", "-k", MANIFESTS, "--ignore-not-found")
    kubectl.run("delete", "-k", POD_CONDITION, "--ignore-not-found")
    kubectl.forget_discovery()
    kinds = ",".join(kubectl.run("api-resources", "--verbs=list", "-o", "name").split())

    def nothing_bears_the_name() -> bool:
        named = kubectl.run("get", kinds, "-A", "-o", "name", "--ignore-not-found").split()
        assert "namespace/default" in named
        assert [name for name in named if "dnat" in name and "event" not in name] == []
        return True

    # Namespaces of tests before this one may still be on their way out, with what was in them.
    eventually(nothing_bears_the_name, within=120, every=1)


Deletion = Callable[[Arena, str], None]


def of_pods(arena: Arena, namespace: str) -> None:
    arena.api.delete(f"/api/v1/namespaces/{namespace}")


def of_the_controller(arena: Arena, _namespace: str) -> None:
    arena.api.delete(OWN_NAMESPACE)


def of_the_definition(arena: Arena, _namespace: str) -> None:
    arena.api.delete(DEFINITION)


@pytest.mark.parametrize(
    "order", list(permutations((of_pods, of_the_controller, of_the_definition)))[::2]
)
def test_one_command_frees_what_was_deleted_without_a_controller(
    arena: Arena, kubelet: Kubelet, namespace: str, order: tuple[Deletion, ...]
) -> None:
    config = exposed(arena, namespace)
    for delete in order:
        delete(arena, namespace)
    arena.api.delete(pods_path(namespace), gracePeriodSeconds=0)
    eventually(lambda: all("deletionTimestamp" in r["metadata"] for r in arena.records()))
    uninstall(arena, config, "--yes")
    assert arena.rows() == []
    for path in (DEFINITION, f"/api/v1/namespaces/{namespace}", OWN_NAMESPACE):
        eventually(lambda path=path: arena.api.find(path) is None, within=60)
