"""The least that a pod's life can cost: the same requests with the same libraries, and no logic.

One line of JSON on standard input says for which pods, one on standard output that it is done. Two
threads follow the watches of pods and PodDNATs and parse what comes. With `--threads` each request
is handed to the next of so many threads, and waited for: what is decided in one thread is sent by
others in any controller that waits for many answers at a time.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import urllib3

from dnatctl_sim.cloud.spec import REGION
from hack.bench.objects import SINCE
from hack.bench.yardsticks.oracle import create_request, vpc_client

RECORDS = "/apis/alibabacloud.com/v1/namespaces/game/poddnats"
PODS = "/api/v1/namespaces/game/pods"
EVENTS = "/apis/events.k8s.io/v1/namespaces/game/events"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass
class Cluster:
    """The pool of the official client, as dnatctl uses it."""

    host: str
    pool: Any

    @classmethod
    def connect(cls, kubeconfig: str) -> Cluster:
        from kubernetes import config
        from kubernetes.client import ApiClient, Configuration

        settings = Configuration()
        config.load_kube_config(kubeconfig, client_configuration=settings)
        settings.connection_pool_maxsize, settings.keep_alive = 8, True
        api = ApiClient(configuration=settings)
        return cls(settings.host.rstrip("/"), api.rest_client.pool_manager)

    def request(self, method: str, path: str, body: Any = None, kind: str = MERGE) -> Any:
        answer = self.pool.request(
            method,
            self.host + path,
            body=None if body is None else orjson.dumps(body),
            headers={"Accept": "application/json", "Content-Type": kind},
            timeout=urllib3.Timeout(connect=3, read=10),
            retries=False,
        )
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data!r}")
        return orjson.loads(answer.data)

    def follow(self, path: str) -> None:
        """Parse every line of a watch, for ever."""
        for line in self.lines(path):
            orjson.loads(line)

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of a watch, for ever."""
        answer = self.pool.request(
            "GET", f"{self.host}{path}?watch=1", preload_content=False, timeout=None
        )
        rest = b""
        while chunk := answer.read1(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def hands(threads: int) -> Iterator[Executor] | None:
    """So many threads in turn, for ever; None for none."""
    each = [ThreadPoolExecutor(1) for _ in range(threads)]
    return itertools.cycle(each) if each else None


@dataclass
class Floor:
    """`often`: how many requests of each kind a pod, as `Cluster.requests` names them. `hands`: who
    makes them; None for the thread that asks."""

    cluster: Cluster
    cloud: Any
    table: str
    eip: str
    often: dict[str, float]
    hands: Iterator[Executor] | None = None
    _owed: dict[str, float] = field(default_factory=dict)

    def live(self, first: int, count: int) -> None:
        """From pod number `first` on: all the requests of each life, one after the other."""
        for number in range(first, first + count):
            self._expose(number)
            self._release(number)

    def _expose(self, number: int) -> None:
        name = f"pod-{number}"
        for _ in self._times("get pods"):
            self._ask(self.cluster.request, "GET", f"{PODS}/{name}")
        spec = {"eni": "eni-1", "vswitch": "vsw-1", "zoneID": "zone", "externalIP": self.eip,
                "internalIP": "10.0.0.1", "protocol": "tcp", "tableId": "ngw-1",
                "portMapping": [{"externalPort": "512", "internalPort": "80"}]}  # fmt: skip
        meta = {"name": name, "namespace": "game", "finalizers": ["natgw-controller"]}
        kinds = {"apiVersion": "alibabacloud.com/v1", "kind": "PodDNAT"}
        self._ask(
            self.cluster.request,
            "POST",
            RECORDS,
            {**kinds, "metadata": meta, "spec": spec},
            "application/json",
        )
        for _ in self._times("patch poddnats.alibabacloud.com", less=1):
            self._ask(self.cluster.request, "PATCH", f"{RECORDS}/{name}", {"spec": spec})
        row = self._ask(
            self.cloud.create_forward_entry, create_request(self.table, self.eip, number)
        )
        self._row = row.body.forward_entry_id
        for _ in self._times("DescribeForwardTableEntries"):
            self._read()
        for _ in self._times("patch poddnats.alibabacloud.com/status"):
            self._status(name)
        for _ in self._times("patch pods/status"):
            body = {"status": {"conditions": [self._condition("k8s.aliyun.com/pod-dnat-ready")]}}
            self._ask(self.cluster.request, "PATCH", f"{PODS}/{name}/status", body, STRATEGIC)
        for turn in self._times("create events.events.k8s.io"):
            self._event(name, turn)

    def _release(self, number: int) -> None:
        from alibabacloud_vpc20160428 import models

        self._ask(
            self.cloud.delete_forward_entry,
            models.DeleteForwardEntryRequest(
                region_id=REGION, forward_table_id=self.table, forward_entry_id=self._row,
                client_token=f"delete-{number}",
            )
        )  # fmt: skip
        body = {"metadata": {"finalizers": []}}
        self._ask(self.cluster.request, "PATCH", f"{RECORDS}/pod-{number}", body)

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        if self.hands is None:
            return call(*arguments)
        return next(self.hands).submit(call, *arguments).result()

    def _times(self, what: str, less: int = 0) -> range:
        """How often to do it for this pod, so that on average it is as often as was told."""
        owed = self._owed.get(what, 0.0) + max(self.often.get(what, 0.0) - less, 0.0)
        self._owed[what] = owed % 1
        return range(int(owed))

    def _read(self) -> None:
        from alibabacloud_vpc20160428 import models

        self._ask(
            self.cloud.describe_forward_table_entries,
            models.DescribeForwardTableEntriesRequest(
                region_id=REGION, forward_table_id=self.table, page_number=1, page_size=50
            ),
        )

    def _status(self, name: str) -> None:
        entry = {"externalIP": self.eip, "externalPort": "512", "internalIP": "10.0.0.1",
                 "internalPort": "80", "forwardEntryId": "fwd-1", "ipProtocol": "tcp"}  # fmt: skip
        status = {"entries": [entry], "conditions": [self._condition("Ready")]}
        self._ask(self.cluster.request, "PATCH", f"{RECORDS}/{name}/status", {"status": status})

    def _event(self, name: str, turn: int) -> None:
        self._number = getattr(self, "_number", 0) + 1
        body = {"apiVersion": "events.k8s.io/v1", "kind": "Event",
                "metadata": {"name": f"{name}.{self._number:x}", "namespace": "game"},
                "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "floor",
                "reportingInstance": "floor", "type": "Normal", "reason": f"Because{turn}",
                "action": "Expose", "note": "203.0.113.1 512->80/tcp on ngw-1 reachable",
                "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "game",
                              "name": name}}  # fmt: skip
        self._ask(self.cluster.request, "POST", EVENTS, body, "application/json")

    @staticmethod
    def _condition(kind: str) -> dict[str, Any]:
        return {"type": kind, "status": "True", "reason": "EntriesAvailable",
                "message": "1 of 1 ports are reachable", "lastTransitionTime": SINCE}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("kubeconfig", "endpoint", "table", "eip", "often"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    often = orjson.loads(Path(options.often).read_bytes())
    cluster = Cluster.connect(options.kubeconfig)
    for path in (PODS, RECORDS):
        threading.Thread(target=cluster.follow, args=(path,), daemon=True).start()
    cloud, each = vpc_client(options.endpoint), hands(options.threads)
    floor = Floor(cluster, cloud, options.table, options.eip, often, each)
    sys.stdout.write("{}\n")
    for line in sys.stdin:
        asked = orjson.loads(line)
        floor.live(asked["first"], asked["count"])
        sys.stdout.write('{"result": null}\n')


if __name__ == "__main__":
    main()
