"""What the story's users do: by kubectl, or without where there is none."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnatctl_sim.demo.controller import ControllerProcess
from dnatctl_sim.demo.director import DEPLOYMENT, Director, NotHeldError
from dnatctl_sim.demo.kubectl import Kubectl
from dnatctl_sim.demo.screen import Screen
from dnatctl_sim.kube import KubeletSettings
from dnatctl_sim.stage import Stage, StageSettings
from tests.support.programs import KUBECTL
from tests.support.stage import PATIENCE_S


class Absent(ControllerProcess):
    """No controller, as nothing in these stories is for one; nobody is to miss it."""

    @property
    def running(self) -> bool:
        return True


class Theatre:
    """A stage without dnatctl, and what is told there."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self._out = io.StringIO()
        self._controller = Absent([], folder / "log")

    def director(self, kubectl: Kubectl | None) -> Director:
        screen = Screen(self._out)
        return Director(
            self.stage, self._controller, kubectl, screen, threading.Event(), PATIENCE_S
        )

    @property
    def told(self) -> str:
        return self._out.getvalue()

    def replicas(self) -> int | None:
        """What the Deployment asks for; None where there is none."""
        found: list[Any] = self.stage.kube.store.list("deployments.apps")
        return found[0]["spec"]["replicas"] if found else None

    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.stage.kube.store.list("pods")]


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    with Stage(StageSettings(folder=tmp_path, kubelet=KubeletSettings())) as stage:
        yield Theatre(stage, tmp_path)


@pytest.mark.parametrize("program", [Path(KUBECTL), None], ids=["kubectl", "without"])
def test_users_do_the_same_with_and_without_kubectl(theatre: Theatre, program: Path | None) -> None:
    kubectl = Kubectl(program, theatre.stage.kubeconfig) if program else None
    director = theatre.director(kubectl)

    director.apply()
    director.wait("a pod", lambda: len(theatre.pods()) == 1)
    (first,) = theatre.pods()
    director.delete_pod(first, force=True)
    director.wait("another pod", lambda: theatre.pods() not in ([], [first]))
    director.scale(3)
    director.wait("three are asked for", lambda: theatre.replicas() == 3)
    director.delete_deployment()
    director.wait("it is gone", lambda: theatre.replicas() is None)

    commands = [line for line in theatre.told.splitlines() if line[1:].startswith(" kubectl ")]
    assert [line.split()[2] for line in commands] == ["apply", "delete", "scale", "delete"]
    assert {line[0] for line in commands} == ({"$"} if program else {"#"})
    assert (f"deployment.apps/{DEPLOYMENT} scaled" in theatre.told) == bool(program)


@pytest.mark.parametrize("program", [Path(KUBECTL), None], ids=["kubectl", "without"])
def test_what_is_shown_is_what_is_there(theatre: Theatre, program: Path | None) -> None:
    record = {
        "metadata": {"name": "game", "namespace": "default"},
        "spec": {"externalIP": "203.0.113.1", "portMapping": []},
    }
    theatre.stage.kube.store.create("poddnats.alibabacloud.com", record)
    kubectl = Kubectl(program, theatre.stage.kubeconfig) if program else None

    shown = theatre.director(kubectl).show_poddnat("game")

    assert shown["spec"]["externalIP"] == "203.0.113.1"
    assert yaml.safe_load(theatre.told[theatre.told.index("apiVersion") :]) == shown


def test_what_kubectl_refuses_ends_the_story_with_its_words(theatre: Theatre) -> None:
    director = theatre.director(Kubectl(Path(KUBECTL), theatre.stage.kubeconfig))
    director.scale(3)
    with pytest.raises(NotHeldError, match=r"kubectl scale: .*not ?found"):
        director.wait("nothing", lambda: False)


def test_a_kubectl_that_cannot_be_run_ends_the_story(theatre: Theatre, tmp_path: Path) -> None:
    director = theatre.director(Kubectl(tmp_path / "kubectl", theatre.stage.kubeconfig))
    with pytest.raises(NotHeldError, match="No such file"):
        director.apply()
