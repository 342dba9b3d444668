"""Whoever plays a story: does what users and others do, waits for what ought to follow, checks."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import urllib3
import yaml

from dnatctl_sim.demo.controller import ControllerProcess, Samples
from dnatctl_sim.demo.kubectl import Command, Kubectl, KubectlError
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
    ends with NotHeldError, as does a check that does not hold. What users do is done by `kubectl`,
    which is at work while the story waits for what ought to follow; where that is None, the same is
    done without and shown as a comment.
    """

    def __init__(
        self,
        stage: Stage,
        controller: ControllerProcess,
        kubectl: Kubectl | None,
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
        self._kubectl = kubectl
        self._running: Command | None = None
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
        try:
            return self._wait_for(what, until, meanwhile)
        finally:
            if self._running is not None:
                self._running.kill()
                self._running = None

    def _wait_for(
        self, what: str, until: Callable[[], bool], meanwhile: Callable[[], None]
    ) -> float:
        started = time.monotonic()
        while not (self._at_rest() and until()):
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
        if not self._begin("apply", "-f", str(self.stage.example)):
            deployment: dict[str, Any] = yaml.safe_load(self.stage.example.read_text("utf-8"))
            deployment["metadata"]["namespace"] = NAMESPACE
            self.stage.kube.store.create("deployments.apps", deployment)

    def scale(self, replicas: int) -> None:
        """Ask for so many pods."""
        if not self._begin("scale", "deployment", DEPLOYMENT, f"--replicas={replicas}"):
            patch = {"spec": {"replicas": replicas}}
            self.stage.kube.store.patch("deployments.apps", NAMESPACE, DEPLOYMENT, patch)

    def delete_pod(self, name: str, *, force: bool = False) -> None:
        """Delete a pod, or let it vanish with no time to end."""
        at_once = ("--force", "--grace-period=0") if force else ()
        if not self._begin("delete", "pod", name, "--wait=false", *at_once):
            self.stage.kube.store.delete("pods", NAMESPACE, name, grace=0 if force else None)

    def delete_deployment(self) -> None:
        """Delete the Deployment and with it all pods."""
        if not self._begin("delete", "deployment", DEPLOYMENT, "--wait=false"):
            self.stage.kube.store.delete("deployments.apps", NAMESPACE, DEPLOYMENT)

    def show_poddnat(self, name: str) -> Any:
        """Print a PodDNAT as the API serves it; the object as it was printed."""
        shown = self._look_up("get", "poddnat", name, "-o", "yaml")
        if shown is None:
            path = f"apis/alibabacloud.com/v1/namespaces/{NAMESPACE}/poddnats/{name}"
            found = urllib3.request("GET", f"{self.stage.kube.url}/{path}", retries=False).json()
            shown = yaml.safe_dump(found).rstrip()
        self.screen.say(shown)
        return yaml.safe_load(shown)

    def show_events(self, reason: str) -> None:
        """Print the events of a reason."""
        shown = self._look_up("get", "events", "--field-selector", f"reason={reason}")
        if shown is None:
            told = self.scene.events(reason)
            shown = "\n".join(f"Warning   {reason}   {message}" for message in told)
        self.screen.say(shown)

    def _begin(self, *words: str) -> bool:
        """Show a command and let kubectl begin with it; whether there is a kubectl."""
        command = shlex.join(["kubectl", *words])
        if self._kubectl is None:
            self.screen.comment(command)
            return False
        self.screen.command(command)
        try:
            self._running = self._kubectl.start(*words)
        except KubectlError as error:
            raise NotHeldError(str(error)) from error
        return True

    def _look_up(self, *words: str) -> str | None:
        """Show a command; what kubectl prints, None where there is none."""
        if not self._begin(*words):
            return None
        return self._outcome()

    def _at_rest(self) -> bool:
        """Whether kubectl is done; what it printed is shown."""
        if self._running is not None and self._running.ended:
            self.screen.say(self._outcome())
        return self._running is None

    def _outcome(self) -> str:
        running, self._running = self._running, None
        assert running is not None, "callers have begun a command"
        try:
            return running.result()
        except KubectlError as error:
            raise NotHeldError(str(error)) from error

    # --- what others do to the account

    def edit_entry(self, entry_id: str, **changes: str) -> None:
        """Change a forward entry, as somebody might in the console."""
        self._act("edit_entry", entry_id=entry_id, **changes)

    def delete_entry(self, entry_id: str) -> None:
        """Delete a forward entry, as somebody might in the console."""
        self._act("delete_entry", entry_id=entry_id)

    def _act(self, act: str, **arguments: str) -> None:
        url = f"{self.stage.cloud_server.endpoint}/_sim/act/{act}"
        body = orjson.dumps(arguments).decode()
        self.screen.command(shlex.join(["curl", url, "-d", body]))
        answer = urllib3.request("POST", url, body=body, retries=False)
        if answer.status != 200:
            raise NotHeldError(f"{act}: {answer.data.decode()}")
