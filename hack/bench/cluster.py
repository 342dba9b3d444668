"""The emulated API server as a process that also acts as users and kubelets do.

One line of JSON on standard input is one thing to do, one line on standard output its result.
What it does to pods and sees in PodDNATs it notes with the clock of the cloud's log, `CLOCK`.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import orjson
import yaml

from dnatctl.clock import SystemClock
from dnatctl_sim.cloud.spec import ZONES
from dnatctl_sim.kube import KubeletSettings, KubeServer, Settings
from dnatctl_sim.kube.core.collection import Change, ChangeType, Version
from dnatctl_sim.stage import CRDS, NAMESPACE, data
from hack.bench.objects import PREFIX, Exposed, address, asking, hoard, running

RECORDS = "poddnats.alibabacloud.com"
QUIET_NAMESPACE = "others"
NAMESPACES = (
    NAMESPACE, QUIET_NAMESPACE, "crowd", "game", "small",
    "drip", "flap", "hoard", "invalid", "waiting",
)  # fmt: skip

CLOCK = SystemClock()
"""Its monotonic times are the same in all processes of a machine."""

TURN_S = 0.0002
"""For how long users and kubelets keep the interpreter while a request waits for it: in the 5 ms
that Python lets them by default, an API server of this kind would answer nobody."""


class Notes:
    """When what happened, by namespace/name."""

    def __init__(self) -> None:
        self.times: dict[str, dict[str, float]] = {
            what: {} for what in ("addressed", "ready", "deleted", "gone")
        }
        self.records = 0

    def hear(self, collection: str, change: Change) -> None:
        """A listener of the store."""
        now, version = CLOCK.monotonic(), change.new
        if collection == "pods" and version.namespace != QUIET_NAMESPACE:
            self._pod(f"{version.namespace}/{version.name}", change, now)
        elif collection == RECORDS:
            self._record(f"{version.namespace}/{version.name}", change, now)

    def _pod(self, name: str, change: Change, now: float) -> None:
        raw, deleted = change.new.raw, change.type is ChangeType.DELETED
        if not deleted and b'"podIP"' not in raw and b'"deletionTimestamp"' not in raw:
            return  # cheaper than to read all that wait for an address
        obj = change.new.load()
        if (obj.get("status") or {}).get("podIP"):
            self.times["addressed"].setdefault(name, now)
        if deleted or "deletionTimestamp" in obj["metadata"]:
            self.times["deleted"].setdefault(name, now)

    def _record(self, name: str, change: Change, now: float) -> None:
        if change.type is ChangeType.DELETED:
            self.times["gone"][name] = now
            self.records -= 1
            return
        self.records += change.type is ChangeType.ADDED
        if b'"entries"' not in change.new.raw:
            return  # cheaper than to read a thousand ports
        if (change.new.load().get("status") or {}).get("entries"):
            self.times["ready"].setdefault(name, now)


class Cluster:
    """What can be asked for; see the methods."""

    def __init__(self, server: KubeServer) -> None:
        self._server = server
        self._notes = Notes()
        self._turn = 0
        self._calm = threading.Event()
        """Ends what goes on without end."""
        server.api.store.subscribe(self._notes.hear)

    def create(
        self,
        namespace: str,
        prefix: str,
        count: int,
        ports: str = "80",
        rate: float = 0.0,
        *,
        asks: bool = True,
    ) -> None:
        """Pods that ask, or do not, at so many a second (0: all at once)."""
        for n in _paced(count, rate):
            pod = asking(f"{prefix}-{n}", namespace, ports)
            if not asks:
                del pod["metadata"]["annotations"]
            self._server.store.create("pods", pod)

    def join(self, first: int, count: int, rate: float) -> None:
        """Pods that run already and ask, where there is no kubelet; of numbers never used."""
        for n in _paced(count, rate):
            notes = {PREFIX: "", f"{PREFIX}-expose-port": "80"}
            pod = running(f"more-{first + n}", "game", address(first + n), notes)
            self._server.store.create_many("pods", [pod])

    def delete(self, namespace: str, names: list[str], rate: float = 0.0) -> None:
        """Delete pods."""
        for n in _paced(len(names), rate):
            self._server.store.delete("pods", namespace, names[n])

    def churn(self, namespace: str, prefix: str, count: int, rate: float, life: int) -> None:
        """Create pods at a rate, and delete each when `life` later ones have been created."""
        for n in _paced(count + life, rate):
            if n < count:
                self._server.store.create("pods", asking(f"{prefix}-{n}", namespace, "80"))
            if n >= life:
                self._server.store.delete("pods", namespace, f"{prefix}-{n - life}")

    def fill(self, count: int) -> None:
        """Running pods that ask for nothing."""
        pods = (
            running(f"other-{n}", QUIET_NAMESPACE, address(n, "172.24"), {}) for n in range(count)
        )
        self._server.store.create_many("pods", pods)

    def load(self, uids: list[str], rows: list[list[str]], gateways: list[list[str]]) -> None:
        """Pods exposed for long with their PodDNATs; `rows`: external IP, port and ID of each."""
        exposed = Exposed(uids, [(gateway_id, eip) for gateway_id, eip in gateways])
        ids = {(ip, port): entry_id for ip, port, entry_id in rows}
        for pod, record in exposed.objects(ids):
            self._server.store.create_many("pods", [pod])
            self._server.store.create_many(RECORDS, [record])

    def disturb(self, count: int, rate: float = 0.0) -> None:
        """Events of pods that ask for nothing: a label changes."""
        others = self._others()
        for _ in _paced(count, rate):
            self._disturb(others)

    def _others(self) -> list[Version]:
        type_ = self._server.api.registry.by_key("pods")
        return list(self._server.store.raw.list(type_, QUIET_NAMESPACE).items)

    def _disturb(self, others: list[Version]) -> None:
        obj = others[self._turn % len(others)].load()
        self._turn += 1
        obj["metadata"]["labels"]["turn"] = str(self._turn)
        self._server.store.raw.put(self._server.api.registry.by_key("pods"), obj)

    def edit(self, count: int, rate: float) -> None:
        """Exposed pods, one after the other, say otherwise what they have said already."""
        store, type_ = self._server.store.raw, self._server.api.registry.by_key("pods")
        names = [version.name for version in store.list(type_, "game").items]
        other = {"80": "80/tcp", "80/tcp": "80"}
        for _ in _paced(count, rate):
            obj = store.get(type_, "game", names[self._turn % len(names)]).load()
            self._turn += 1
            notes = obj["metadata"]["annotations"]
            notes[f"{PREFIX}-expose-port"] = other[notes[f"{PREFIX}-expose-port"]]
            store.put(type_, obj)

    def disturb_on(self, rate: float) -> None:
        """The same without end."""
        others = self._others()
        self._without_end(lambda: self._disturb(others), rate)

    def flap(
        self, namespace: str, name: str, rate: float, annotation: str = f"{PREFIX}-expose-port"
    ) -> None:
        """A pod's annotation changes without end: another port, nonsense, none."""
        values = cycle(("80", "81", "0", "eighty", "82"))
        store, type_ = self._server.store.raw, self._server.api.registry.by_key("pods")

        def change() -> None:
            obj = store.get(type_, namespace, name).load()
            obj["metadata"].setdefault("annotations", {})[annotation] = next(values)
            store.put(type_, obj)

        self._without_end(change, rate)

    def nonsense(self, namespace: str, count: int, rate: float, *, asks: bool = True) -> None:
        """Running pods whose annotation makes no sense, or that have none."""
        notes = {PREFIX: "", f"{PREFIX}-expose-port": "http"} if asks else {}
        for n in _paced(count, rate):
            pod = running(f"{namespace}-running-{n}", namespace, "", dict(notes))
            self._server.store.create_many("pods", [pod])

    def hoard(self, namespace: str, count: int, ports: int, rate: float) -> None:
        """PodDNATs of so many ports, for pods that there are not."""
        for n in _paced(count, rate):
            self._server.store.create_many(RECORDS, [hoard(n, namespace, ports)])

    def heap(self, namespace: str, count: int, ports: int, rate: float) -> None:
        """Objects of the same size that nobody is interested in."""
        for n in _paced(count, rate):
            record = hoard(n, namespace, ports)
            heap = {"metadata": record["metadata"], "data": record["spec"]}
            self._server.store.create_many("configmaps", [heap])

    def meanwhile(self, what: str, **arguments: Any) -> None:
        """Any of these, while others are asked for."""
        threading.Thread(target=getattr(self, what), kwargs=arguments, daemon=True).start()

    def calm(self) -> None:
        """End what goes on without end."""
        self._calm.set()
        self._calm = threading.Event()

    def _without_end(self, act: Callable[[], None], rate: float) -> None:
        calm = self._calm

        def go_on() -> None:
            for _ in _paced(1_000_000, rate):
                if calm.is_set():
                    return
                act()

        threading.Thread(target=go_on, daemon=True).start()

    def stand(self) -> dict[str, int]:
        """How many PodDNATs have ever been ready, have gone, and are there."""
        times = self._notes.times
        return {
            "ready": len(times["ready"]),
            "gone": len(times["gone"]),
            "records": self._notes.records,
        }

    def marked(self) -> int:
        """How many pods the naive operator has told of their endpoint."""
        return sum(
            "example.com/endpoint" in (pod["metadata"].get("annotations") or {})
            for pod in self._server.store.list("pods", "game")
        )

    def times(self) -> dict[str, dict[str, float]]:
        """All that was noted."""
        return self._notes.times

    def forget(self) -> None:
        """Begin the notes, and the log of requests, anew."""
        for times in self._notes.times.values():
            times.clear()
        self._server.requests.clear()

    def requests(self) -> dict[str, int]:
        """Requests for objects by verb and resource, leases apart."""
        return dict(
            Counter(
                f"{request.verb} {request.resource}"
                for request in self._server.requests.all()
                if request.resource and "leases" not in request.resource
            )
        )


