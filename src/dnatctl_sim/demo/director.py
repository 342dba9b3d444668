"""Whoever plays a story: does what users and others do, waits for what ought to follow, checks."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
import yaml

from dnatctl_sim.demo.controller import ControllerProcess, Samples
from dnatctl_sim.demo.scene import Exposure, Scene
from dnatctl_sim.demo.screen import Screen
from dnatctl_sim.stage import Stage

NAMESPACE = "default"
DEPLOYMENT = "example"
LOOK_S = 0.03
"""Between two looks while waiting."""


class NotHeldError(Exception):
    """Something that ought to be is not; the message says what."""


class InterruptError(Exception):
    """Somebody wants the story to end."""


class Director:
    """Plays on a stage with a running controller.

    `stop` ends every wait with InterruptError; a wait that takes longer than `patience` seconds
    ends with NotHeldError, as does a check that does not hold.
    """

    def __init__(
        self,
        stage: Stage,
        controller: ControllerProcess,
        screen: Screen,
        stop: threading.Event,
        patience: float,
    ) -> None:
        self.stage = stage
        self.controller = controller
        self.screen = screen
        self.scene = Scene(stage)
        self._stop = stop
        self._patience = patience
        self.lies: list[str] = []
        self.looks = 0

    # --- waiting and checking

    def wait(self, what: str, until: Callable[[], bool]) -> float:
        """Wait without showing anything; the seconds it took."""
        return self._wait(what, until, lambda: None)

    def watch(self, what: str, until: Callable[[], bool], *, honest: bool = True) -> float:
        """Show the pods until something holds; the seconds it took.

        With `honest`, also watch out for PodDNATs that list what does not reach their pod.
        """
        with self.screen.pods() as show:
            seconds = self._wait(what, until, lambda: self._look(show, honest=honest))
            show([exposure.line() for exposure in self.scene.look()])
        return seconds

    def check(self, text: str, *, held: bool) -> None:
        """Say that something holds; raises NotHeldError if it does not."""
        if not held:
            raise NotHeldError(text)
        self.screen.check(text, held=True)

    def settled(self, pods: int) -> bool:
        """Whether so many pods are exposed, each by one entry, and nothing else is there."""
        found = self.scene.look()
        own = self.scene.own_rows()
        return len(found) == len(own) == pods and all(
            exposure.line().settled and exposure.reachable for exposure in found
        )

    def metrics(self) -> Samples:
        """The controller's metrics now."""
        try:
            return self.controller.metrics()
        except urllib3.exceptions.HTTPError as error:
            raise NotHeldError(f"the controller's metrics can be read: {error}") from error

    def pods(self) -> list[Exposure]:
        """The exposures as they are now, by name."""
        return self.scene.look()

    def _wait(self, what: str, until: Callable[[], bool], meanwhile: Callable[[], None]) -> float:
        started = time.monotonic()
        while not until():
            meanwhile()
            if self._stop.wait(LOOK_S):
                raise InterruptError
            if not self.controller.running:
                raise NotHeldError(f"{what}: the controller has ended")
            if time.monotonic() - started > self._patience:
                raise NotHeldError(f"{what}: not within {self._patience:g} s")
        return time.monotonic() - started

    def _look(self, show: Callable[..., None], *, honest: bool) -> None:
        show([exposure.line() for exposure in self.scene.look()])
        if honest:
            self.looks += 1
            self.lies += self.scene.lies()

    # --- what users do

    def apply(self) -> None:
        """Create the example's Deployment."""
        self._kubectl("apply", "-f", str(self.stage.example))
        deployment: dict[str, Any] = yaml.safe_load(self.stage.example.read_text("utf-8"))
        deployment["metadata"]["namespace"] = NAMESPACE
        self.stage.kube.store.create("deployments.apps", deployment)

    def scale(self, replicas: int) -> None:
        """Ask for so many pods."""
        self._kubectl("scale", "deployment", DEPLOYMENT, f"--replicas={replicas}")
        patch = {"spec": {"replicas": replicas}}
        self.stage.kube.store.patch("deployments.apps", NAMESPACE, DEPLOYMENT, patch)

    def delete_pod(self, name: str, *, force: bool = False) -> None:
        """Delete a pod, or let it vanish with no time to end."""
        self._kubectl("delete", "pod", name, *(("--force", "--grace-period=0") if force else ()))
        self.stage.kube.store.delete("pods", NAMESPACE, name, grace=0 if force else None)

    def delete_deployment(self) -> None:
        """Delete the Deployment and with it all pods."""
        self._kubectl("delete", "deployment", DEPLOYMENT)
        self.stage.kube.store.delete("deployments.apps", NAMESPACE, DEPLOYMENT)

    def show_poddnats(self) -> list[Any]:
        """Print the PodDNATs as the API serves them; the objects."""
        self._kubectl("get", "poddnats", "-o", "yaml")
        url = f"{self.stage.kube.url}/apis/alibabacloud.com/v1/namespaces/{NAMESPACE}/poddnats"
        found: list[Any] = urllib3.request("GET", url, retries=False).json()["items"]
        for obj in found:
            obj["metadata"].pop("managedFields", None)  # kubectl leaves them out
            self.screen.say(yaml.safe_dump(obj).rstrip())
        return found

    def _kubectl(self, *words: str) -> None:
        self.screen.command(shlex.join(["kubectl", *words]))

    # --- what others do to the account

    def edit_entry(self, entry_id: str, **changes: str) -> None:
        """Change a forward entry, as somebody might in the console."""
        self._curl("edit_entry", {"entry_id": entry_id, **changes})
        self.stage.acts.edit_entry(entry_id, **changes)

    def delete_entry(self, entry_id: str) -> None:
        """Delete a forward entry, as somebody might in the console."""
        self._curl("delete_entry", {"entry_id": entry_id})
        self.stage.acts.delete_entry(entry_id)

    def _curl(self, act: str, arguments: Mapping[str, str]) -> None:
        body = yaml.safe_dump(dict(arguments), default_flow_style=True, width=1000).strip()
        url = f"{self.stage.cloud_server.endpoint}/_sim/act/{act}"
        self.screen.command(shlex.join(["curl", url, "-d", body]))
