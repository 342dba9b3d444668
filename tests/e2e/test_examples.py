"""Every manifest of manifests/examples works as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e.arena import Arena
from tests.e2e.eventually import eventually
from tests.e2e.kubectl import Kubectl
from tests.e2e.kubelet import Kubelet

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
EXPOSED = (
    "udp-game-server",
    "fixed-statefulset",
    "p2p-node",
    "knows-its-address",
    "waits-for-its-address",
)
"""Those whose pods are made by Kubernetes itself."""


def test_none_is_forgotten() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {*EXPOSED, "gameserverset"}


@pytest.mark.parametrize("name", EXPOSED)
def test_its_pods_are_exposed_and_give_back(
    arena: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str, name: str
) -> None:
    arena.start()
    file = EXAMPLES / f"{name}.yaml"
    objects = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    (workload,) = (item for item in objects if "replicas" in item.get("spec", {}))
    kubectl.run("apply", "-n", namespace, "-f", file)
    pods = eventually(lambda: _all(arena, namespace, workload["spec"]["replicas"]))
    for record in pods:
        arena.ready(namespace, record["metadata"]["name"])
    kubectl.run("delete", "-n", namespace, "-f", file)
    eventually(lambda: not arena.records(namespace), within=60)
    assert arena.own_rows() == []


def _all(arena: Arena, namespace: str, count: int) -> list[dict[str, object]] | None:
    found = arena.records(namespace)
    return found if len(found) == count else None


def test_a_game_server_set_is_one() -> None:
    """OpenKruiseGame's own definition is not here: its fields are taken from its documents."""
    (item,) = yaml.safe_load_all((EXAMPLES / "gameserverset.yaml").read_text(encoding="utf-8"))
    assert item["apiVersion"] == "game.kruise.io/v1alpha1"
    assert item["spec"]["network"]["networkType"] == "AlibabaCloud-NATGW"
    conf = {part["name"]: part["value"] for part in item["spec"]["network"]["networkConf"]}
    assert conf.keys() == {"Ports", "Protocol", "Fixed"}
    assert "-" not in conf["Ports"]
