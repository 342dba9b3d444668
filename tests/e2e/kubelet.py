"""Plays scheduler and kubelet for fake nodes, against a real API server.

Pods get bound to a node, run and get an IP; deleted ones stay, with containers running, for as
long as a test wants, and are then finished as a kubelet does it. No container is ever run.
"""

import itertools
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.e2e.addresses import AddressPool
from tests.e2e.due import DueQueue
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import ApiError, KubeApi, Object, Unreachable, Watch
from tests.e2e.pod_status import Sandbox, status_patch

Key = tuple[str, str]
"""Namespace and name of a pod."""

_RETRY = 0.1


class Kubelet:
    """Fake nodes and what happens on them. Use as a context manager.

    One thread watches pods, another one writes. Both go on through restarts and pauses of the
    API server. Methods may be called from any thread; those that name a pod work on the one that
    has the name now, or raise `KeyError`.
    """

    def __init__(
        self,
        api: KubeApi,
        *,
        namespace: str | None = None,
        nodes: int = 1,
        network: str = "192.168.0.0/16",
        node_labels: Mapping[str, str] | None = None,
    ) -> None:
        """Play for the pods of one namespace, or of all.

        Two kubelets whose pods meet in one test need different `network`s.
        """
        self.addresses = AddressPool(network)
        """Where pod IPs come from: `addresses.offer(ip)` names the next one."""
        self.termination_delay = 0.0
        """Seconds from a pod's deletion until its containers have ended."""
        self.schedules = True
        """Whether pods without a node are bound to one of ours."""
        names = (f"node-{secrets.token_hex(4)}-{number}" for number in range(nodes))
        self.nodes = {name: f"10.250.0.{number + 1}" for number, name in enumerate(names)}
        """Internal IP of each node by name."""
        self._api = api
        self._pods_path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        self._node_labels = dict(node_labels or {})
        self._next_node = itertools.cycle(self.nodes)
        self._lock = threading.RLock()
        self._pods: dict[Key, Object] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._ends: dict[str, float] = {}
        self._held: set[Key] = set()
        self._due: DueQueue[Key] = DueQueue()
        self._watch: Watch | None = None
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._observe, name="kubelet-watch", daemon=True),
            threading.Thread(target=self._work, name="kubelet-work", daemon=True),
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Register the nodes and begin."""
        for name, ip in self.nodes.items():
            self._api.create("/api/v1/nodes", _node(name, ip, self._node_labels))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads and remove the nodes; pods stay as they are."""
        self._stopping.set()
        self._due.close()
        with self._lock:
            if self._watch is not None:
                self._watch.close()
        for thread in self._threads:
            thread.join()
        for name in self.nodes:
            with suppress(ApiError, Unreachable):
                self._api.delete(f"/api/v1/nodes/{name}")

    # What a test makes happen

    def hold(self, namespace: str, name: str) -> None:
        """Keep the containers of this pod, present or future, running through its deletion."""
        with self._lock:
            self._held.add((namespace, name))

    def release(self, namespace: str, name: str) -> None:
        """Undo `hold`: containers of a deleted pod end after `termination_delay`."""
        with self._lock:
            self._held.discard((namespace, name))
        self._due.put((namespace, name))

    def restart(self, namespace: str, name: str, *, ip: str | None = None) -> str:
        """Run the pod's containers anew with another IP, `ip` or the pool's next; return it."""
        with self._lock:
            sandbox = self._sandbox_of(namespace, name)
            self.addresses.give_back(sandbox.ip)
            sandbox.ip = ip or self.addresses.take()
            sandbox.restarts += 1
        self._due.put((namespace, name))
        return sandbox.ip

    def finish(self, namespace: str, name: str, *, exit_code: int = 0) -> None:
        """Let the pod's containers end by themselves: phase Succeeded, Failed if not 0."""
        with self._lock:
            sandbox = self._sandbox_of(namespace, name)
            self._end(sandbox, exit_code)
            sandbox.phase = "Failed" if exit_code else "Succeeded"
        self._due.put((namespace, name))

    def wait_running(self, namespace: str, name: str, *, within: float = 120.0) -> Object:
        """Wait until the API server shows the pod as Running with an IP, and return it.

        Raises:
            AssertionError: it is not so in time.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"

        def running() -> Object | None:
            pod = self._api.find(path) or {"status": {}}
            is_up = pod["status"].get("phase") == "Running" and "podIP" in pod["status"]
            return pod if is_up else None

        return eventually(running, within=within)

    # The watching thread

    def _observe(self) -> None:
        while not self._stopping.is_set():
            with suppress(ApiError, Unreachable):
                self._list_and_watch()
            self._stopping.wait(_RETRY)

    def _list_and_watch(self) -> None:
        listed = self._api.get(self._pods_path)
        with self._lock:
            self._pods = {_key(pod): pod for pod in listed["items"]}
        for key in list(self._pods):
            self._due.put(key)
        watch = self._api.watch(self._pods_path, listed["metadata"]["resourceVersion"])
        with watch:
            with self._lock:
                self._watch = watch
            if not self._stopping.is_set():
                self._follow(watch)
            with self._lock:
                self._watch = None

    def _follow(self, watch: Watch) -> None:
        for kind, pod in watch:
            key = _key(pod)
            with self._lock:
                if kind == "DELETED":
                    self._pods.pop(key, None)
                    self._forget(pod["metadata"]["uid"])
                else:
                    self._remember(pod)
            self._due.put(key)

    def _remember(self, pod: Object) -> None:
        # The answer to a write overtakes the events of earlier writes.
        with self._lock:
            known = self._pods.get(_key(pod))
            if known is None or _version(known) < _version(pod):
                self._pods[_key(pod)] = pod

    # The writing thread

    def _work(self) -> None:
        for key in self._due:
            with self._lock:
                pod = self._pods.get(key)
            if pod is None:
                continue
            try:
                self._sync(key, pod)
            except Unreachable:
                self._due.put(key, time.monotonic() + _RETRY)
            except ApiError as error:
                # Gone or bound by another: the watch tells. Anything else may pass.
                if error.status not in (404, 409):
                    self._due.put(key, time.monotonic() + _RETRY)

    def _sync(self, key: Key, pod: Object) -> None:
        node = pod["spec"].get("nodeName")
        if node is None:
            self._bind(pod)
        if node not in self.nodes:
            return
        uid = pod["metadata"]["uid"]
        with self._lock:
            if uid not in self._sandboxes:
                self._sandboxes[uid] = self._sandbox_for(pod)
            sandbox = self._sandboxes[uid]
            self._progress_termination(key, pod, sandbox)
            patch = status_patch(pod, sandbox, datetime.now(UTC))
        if patch:
            self._remember(self._api.patch(f"{_path(pod)}/status", patch, kind="strategic"))
        if sandbox.ended and "deletionTimestamp" in pod["metadata"]:
            self._api.delete(_path(pod), uid=uid, gracePeriodSeconds=0)

    def _bind(self, pod: Object) -> None:
        if self.schedules and "deletionTimestamp" not in pod["metadata"]:
            name = pod["metadata"]["name"]
            target = {"apiVersion": "v1", "kind": "Node", "name": next(self._next_node)}
            self._api.create(
                f"{_path(pod)}/binding", {"metadata": {"name": name}, "target": target}
            )

    def _progress_termination(self, key: Key, pod: Object, sandbox: Sandbox) -> None:
        if sandbox.ended or key in self._held or "deletionTimestamp" not in pod["metadata"]:
            return
        now = time.monotonic()
        end = self._ends.setdefault(pod["metadata"]["uid"], now + self.termination_delay)
        if now < end:
            self._due.put(key, end)
        else:
            self._end(sandbox, exit_code=0)

    def _sandbox_for(self, pod: Object) -> Sandbox:
        host_ip = self.nodes[pod["spec"]["nodeName"]]
        on_host = pod["spec"].get("hostNetwork", False)
        status = pod.get("status", {})
        sandbox = Sandbox(
            ip=host_ip if on_host else status.get("podIP") or self.addresses.take(),
            host_ip=host_ip,
        )
        if status.get("phase") in ("Succeeded", "Failed"):
            sandbox.phase, sandbox.ended = status["phase"], True
        return sandbox

    def _sandbox_of(self, namespace: str, name: str) -> Sandbox:
        return self._sandboxes[self._pods[namespace, name]["metadata"]["uid"]]

    def _end(self, sandbox: Sandbox, exit_code: int) -> None:
        if not sandbox.ended:
            sandbox.ended, sandbox.exit_code = True, exit_code
            self.addresses.give_back(sandbox.ip)

    def _forget(self, uid: str) -> None:
        self._ends.pop(uid, None)
        sandbox = self._sandboxes.pop(uid, None)
        if sandbox is not None:
            self._end(sandbox, exit_code=0)


def _key(pod: Object) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _version(pod: Object) -> int:
    return int(pod["metadata"]["resourceVersion"])


def _path(pod: Object) -> str:
    namespace, name = _key(pod)
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _node(name: str, ip: str, labels: Mapping[str, str]) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }
