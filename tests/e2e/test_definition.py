"""What other programs do to the definition of PodDNATs costs nobody an endpoint.

Shown to fail when the version was not looked up again (nothing at `/v1/` any more, and no later pod
was exposed), and when the protocols of ports were in the spec alone (after a restart the dropped
ones were torn down and fought over).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.helm import ensure_helm
from tests.e2e.arena import EVENTS, Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.older import older_crd
from tests.e2e.oracle import Row, entries_of
from tests.e2e.replica import Replica
from tests.e2e.workloads import pod, stateful_set
from tests.unit.manifests.commands import commands

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/poddnats.alibabacloud.com"
OURS = Path(__file__).parents[2] / "manifests" / "crd"


@pytest.fixture
def arena(installed: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    """As everywhere; at the end the definition is ours again."""
    with Arena(installed, tmp_path, version="v1beta1") as arena:
        yield arena
    if installed.api.find(DEFINITION):
        installed.api.delete(DEFINITION)
        eventually(lambda: installed.api.find(DEFINITION) is None)
    installed.install(MANIFESTS)


def expose(arena: Arena, namespace: str, name: str, ports: str) -> None:
    arena.api.create(pods_path(namespace), pod(name, annotations=exposing(ports)))


def state(arena: Arena) -> tuple[list[Row], dict[str, list[Object]]]:
    """The rows, and what each PodDNAT lists."""
    listed = {record["metadata"]["name"]: entries_of(record) for record in arena.records()}
    return sorted(arena.own_rows(), key=lambda row: str(row["entry_id"])), listed


def replace(arena: Arena, crd: Object) -> None:
    """What `helm upgrade` of a chart with this definition comes to."""
    metadata = arena.api.get(DEFINITION)["metadata"]
    arena.api.replace(DEFINITION, crd | {"metadata": metadata})
    served = {version["name"] for version in crd["spec"]["versions"]}
    eventually(lambda: _discovered(arena) == served)


def _discovered(arena: Arena) -> set[str]:
    group = arena.api.find("/apis/alibabacloud.com") or {"versions": []}
    return {version["version"] for version in group["versions"]}


def told(arena: Arena, reason: str) -> bool:
    return any(event["reason"] == reason for event in arena.api.items(EVENTS))


def notes(replica: Replica) -> str:
    return replica.verbose()


def check(arena: Arena, replica: Replica) -> str:
    """What `dnatctl check --online` says."""
    command = [sys.executable, "-m", "dnatctl", "check", "--online", "--config", replica.config]
    cluster = ("--kubeconfig", arena.control_plane.dnatctl_kubeconfig)
    done = subprocess.run([*command, *cluster], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    return done.stdout


def test_a_definition_put_back_by_another_chart_costs_nothing(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    replica = arena.start()
    ours = arena.api.get(DEFINITION)
    game = stateful_set("game", 1, annotations=exposing("80", fixed=""))
    arena.api.create(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", game)
    expose(arena, namespace, "mixed", "80/tcp,90/udp,91/tcp")
    expose(arena, namespace, "plain", "7777/udp")
    for name in ("game-0", "mixed", "plain"):
        arena.ready(namespace, name)
    before = state(arena)

    replace(arena, older_crd())
    eventually(lambda: "lacks" in notes(replica), within=60)
    arena.at_rest()
    assert state(arena) == before
    expose(arena, namespace, "soon", "80")
    arena.ready(namespace, "soon")
    before = state(arena)
    assert "lacks spec.portMapping[].protocol" in (said := check(arena, replica)), said
    assert "kubectl apply --server-side --force-conflicts -f" in said
    assert "cluster: may not" not in said
    assert "cluster: may patch poddnats/status.alibabacloud.com" in said
    assert replica.stop() == 0
    replica.start()
    replica.wait_leading()
    arena.at_rest()
    assert state(arena) == before
    expose(arena, namespace, "later", "80,81")
    arena.ready(namespace, "later")
    assert replica.total("dnatctl_definition_trouble", kind="older") == 1
    assert told(arena, "DefinitionOlder")
    before = state(arena)

    replace(arena, ours)
    eventually(lambda: replica.total("dnatctl_definition_trouble") == 0, within=60)
    eventually(lambda: all(each["status"].get("conditions") for each in arena.records()))
    arena.at_rest()
    assert state(arena) == before
    expose(arena, namespace, "last", "80/tcp,81/udp")
    arena.ready(namespace, "last")
    for name in ("plain", "mixed", "later", "last"):
        arena.api.delete(f"{pods_path(namespace)}/{name}")
        arena.gone(namespace, name)
    assert {row["entry_id"] for row in arena.own_rows()} < {row["entry_id"] for row in before[0]}


class OtherChart:
    """A release that once held the older definition, as OpenKruiseGame's did until 0.9."""

    NAMESPACE = "default"

    def __init__(self, arena: Arena, folder: Path, name: str) -> None:
        self.name = name
        self._cluster = ("--kubeconfig", str(arena.control_plane.admin_kubeconfig))
        self._chart = folder / "other"
        (self._chart / "templates").mkdir(parents=True)
        described = {"apiVersion": "v2", "name": "other", "version": "0.9.0"}
        (self._chart / "Chart.yaml").write_text(yaml.safe_dump(described), "utf-8")
        self._definition = self._chart / "templates" / "crd.yaml"

    def run(self, command: str, *more: str, definition: bool = True) -> None:
        self._definition.write_text(yaml.safe_dump(older_crd()) if definition else "", "utf-8")
        done = self._helm(command, self.name, str(self._chart), *more)
        assert done.returncode == 0, done

    def fails(self, command: str) -> str:
        done = self._helm(command, self.name)
        assert done.returncode != 0
        return done.stderr

    def _helm(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ensure_helm()), *words, "--namespace", self.NAMESPACE, *self._cluster],
            env={"HOME": str(self._chart.parent), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def test_a_release_that_loses_the_definition_and_puts_it_back(
    arena: Arena, kubelet: Kubelet, namespace: str, tmp_path: Path
) -> None:
    arena.api.delete(DEFINITION)
    eventually(lambda: arena.api.find(DEFINITION) is None)
    other = OtherChart(arena, tmp_path, "lost")
    other.run("install")
    eventually(lambda: _discovered(arena) == {"v1beta1"})
    arena.control_plane.install(OURS)
    eventually(lambda: _discovered(arena) == {"v1", "v1beta1"})
    arena.start()
    expose(arena, namespace, "mixed", "80/tcp,90/udp")
    arena.ready(namespace, "mixed")
    before = state(arena)

    other.run("upgrade", definition=False)
    assert "deletionTimestamp" not in arena.api.get(DEFINITION)["metadata"]
    arena.at_rest()
    assert state(arena) == before

    other.run("upgrade", "--force-conflicts")
    eventually(lambda: _discovered(arena) == {"v1beta1"})
    eventually(lambda: told(arena, "DefinitionOlder"), within=60)
    arena.at_rest()
    assert state(arena) == before


def test_a_release_that_helm_was_made_to_forget_takes_nothing_along(
    arena: Arena, kubelet: Kubelet, namespace: str, tmp_path: Path
) -> None:
    """As docs/migrate.md has it: the annotation alone does not keep `helm uninstall` from it."""
    arena.api.delete(DEFINITION)
    eventually(lambda: arena.api.find(DEFINITION) is None)
    other = OtherChart(arena, tmp_path, "forgotten")
    other.run("install")
    eventually(lambda: _discovered(arena) == {"v1beta1"})
    replica = arena.start()
    expose(arena, namespace, "game", "80")
    arena.ready(namespace, "game")
    before = state(arena)
    assert f"helm uninstall of {other.NAMESPACE}/{other.name} deletes" in check(arena, replica)

    for line in forgetting(NAMESPACE=other.NAMESPACE, RELEASE=other.name):
        arena.control_plane.kubectl_as("admin").run(*line)
    assert "helm uninstall of" not in check(arena, replica)
    assert "release: not found" in other.fails("uninstall")
    assert "deletionTimestamp" not in arena.api.get(DEFINITION)["metadata"]
    arena.at_rest()
    assert state(arena) == before


def forgetting(**stand_ins: str) -> list[list[str]]:
    """The commands of the page, after those that only look."""
    lines = commands(OURS.parents[1] / "docs" / "migrate.md", "kubectl")
    acts = [words for words in lines if {"delete", "annotate"} & set(words)]
    assert len(acts) == 2
    for name, value in stand_ins.items():
        acts = [[word.replace(name, value) for word in words] for words in acts]
    return acts


def test_a_definition_that_is_deleted_costs_nothing_and_is_told(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    replica = arena.start()
    for name in ("one", "two"):
        expose(arena, namespace, name, "80")
        arena.ready(namespace, name)
    before = state(arena)

    arena.api.delete(DEFINITION)
    eventually(lambda: replica.total("dnatctl_definition_trouble", kind="going") == 1, within=60)
    eventually(lambda: told(arena, "DefinitionGoes"), within=60)
    assert "is being deleted" in notes(replica)
    arena.at_rest()
    assert state(arena) == before
    arena.api.delete(f"{pods_path(namespace)}/one")
    arena.gone(namespace, "one")
    assert len(arena.own_rows()) == 1

    arena.api.delete(f"{pods_path(namespace)}/two")
    eventually(lambda: arena.api.find(DEFINITION) is None, within=40)
    assert arena.own_rows() == []
    arena.control_plane.install(OURS)
    expose(arena, namespace, "again", "80")
    arena.ready(namespace, "again", within=60)
    eventually(lambda: replica.total("dnatctl_definition_trouble") == 0, within=60)
