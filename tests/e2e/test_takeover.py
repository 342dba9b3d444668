"""A cluster of the older controller is taken over: its CRD, its PodDNATs, its entries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.arena import LEASE, POD_NETWORK, WRITES, Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.older import EXTERNAL_IP, exposed_before, older_crd
from tests.e2e.oracle import Row, entries_of, row_tuple
from tests.e2e.workloads import pod

BASE = MANIFESTS.parents[1] / "base"
NAMESPACE = "game"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that knows PodDNATs as `v1beta1` alone, and lets dnatctl in."""
    folder = tmp_path_factory.mktemp("older-control-plane")
    control_plane = ControlPlane(folder / "state")
    try:
        control_plane.start()
        control_plane.kubectl_as("admin").apply([older_crd()])
        control_plane.install(BASE)
        control_plane.restart_controller_manager()
        control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        yield control_plane
    finally:
        control_plane.stop()


@pytest.fixture
def arena(older: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    with Arena(older, tmp_path, version="v1beta1") as arena:
        yield arena


@pytest.fixture
def kubelet(arena: Arena) -> Iterator[Kubelet]:
    with Kubelet(arena.api, network=POD_NETWORK, namespace=NAMESPACE) as kubelet:
        yield kubelet


def test_what_the_older_controller_left_is_taken_over_untouched(
    arena: Arena, kubelet: Kubelet
) -> None:
    """No entry is deleted, created anew or changed; only what was missing is made.

    It stays so through a restart, and entries go when their pods do: the ledger remembers.
    """
    exposed_before(arena, kubelet, NAMESPACE, "one", (600, 80))
    exposed_before(arena, kubelet, NAMESPACE, "two", (601, 80), (602, 443))
    exposed_before(arena, kubelet, NAMESPACE, "half", (603, 80), (604, 443), entries=1)
    exposed_before(arena, kubelet, NAMESPACE, "none", (605, 80), entries=0)
    before, listed = _rows(arena), _listed(arena)
    replica = arena.start()

    assert _ports(arena.ready(NAMESPACE, "half")) == ["603", "604"]
    assert _ports(arena.ready(NAMESPACE, "none")) == ["605"]
    arena.at_rest()
    assert {entry_id: _rows(arena)[entry_id] for entry_id in before} == before
    assert _done(arena) == ["CreateForwardEntry"] * 2
    assert _listed(arena).items() >= {name: listed[name] for name in ("one", "two")}.items()

    replica.kill()
    arena.api.delete(LEASE)  # else the next one waits until it expires
    restarted = arena.start()
    arena.at_rest()
    assert len(_done(arena)) == 2

    arena.api.delete(pods_path(NAMESPACE))
    for name in ("one", "two", "half", "none"):
        arena.gone(NAMESPACE, name)
    assert arena.rows() == []
    restarted.stop()


def test_entries_of_others_are_left_alone_and_their_endpoints_are_not_handed_out(
    arena: Arena, kubelet: Kubelet
) -> None:
    """A PodDNAT may be written by whoever may write in its namespace: its word is not enough.

    Here it claims an entry that leads to another pod, as its own.
    """
    (stolen,) = exposed_before(arena, kubelet, NAMESPACE, "victim", (512, 80))
    exposed_before(arena, kubelet, NAMESPACE, "thief", (513, 80), entries=0)
    path = f"{arena.records_path(NAMESPACE)}/thief/status"
    entries = entries_of(arena.record(NAMESPACE, "victim") or {})
    arena.api.patch(path, {"status": {"entries": entries}})
    arena.api.patch(f"{pods_path(NAMESPACE)}/victim", _off())
    arena.api.delete(f"{arena.records_path(NAMESPACE)}/victim")
    arena.api.patch(f"{arena.records_path(NAMESPACE)}/victim", _no_finalizers())
    arena.start()

    assert _ports(arena.ready(NAMESPACE, "thief")) == ["513"]
    arena.api.create(pods_path(NAMESPACE), pod("new", annotations=exposing("80")))
    (entry,) = arena.ready(NAMESPACE, "new")
    assert (entry["externalIP"], entry["externalPort"]) != (EXTERNAL_IP, "512")
    arena.api.delete(pods_path(NAMESPACE))
    eventually(lambda: arena.records() == [], within=60)
    assert [row["entry_id"] for row in arena.rows()] == [stolen]


def _off() -> dict[str, object]:
    return {"metadata": {"annotations": {"k8s.aliyun.com/pod-dnat": "false"}}}


def _no_finalizers() -> dict[str, object]:
    return {"metadata": {"finalizers": None}}


def _done(arena: Arena) -> list[str]:
    """The writes to the table that had an effect."""
    return [call.api for call in arena.calls(*WRITES) if call.committed]


def _rows(arena: Arena) -> dict[str, tuple[object, ...]]:
    return {row["entry_id"]: _whole(row) for row in arena.rows()}


def _whole(row: Row) -> tuple[object, ...]:
    return *row_tuple(row), row["name"], row["origin"], row["status"]


def _listed(arena: Arena) -> dict[str, list[dict[str, object]]]:
    return {record["metadata"]["name"]: entries_of(record) for record in arena.records()}


def _ports(entries: list[dict[str, str]]) -> list[str]:
    return [entry["externalPort"] for entry in entries]
