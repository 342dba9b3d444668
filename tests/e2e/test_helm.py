"""The chart on a real API server: install, upgrade, roll back, uninstall, and what that does to
endpoints: nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.controlplane.files import CONTROLLER_NAMESPACE
from hack.helm import ensure_helm, helm_major
from tests.e2e.arena import POD_NETWORK, Arena, exposing, pods_path
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod

CHART = Path(__file__).parents[2] / "manifests" / "chart"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/poddnats.alibabacloud.com"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{CONTROLLER_NAMESPACE}/deployments/dnatctl"
CONFIG_MAP = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}/configmaps/dnatctl-config"
RELEASE = ("dnatctl", "--namespace", CONTROLLER_NAMESPACE)
OLDEST = 25
"""The chart asks for this minor version of Kubernetes; on an older server it is cut to fit."""


class Helm:
    """The real helm, with the chart, as the administrator."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self._kubeconfig = str(control_plane.admin_kubeconfig)
        self._values = folder / "values.yaml"
        self._home = folder
        self.chart = CHART
        minor = control_plane.api.get("/version")["minor"]
        if int(minor.rstrip("+")) < OLDEST:
            self.chart = cut(folder / "chart")

    def run(self, command: str, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        done = self.attempt(command, *arguments, values=values)
        assert done.returncode == 0, f"helm {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def attempt(
        self, command: str, *arguments: str, values: Mapping[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words = [command, *RELEASE]
        if values is not None:
            self._values.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
            words += [str(self.chart), "--values", str(self._values)]
        return subprocess.run(
            [str(ensure_helm()), *words, *arguments, "--kubeconfig", self._kubeconfig],
            env={"HOME": str(self._home), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def cut(folder: Path) -> Path:
    """The chart without what servers before 1.25 do not know: rules in the CRD, policy/v1."""
    shutil.copytree(CHART, folder)
    described = folder / "Chart.yaml"
    description = yaml.safe_load(described.read_text("utf-8"))
    del description["kubeVersion"]
    described.write_text(yaml.safe_dump(description), "utf-8")
    definition = folder / "crds" / "poddnats.yaml"
    crd = yaml.safe_load(definition.read_text("utf-8"))
    for version in crd["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"].pop("x-kubernetes-validations")
    definition.write_text(yaml.safe_dump(crd), "utf-8")
    (folder / "templates" / "pdb.yaml").unlink()
    return folder


def changed(definition: Path, folder: Path) -> Path:
    """The definition as a later version has it: its words are others."""
    text = definition.read_text("utf-8")
    later = folder / "later.yaml"
    later.write_text(text.replace("description: ", "description: Newly. ", 1), "utf-8")
    assert later.read_text("utf-8") != text
    return later


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own, with nothing of dnatctl on it but its namespace."""
    control_plane = ControlPlane(tmp_path_factory.mktemp("bare") / "state")
    try:
        control_plane.start()
        if not control_plane.api.find(f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}"):
            namespace = {"metadata": {"name": CONTROLLER_NAMESPACE}}
            control_plane.api.create("/api/v1/namespaces", namespace)
        yield control_plane
    finally:
        control_plane.stop()


@pytest.fixture
def helm(bare: ControlPlane, tmp_path: Path) -> Helm:
    return Helm(bare, tmp_path)


@pytest.fixture
def arena(bare: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    with Arena(bare, tmp_path) as arena:
        yield arena


def stamp(arena: Arena) -> str:
    deployment = arena.api.get(DEPLOYMENT)
    return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


def configured(arena: Arena) -> Object:
    """The configuration file as the chart has made it for the pods."""
    config: Object = yaml.safe_load(arena.api.get(CONFIG_MAP)["data"]["config.yaml"])
    return config


def run_installed(arena: Arena, meanwhile: Callable[[], None] = lambda: None) -> None:
    """What the Deployment's pod would do: there is no node to run it."""
    for replica in arena.replicas:
        replica.stop()
    meanwhile()
    arena.start(**configured(arena))


class Players:
    """Pods that come and go while nobody looks."""

    def __init__(self, arena: Arena, namespace: str) -> None:
        self._arena = arena
        self._namespace = namespace
        self._names = [f"player-{number}" for number in range(9)]
        self.there: list[str] = []

    def come(self) -> None:
        name = self._names.pop()
        player = pod(name, annotations=exposing("7777/udp"))
        self._arena.api.create(pods_path(self._namespace), player)
        self.there.append(name)

    def change(self) -> None:
        """The oldest goes, two come."""
        path = f"{pods_path(self._namespace)}/{self.there.pop(0)}"
        self._arena.api.delete(path, gracePeriodSeconds=0)
        self.come()
        self.come()

    def settle(self) -> None:
        """Each that is there is exposed, and nobody else is."""
        for name in self.there:
            self._arena.ready(self._namespace, name)
        eventually(lambda: len(self._arena.own_rows()) == len(self.there) + 1, within=60)


def test_install_upgrade_roll_back_uninstall_and_back_again(
    arena: Arena, helm: Helm, bare: ControlPlane, tmp_path: Path
) -> None:
    values = arena.configuration() | {"image": {"repository": "registry.example/dnatctl"}}
    told = helm.run("install", values=values)
    assert "kubectl get poddnats" in told
    eventually(lambda: _is_served(arena))
    bare.restart_controller_manager()  # it learns of new resources every 30 seconds only
    run_installed(arena)
    namespace = "default"
    with Kubelet(arena.api, namespace=namespace, network=POD_NETWORK):
        game = pod("game", annotations=exposing("7777/udp"))
        arena.api.create(pods_path(namespace), game)
        arena.ready(namespace, "game")
        (row,), first = arena.own_rows(), stamp(arena)
        players = Players(arena, namespace)
        players.come()

        helm.run("upgrade", values=values | {"quarantine": "2s"})
        assert stamp(arena) != first
        assert configured(arena)["quarantine"] == "2s"
        run_installed(arena, players.change)
        players.settle()
        assert row in arena.own_rows()

        helm.run("rollback", "1")
        assert stamp(arena) == first
        run_installed(arena, players.change)
        players.settle()
        assert row in arena.own_rows()

        rows = arena.own_rows()
        arena.replicas[-1].stop()
        helm.run("uninstall")
        assert arena.api.find(DEPLOYMENT) is None
        assert "deletionTimestamp" not in arena.api.get(CRD)["metadata"]
        assert arena.record(namespace, "game")
        assert arena.own_rows() == rows

        later = changed(helm.chart / "crds" / "poddnats.yaml", tmp_path)
        apply = ("apply", "--server-side", "-f", later)
        assert "conflict" in bare.kubectl_as("admin").attempt(*apply).stderr
        bare.kubectl_as("admin").run(*apply, "--force-conflicts")
        if helm_major() > 3:  # older ones leave a definition that is there alone
            assert "conflict" in helm.attempt("install", values=values).stderr
        helm.run("install", "--skip-crds", values=values)
        run_installed(arena)
        arena.at_rest()
        assert arena.own_rows() == rows
        arena.api.delete(pods_path(namespace), gracePeriodSeconds=0)
        for name in ("game", *players.there):
            arena.gone(namespace, name)
        assert arena.own_rows() == []


def _is_served(arena: Arena) -> bool:
    crd = arena.api.find(CRD)
    conditions = (crd or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