def _paced(count: int, rate: float) -> Iterator[int]:
    begun = time.monotonic()
    for n in range(count):
        if rate and (wait := begun + n / rate - time.monotonic()) > 0:
            time.sleep(wait)
        yield n


def _serve(cluster: Cluster) -> None:
    actions: dict[str, Callable[..., Any]] = {
        name: getattr(cluster, name) for name in dir(cluster) if not name.startswith("_")
    }
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        try:
            result = {"result": actions[asked.pop("do")](**asked)}
        except Exception as error:  # noqa: BLE001 - the one who asked is told
            result = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(orjson.dumps(result) + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--still", action="store_true", help="no kubelet, scheduler, collectors")
    options = parser.parse_args()
    sys.setswitchinterval(TURN_S)
    kubelet = KubeletSettings(
        pod_cidr="10.0.0.0/17", termination=0.1, removal=0.3, addresses_by_node=True
    )
    settings = Settings(
        nodes=2, zones=ZONES[:1], history=50_000, actors=not options.still, kubelet=kubelet
    )
    with KubeServer(settings=settings) as server:
        server.store.create(CRDS, yaml.safe_load(data("poddnats.yaml")))
        for namespace in NAMESPACES:
            server.store.create("namespaces", {"metadata": {"name": namespace}})
        server.write_kubeconfig(options.kubeconfig)
        cluster = Cluster(server)
        sys.stdout.write(orjson.dumps({"url": server.url}).decode() + "\n")
        _serve(cluster)


if __name__ == "__main__":
    main()
