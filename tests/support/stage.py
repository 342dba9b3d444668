"""A whole cluster in one process: emulated API server and cloud over HTTP, the real controller."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dnatctl.cloud.client import Cloud as CloudClient
from dnatctl.cloud.credentials import AccessKey, Keys
from dnatctl.cloud.providers import open_provider
from dnatctl.config import parse
from dnatctl.control.controller import Controller
from dnatctl.control.settings import Settings
from dnatctl.kube.client import KubeClient
from dnatctl.kube.poddnats import served_version
from dnatctl.observe.metrics import Metrics
from dnatctl.sim.cloud import Acts, Cloud, CloudServer, Knobs, Scenario, rows
from dnatctl.sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET
from dnatctl.sim.kube import KubeServer
from dnatctl.sim.kube import Settings as KubeSettings

CRD = Path(__file__).parents[2] / "manifests" / "crd" / "poddnats.yaml"
NAMESPACE = "dnatctl-system"
Object = dict[str, Any]


def eventually(check: Callable[[], object], *, seconds: float = 20.0, what: str = "") -> Any:
    """Wait until `check` answers something true; returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or check}; last: {found!r}")
        time.sleep(0.02)


class Stage:
    """Emulators, and as many controllers as asked for."""

    def __init__(self, scenario: Scenario | None = None, **config: Any) -> None:
        self.cloud = Cloud(scenario or Scenario(knobs=Knobs(default_limit=0)))
        self.acts = Acts(self.cloud)
        self.cloud_server = CloudServer(self.cloud)
        self.kube = KubeServer(settings=KubeSettings(nodes=2))
        self.config = config
        self._running: list[tuple[Controller, threading.Event, threading.Thread]] = []

    # --- life

    def start(self) -> Stage:
        self.cloud_server.start()
        self.kube.start()
        self.kube.store.create(
            "customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(CRD.read_text())
        )
        self.kube.store.create("namespaces", {"metadata": {"name": NAMESPACE}})
        return self

    def stop(self) -> None:
        self.stop_controllers()
        self.kube.stop()
        self.cloud_server.stop()

    def start_controller(self, **settings: Any) -> Controller:
        stop = threading.Event()
        client = KubeClient.connect(self.kubeconfig(), 16)
        metrics = Metrics()
        cloud = CloudClient.connect(
            "cn-hangzhou",
            "vpc-bp1rkq0zxxxxxx",
            open_provider(AccessKey(Keys(ACCESS_KEY, ACCESS_SECRET))),
            vpc_endpoint=self.cloud_server.endpoint,
            ecs_endpoint=self.cloud_server.endpoint,
            wait=stop.wait,
            observe=metrics.observe_cloud,
        )
        options: Any = {
            "config": parse(yaml.safe_dump(self.configuration())),
            "namespace": NAMESPACE,
            "identity": f"test-{len(self._running)}",
            "metrics_address": "127.0.0.1:0",
            "health_address": "127.0.0.1:0",
            **settings,
        }
        controller = Controller(
            Settings(**options),
            client,
            cloud,
            served_version(client),
            metrics=metrics,
            stop=stop,
            on_lost=stop.set,
        )
        thread = threading.Thread(target=controller.run, name="test-controller", daemon=True)
        thread.start()
        self._running.append((controller, stop, thread))
        return controller

    def stop_controllers(self) -> None:
        for _, stop, _ in self._running:
            stop.set()
        for _, _, thread in self._running:
            thread.join(30)
            assert not thread.is_alive(), "the controller does not stop"
        self._running.clear()

    def kubeconfig(self) -> Path:
        return Path(self.kube.write_kubeconfig(tempfile.mkdtemp() + "/kubeconfig"))

    def configuration(self) -> Object:
        gateways = self.cloud.scenario.gateways
        base: Object = {
            "clusterID": "c11ba338192xxxxxxx",
            "regionID": "cn-hangzhou",
            "vpcID": "vpc-bp1rkq0zxxxxxx",
            "enableControllers": ["natgw"],
            "networkController": {
                "natGwPool": [
                    {
                        "natgwId": g.id,
                        "zoneId": g.zone,
                        "portRangeStart": 512,
                        "portRangeEnd": 1024,
                        "eips": [],
                    }
                    for g in gateways
                ]
            },
            "credential": {"accessKey": ACCESS_KEY, "accessSecret": ACCESS_SECRET},
            "quarantine": "2s",
            "resync": "5s",
        }
        pool = self.config.get("pool", {})
        for gateway in base["networkController"]["natGwPool"]:
            gateway.update(pool)
        base.update({k: v for k, v in self.config.items() if k != "pool"})
        return base

    # --- the user's side

    def pod(
        self,
        name: str,
        ports: str = "80",
        namespace: str = "default",
        owner: Object | None = None,
        **annotations: str,
    ) -> Object:
        prefix = "k8s.aliyun.com/pod-dnat"
        notes = {prefix: "", f"{prefix}-expose-port": ports}
        for key, value in annotations.items():
            notes[f"{prefix}-{key}" if key != "switch" else prefix] = value
        meta: Object = {"name": name, "namespace": namespace, "annotations": notes}
        if owner:
            meta["ownerReferences"] = [owner]
        spec = {"containers": [{"name": "main", "image": "nginx"}]}
        return self.kube.store.create(
            "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        )

    def annotate(self, name: str, namespace: str = "default", **notes: str | None) -> None:
        prefix = "k8s.aliyun.com/pod-dnat"
        patch = {(f"{prefix}-{k}" if k != "switch" else prefix): v for k, v in notes.items()}
        self.kube.store.patch("pods", namespace, name, {"metadata": {"annotations": patch}})

    def delete_pod(self, name: str, namespace: str = "default", grace: int | None = None) -> None:
        self.kube.store.delete("pods", namespace, name, grace=grace)

    def record(self, name: str, namespace: str = "default") -> Object | None:
        return self.kube.store.get("poddnats.alibabacloud.com", namespace, name)

    def records(self) -> list[Object]:
        return self.kube.store.list("poddnats.alibabacloud.com")

    def entries(self, name: str, namespace: str = "default") -> list[Object]:
        record = self.record(name, namespace)
        return (record or {}).get("status", {}).get("entries", [])

    def ready(self, name: str, ports: int = 1, namespace: str = "default") -> list[Object]:
        """Wait until the pod has so many usable entries, and check that they tell the truth."""
        return eventually(
            lambda: len(e := self.entries(name, namespace)) == ports and e,
            what=f"{name} ready; record {self.record(name, namespace)}; rows {self.rows()}",
        )

    def rows(self) -> list[Object]:
        return [dict(row) for row in rows(self.cloud)]

    def own_rows(self) -> list[Object]:
        return [r for r in self.rows() if str(r["name"]).startswith("dnatctl_c11ba338192xxxxxxx_")]

    def gone(self, name: str, namespace: str = "default") -> None:
        eventually(
            lambda: self.record(name, namespace) is None,
            what=f"{name} released; {self.record(name, namespace)} {self.rows()}",
        )

    def calls(self, api: str = "", code: str | None = None) -> list[Any]:
        """The cloud's own log, by API and result code."""
        return [
            call
            for call in self.cloud.calls()
            if api in ("", call.api) and (code is None or call.code == code)
        ]


@contextmanager
def stage(scenario: Scenario | None = None, **config: Any) -> Iterator[Stage]:
    it = Stage(scenario, **config)
    try:
        yield it.start()
    finally:
        it.stop()
