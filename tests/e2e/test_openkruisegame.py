"""OpenKruiseGame as it is: its plugin sees an address only when a pod is written, and not long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dnatctl_sim.cloud import Knobs, Scenario, Settle
from tests.e2e.arena import POD_NETWORK, Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.okg import Plugin
from tests.e2e.workloads import pod

COMPONENTS = MANIFESTS.parents[1] / "components"
ANNOTATION = COMPONENTS / "publish-annotation" / "rbac.yaml"
WORKLOADS = COMPONENTS / "openkruise" / "rbac.yaml"
KRUISE = "apps.kruise.io"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"statefulsets.{KRUISE}"},
    "spec": {
        "group": KRUISE,
        "scope": "Namespaced",
        "names": {"kind": "StatefulSet", "plural": "statefulsets", "singular": "statefulset"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}
"""OpenKruise's StatefulSet; nobody is behind it: the test makes its pods."""
GIVES_UP = 60.0
"""Seconds, as in the plugin's chart (network.totalWaitTime)."""


@pytest.fixture
def arena(installed: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    """A cloud whose table stays busy for a second after each write."""
    slow = Knobs(default_limit=0, quota=1000, settle=Settle.all(1.0))
    with Arena(installed, tmp_path, Scenario(knobs=slow)) as arena:
        yield arena


@contextmanager
def playing(arena: Arena, namespace: str, folder: Path, gives_up: float) -> Iterator[Plugin]:
    """The plugin and the nodes; pods are gone at the end."""
    label = {"metadata": {"labels": {"okg": namespace}}}
    arena.api.patch(f"/api/v1/namespaces/{namespace}", label)
    kubelet = Kubelet(arena.api, namespace=namespace, network=POD_NETWORK)
    with Plugin(arena.api, namespace, folder, gives_up=gives_up) as plugin, kubelet:
        yield plugin
        arena.api.delete(pods_path(namespace), gracePeriodSeconds=0)


def scale_up(arena: Arena, namespace: str, servers: int) -> None:
    for number in range(servers):
        server = pod(f"arena-{number}", annotations=exposing("7777", expose_protocol="UDP"))
        arena.api.create(pods_path(namespace), server)


@pytest.mark.timeout(240)
def test_sixty_game_servers_are_ready_at_a_second_a_write(
    arena: Arena, namespace: str, tmp_path: Path
) -> None:
    kubectl = arena.control_plane.kubectl_as("admin")
    kubectl.apply(ANNOTATION)
    try:
        arena.start(publish={"annotation": True})
        with playing(arena, namespace, tmp_path, GIVES_UP) as plugin:
            scale_up(arena, namespace, 60)
            eventually(lambda: len(plugin.ready) == 60, within=150)
            assert {len(entries) for entries in plugin.ready.values()} == {1}
    finally:
        kubectl.run("delete", "-f", ANNOTATION)


def test_without_the_annotation_late_ones_are_never_seen(
    arena: Arena, namespace: str, tmp_path: Path
) -> None:
    """What the annotation is for: this is the plugin's way, and why the test above can fail."""
    arena.start()
    with playing(arena, namespace, tmp_path, gives_up=6.0) as plugin:
        scale_up(arena, namespace, 12)
        for number in range(12):
            arena.ready(namespace, f"arena-{number}", within=60)
        assert eventually(lambda: len(plugin.ready) + len(plugin.given_up()) == 12)
        assert plugin.given_up()


@pytest.fixture
def kruise(installed: ControlPlane, tmp_path: Path) -> Iterator[None]:
    """OpenKruise's workloads are served, and dnatctl may read them."""
    kubectl = installed.kubectl_as("admin")
    file = tmp_path / "kruise.json"
    file.write_text(json.dumps(DEFINITION), encoding="utf-8")
    installed.install(file)
    kubectl.apply(WORKLOADS)
    yield
    kubectl.run("delete", "-f", WORKLOADS, "-f", str(file))


def game_server(workload: Object, number: int) -> Object:
    name = workload["metadata"]["name"]
    server = pod(f"{name}-{number}", annotations=exposing("7777/udp", fixed=""))
    owner = {
        "apiVersion": workload["apiVersion"],
        "kind": workload["kind"],
        "name": name,
        "uid": workload["metadata"]["uid"],
        "controller": True,
    }
    server["metadata"]["ownerReferences"] = [owner]
    return server


def addresses(entries: list[Object]) -> set[tuple[str, str]]:
    return {(entry["externalIP"], entry["externalPort"]) for entry in entries}


@pytest.mark.usefixtures("kruise")
def test_fixed_game_servers_are_kept_scaled_down_and_released(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    sets = f"/apis/{KRUISE}/v1beta1/namespaces/{namespace}/statefulsets"
    body = {"apiVersion": f"{KRUISE}/v1beta1", "kind": "StatefulSet", "spec": {"replicas": 2}}
    workload = arena.api.create(sets, body | {"metadata": {"name": "game"}})
    arena.start(fixed={"retain": "1s"})
    for number in (0, 1):
        arena.api.create(pods_path(namespace), game_server(workload, number))
    zero, one = (addresses(arena.ready(namespace, f"game-{number}")) for number in (0, 1))

    arena.api.delete(f"{pods_path(namespace)}/game-1")
    eventually(lambda: len(arena.own_rows()) == 1, within=60)
    arena.api.create(pods_path(namespace), game_server(workload, 1))
    assert addresses(arena.ready(namespace, "game-1")) == one

    arena.api.patch(f"{sets}/game", {"spec": {"replicas": 1}})
    arena.api.delete(f"{pods_path(namespace)}/game-1")
    arena.gone(namespace, "game-1")
    assert addresses(arena.ready(namespace, "game-0")) == zero

    arena.api.delete(f"{sets}/game")  # the garbage collector takes its pods
    arena.gone(namespace, "game-0")
    assert arena.own_rows() == []
