"""Fixtures of the end-to-end tests: one real control plane a run, a namespace a test."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.controlplane.cli import ensure_built
from tests.e2e.arena import POD_NETWORK, Arena
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubeapi import KubeApi
from tests.e2e.kubectl import Kubectl
from tests.e2e.kubelet import Kubelet

MANIFESTS = Path(__file__).parents[2] / "manifests" / "overlays" / "older"
"""What is installed: the overlay for servers of this version."""

POD_CONDITION = MANIFESTS.parents[1] / "pod-condition"
"""Beside it: leave to set the condition on pods, which many tests look at."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build missing programs before the first test, whose time limit is too short for it."""
    if session.items and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            ensure_built()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane, empty but for what earlier tests installed."""
    control_plane = ControlPlane(tmp_path_factory.mktemp("control-plane") / "state")
    try:
        control_plane.start()
        yield control_plane
    finally:
        control_plane.stop()


@pytest.fixture
def api(control_plane: ControlPlane) -> KubeApi:
    """The administrator's client."""
    return control_plane.api


@pytest.fixture
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """The administrator's kubectl."""
    return control_plane.kubectl_as("admin")


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Name of a new namespace, cleared after the test."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    control_plane.clear_namespace(name)


@pytest.fixture
def kubelet(control_plane: ControlPlane, namespace: str) -> Iterator[Kubelet]:
    """A node for the pods of the test's namespace."""
    with Kubelet(control_plane.api, namespace=namespace, network=POD_NETWORK) as kubelet:
        yield kubelet


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with dnatctl's manifests applied."""
    control_plane.install(MANIFESTS)
    control_plane.kubectl_as("admin").apply(POD_CONDITION)
    return control_plane


@pytest.fixture
def arena(installed: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    """Cluster and emulated cloud, without any replica of dnatctl yet."""
    with Arena(installed, tmp_path) as arena:
        yield arena
