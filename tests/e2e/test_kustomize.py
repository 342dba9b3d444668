"""As docs/install.md has it for kustomize: install, upgrade while pods come and go, roll back, and
away again. What that does to endpoints: nothing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.controlplane.files import CONTROLLER_NAMESPACE
from tests.e2e.arena import POD_NETWORK, Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubectl import Kubectl
from tests.e2e.kubelet import Kubelet
from tests.e2e.test_helm import CRD, DEPLOYMENT, Players
from tests.e2e.test_uninstall import uninstall
from tests.e2e.workloads import pod
from tests.support.programs import KUBECTL

OLDEST = 25
"""The minor version of Kubernetes that `overlays/default` is for."""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of its own, with nothing of dnatctl on it."""
    control_plane = ControlPlane(tmp_path / "state")
    try:
        control_plane.start()
        yield control_plane
    finally:
        control_plane.stop()


class Overlay:
    """The overlay for this server, in a copy of the manifests that a person fills in."""

    def __init__(self, arena: Arena, folder: Path) -> None:
        minor = int(arena.api.get("/version")["minor"].rstrip("+"))
        shutil.copytree(MANIFESTS.parents[1], folder)
        self._arena = arena
        self._folder = folder / "overlays" / ("default" if minor >= OLDEST else "older")
        self._admin = arena.control_plane.admin_kubeconfig
        self._kubectl = Kubectl(Path(KUBECTL), self._admin)

    def apply(self, **changes: Any) -> None:
        """Fill in the configuration and apply it all."""
        config = self._arena.configuration(**changes)
        (self._folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        self.run("apply", "-k", self._folder)

    def delete(self) -> None:
        """What is still there of it."""
        self.run("delete", "-k", self._folder, "--ignore-not-found")

    def run(self, *arguments: str | Path) -> str:
        """Stock kubectl, the newest there is."""
        return self._kubectl.run(*arguments)

    def name(self) -> str:
        """The ConfigMap that the Deployment's pods get."""
        volumes = self._arena.api.get(DEPLOYMENT)["spec"]["template"]["spec"]["volumes"]
        return next(v["configMap"]["name"] for v in volumes if "configMap" in v)

    def config(self) -> dict[str, Any]:
        """The configuration in it."""
        path = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}/configmaps/{self.name()}"
        found: dict[str, Any] = yaml.safe_load(self._arena.api.get(path)["data"]["config.yaml"])
        return found

    def run_installed(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """What the Deployment's pod would do: there is no node to run it."""
        for replica in self._arena.replicas:
            replica.stop()
        meanwhile()
        self._arena.start(**self.config())


def test_install_upgrade_roll_back_and_away(bare: ControlPlane, tmp_path: Path) -> None:
    with Arena(bare, tmp_path) as arena:
        overlay = Overlay(arena, tmp_path / "manifests")
        overlay.apply()
        eventually(lambda: arena.api.find("/apis/alibabacloud.com/v1"))
        bare.restart_controller_manager()  # it learns of new resources every 30 seconds only
        overlay.run_installed()
        with Kubelet(arena.api, namespace="default", network=POD_NETWORK):
            players = Players(arena, "default")
            arena.api.create(
                pods_path("default"), pod("game", annotations=exposing("7777/udp", fixed=""))
            )
            arena.ready("default", "game")
            (row,), first = arena.own_rows(), overlay.name()
            players.come()

            overlay.apply(quarantine="2s")
            assert overlay.name() != first, "a changed configuration rolls the pods"
            overlay.run_installed(players.change)
            players.settle()
            assert row in arena.own_rows()

            overlay.run("-n", CONTROLLER_NAMESPACE, "rollout", "undo", "deployment/dnatctl")
            eventually(lambda: overlay.name() == first)
            overlay.run_installed(players.change)
            players.settle()
            assert row in arena.own_rows()

            config = arena.replicas[-1].config
            arena.replicas[-1].stop()
            scale = ("scale", "deployment", "dnatctl", "--replicas=0")
            overlay.run("-n", CONTROLLER_NAMESPACE, *scale)
            told = uninstall(arena, config, "--yes", "--crd")
            assert "PodDNATs gone" in told
            overlay.delete()
            assert arena.rows() == []
            eventually(lambda: arena.api.find(CRD) is None)
            kinds = ("clusterroles", "clusterrolebindings", "namespaces", "crds", "leases")
            left = overlay.run("get", ",".join(kinds), "-A", "-o", "name").split()
            assert "namespace/default" in left
            assert [name for name in left if "dnat" in name] == []
