"""What users and nodes do: workloads scaled, pods deleted, restarted, ended, exposures changed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.kubeapi import ApiError, Object, Unreachable
from tests.e2e.kubelet import Kubelet
from tests.e2e.oracle import PORTS, SWITCH
from tests.e2e.workloads import deployment, stateful_set

NAMESPACE = "soak"
DEPLOYMENTS, STATEFUL_SETS = 8, 4
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
_PORTS = ("80", "80,443", "7000/udp", "80,7000-7001/udp")


class Churn:
    """Pods of some Deployments and of some StatefulSets whose endpoints are fixed."""

    def __init__(self, arena: Arena, kubelet: Kubelet, pods: int, seed: int) -> None:
        self.done: Counter[str] = Counter()
        """What was done, and how often."""
        self._api = arena.api
        self._kubelet = kubelet
        self._random = random.Random(f"churn {seed}")
        self._size = pods // (DEPLOYMENTS + STATEFUL_SETS)
        self._deployments = [f"{_APPS}/deployments/web-{n}" for n in range(DEPLOYMENTS)]
        self._stateful = [f"{_APPS}/statefulsets/game-{n}" for n in range(STATEFUL_SETS)]
        acts = {
            self.scale: 6,
            self.scale_fixed: 3,
            self.delete_pods: 8,
            self.restart_pod: 6,
            self.finish_pod: 3,
            self.switch: 6,
            self.change_ports: 4,
            self.roll: 0.3,
            self.delete_record: 2,
        }
        self._acts: tuple[Callable[[], None], ...] = tuple(acts)
        self._weights = tuple(acts.values())

    def begin(self) -> None:
        """Create namespace and workloads."""
        self._api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for path in self._deployments:
            annotations = exposing(self._random.choice(_PORTS))
            body = deployment(path.rpartition("/")[2], self._size, annotations=annotations)
            self._api.create(f"{_APPS}/deployments", body)
        for path in self._stateful:
            annotations = exposing(self._random.choice(_PORTS), fixed="")
            body = stateful_set(path.rpartition("/")[2], self._size, annotations=annotations)
            self._api.create(f"{_APPS}/statefulsets", body)

    def step(self) -> None:
        """Do one thing. Nothing happens while there is no API server."""
        (act,) = self._random.choices(self._acts, self._weights)
        with suppress(ApiError, Unreachable, KeyError):
            act()
            self.done[act.__name__] += 1

    def tidy(self) -> None:
        """Remove pods that ended by themselves, as a garbage collector of pods would."""
        for pod in self._pods():
            if pod["status"].get("phase") in ("Succeeded", "Failed"):
                self._api.delete(_path(pod))

    def scale(self) -> None:
        self._scale(self._random.choice(self._deployments))

    def scale_fixed(self) -> None:
        self._scale(self._random.choice(self._stateful))

    def roll(self) -> None:
        path = self._random.choice(self._deployments + self._stateful)
        annotations = {"rolled": str(self._random.random())}
        template = {"metadata": {"annotations": annotations}}
        self._api.patch(path, {"spec": {"template": template}})

    def delete_pods(self) -> None:
        for pod in self._some(5):
            self._api.delete(_path(pod))

    def restart_pod(self) -> None:
        for pod in self._some(1):
            self._kubelet.restart(NAMESPACE, pod["metadata"]["name"])

    def finish_pod(self) -> None:
        for pod in self._some(1):
            self._kubelet.finish(NAMESPACE, pod["metadata"]["name"])

    def switch(self) -> None:
        for pod in self._some(3):
            value = "false" if pod["metadata"]["annotations"][SWITCH] == "" else ""
            self._annotate(pod, SWITCH, value)

    def change_ports(self) -> None:
        for pod in self._some(2):
            self._annotate(pod, PORTS, self._random.choice(_PORTS))

    def delete_record(self) -> None:
        for pod in self._some(1):
            records = f"/apis/alibabacloud.com/v1/namespaces/{NAMESPACE}/poddnats"
            self._api.delete(f"{records}/{pod['metadata']['name']}")

    def _scale(self, path: str) -> None:
        replicas = self._random.randint(self._size // 2, self._size * 3 // 2)
        self._api.patch(path, {"spec": {"replicas": replicas}})

    def _annotate(self, pod: Object, annotation: str, value: str) -> None:
        self._api.patch(_path(pod), {"metadata": {"annotations": {annotation: value}}})

    def _some(self, most: int) -> list[Object]:
        running = [pod for pod in self._pods() if pod["status"].get("phase") == "Running"]
        return self._random.sample(running, min(self._random.randint(1, most), len(running)))

    def _pods(self) -> list[Object]:
        return self._api.items(pods_path(NAMESPACE), resourceVersion=0)


def _path(pod: Object) -> str:
    return f"{pods_path(NAMESPACE)}/{pod['metadata']['name']}"
