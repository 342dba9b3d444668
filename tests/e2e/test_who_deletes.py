"""The real garbage collector and namespace controller delete PodDNATs first: nobody is cut off.

Shown to fail when every PodDNAT that is deleted was released (`serves` always False): the row was
gone within a second, the containers ran on. That of the changed label when a pod that was let go
counted as another one (`is_for` False).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.oracle import entries_of
from tests.e2e.workloads import deployment, pod, stateful_set

APPS = "/apis/apps/v1/namespaces"
Made = Callable[[Arena, str], str]


def alone(arena: Arena, namespace: str) -> str:
    arena.api.create(pods_path(namespace), pod("alone", annotations=exposing("80")))
    return "alone"


def deployed(arena: Arena, namespace: str) -> str:
    workload = deployment("web", 1, annotations=exposing("80"))
    arena.api.create(f"{APPS}/{namespace}/deployments", workload)
    (made,) = eventually(lambda: arena.api.items(pods_path(namespace)))
    return str(made["metadata"]["name"])


def fixed(arena: Arena, namespace: str) -> str:
    workload = stateful_set("game", 1, annotations=exposing("80", fixed=""))
    arena.api.create(f"{APPS}/{namespace}/statefulsets", workload)
    return "game-0"


@contextmanager
def players(arena: Arena, kubelet: Kubelet, namespace: str, name: str) -> Iterator[None]:
    """As long as they are there the pod's containers run, and its row and status stay."""
    before = arena.ready(namespace, name)
    rows = arena.own_rows()
    kubelet.hold(namespace, name)
    try:
        yield
        arena.at_rest(seconds=3)
        assert entries_of(arena.record(namespace, name) or {}) == before
        assert arena.own_rows() == rows
    finally:
        kubelet.release(namespace, name)


@pytest.mark.parametrize(
    ("made", "path", "policy"),
    [
        (alone, "/api/v1/namespaces/{}/pods/alone", "Foreground"),
        (deployed, APPS + "/{}/deployments/web", "Foreground"),
        (fixed, APPS + "/{}/statefulsets/game", "Background"),
        (fixed, APPS + "/{}/statefulsets/game", "Foreground"),
        (alone, "/api/v1/namespaces/{}", "Background"),
        (fixed, "/api/v1/namespaces/{}", "Background"),
    ],
)
def test_entries_stay_until_the_containers_have_ended(
    arena: Arena, kubelet: Kubelet, namespace: str, made: Made, path: str, policy: str
) -> None:
    arena.start()
    name = made(arena, namespace)
    with players(arena, kubelet, namespace, name):
        arena.api.delete(path.format(namespace), propagationPolicy=policy)
        eventually(lambda: "deletionTimestamp" in _meta(arena, namespace, name), within=60)
    arena.gone(namespace, name)
    assert arena.own_rows() == []
    eventually(lambda: arena.api.find(path.format(namespace)) is None, within=60)


def test_a_stateful_set_deleted_without_its_pods_and_made_anew_takes_them_back(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    arena.start()
    name = fixed(arena, namespace)
    uid = None
    with players(arena, kubelet, namespace, name):
        uid = (arena.record(namespace, name) or {})["metadata"]["uid"]
        arena.api.delete(f"{APPS}/{namespace}/statefulsets/game", propagationPolicy="Orphan")
        eventually(lambda: not _meta(arena, namespace, name).get("ownerReferences"), within=60)
    with players(arena, kubelet, namespace, name):
        fixed(arena, namespace)
        eventually(lambda: _meta(arena, namespace, name).get("ownerReferences"), within=60)
        eventually(lambda: _owner(arena, namespace, name) == "StatefulSet", within=60)
    assert (arena.record(namespace, name) or {})["metadata"]["uid"] == uid


def test_a_changed_label_costs_a_pod_nothing(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    arena.start()
    name = fixed(arena, namespace)
    path = f"{pods_path(namespace)}/{name}"
    with players(arena, kubelet, namespace, name):
        arena.api.patch(path, {"metadata": {"labels": {"app": "apart"}}})
        eventually(lambda: not _meta(arena, namespace, name).get("ownerReferences"), within=60)
    with players(arena, kubelet, namespace, name):
        arena.api.patch(path, {"metadata": {"labels": {"app": "game"}}})
        eventually(lambda: _meta(arena, namespace, name).get("ownerReferences"), within=60)


def test_what_a_person_deletes_is_released_at_once(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    arena.start()
    name = deployed(arena, namespace)
    before = arena.ready(namespace, name)
    uid = (arena.record(namespace, name) or {})["metadata"]["uid"]
    arena.api.delete(f"{arena.records_path(namespace)}/{name}")
    eventually(lambda: (r := arena.record(namespace, name)) and r["metadata"]["uid"] != uid)
    assert arena.ready(namespace, name) != before


def _meta(arena: Arena, namespace: str, name: str) -> dict[str, object]:
    found: dict[str, object] = arena.api.get(f"{pods_path(namespace)}/{name}")["metadata"]
    return found


def _owner(arena: Arena, namespace: str, name: str) -> str:
    record = arena.record(namespace, name) or {"metadata": {}}
    owners = record["metadata"].get("ownerReferences") or [{"kind": ""}]
    return str(owners[0]["kind"])
