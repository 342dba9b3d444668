"""A whole cluster in one process: emulated API server and cloud over HTTP, the real controller."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dnatctl.clock import Clock
from dnatctl.cloud.client import Cloud as CloudClient
from dnatctl.cloud.credentials import AccessKey, Keys
from dnatctl.cloud.providers import open_provider
from dnatctl.config import parse
from dnatctl.control.controller import Controller
from dnatctl.control.settings import Settings
from dnatctl.kube.client import KubeClient
from dnatctl.kube.poddnats import served_version
from dnatctl.objects import PodDNATSpec
from dnatctl.observe.metrics import CONTROLLER, Metrics
from dnatctl.table.marks import Marks, tag_of
from dnatctl_sim.cloud import Acts, CloudServer, Knobs, Scenario, Settle, rows
from dnatctl_sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET
from dnatctl_sim.kube import KubeServer
from dnatctl_sim.kube import Settings as KubeSettings
from dnatctl_sim.kube.core.errors import ApiError
from tests.support.gate import CLOUD_WRITES, Gate, GatedCloud
from tests.support.oracle import discrepancies
from tests.support.referee import RECORDS, Referee

CRD = Path(__file__).parents[2] / "manifests" / "crd" / "poddnats.yaml"
NAMESPACE = "dnatctl-system"
CLUSTER_ID = "c11ba338192xxxxxxx"
PREFIX = "k8s.aliyun.com/pod-dnat"
POD_READY = "k8s.aliyun.com/pod-dnat-ready"
PATIENCE_S = 120.0
"""How long what must come is waited for. Long, as the machine may be busy with something else; it
says nothing about speed."""

QUIET_S = 0.15
"""So long without a write or a reconciliation means that nothing more is coming."""

Object = dict[str, Any]


def eventually(
    check: Callable[[], object], *, seconds: float = PATIENCE_S, what: str | Callable[[], str] = ""
) -> Any:
    """Wait until `check` answers something true; returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {text or check}; last: {found!r}")
        time.sleep(0.01)


def fast(**knobs: Any) -> Knobs:
    """Knobs of a cloud without rate limits whose tables settle in 20 ms."""
    return Knobs(**({"default_limit": 0, "settle": Settle.all(0.02)} | knobs))


@dataclass(slots=True)
class Running:
    """A controller in this process."""

    controller: Controller
    stop: threading.Event
    thread: threading.Thread


class Stage:
    """Emulators, and as many controllers as asked for. `ns`: where pods are, if nothing is said.

    `beside`: another cluster, whose account in the cloud this one shares.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        kube: KubeSettings | None = None,
        beside: Stage | None = None,
        **config: Any,
    ) -> None:
        self.gate = beside.gate if beside else Gate()
        self.cloud = (
            beside.cloud if beside else GatedCloud(scenario or Scenario(knobs=fast()), self.gate)
        )
        self.acts = Acts(self.cloud)
        self.cloud_server = beside.cloud_server if beside else CloudServer(self.cloud)
        self.kube = KubeServer(settings=kube or KubeSettings(nodes=2))
        self.config = config
        self.beside = beside
        self.running: list[Running] = []
        self.ns = "default"
        self.folder = Path(tempfile.mkdtemp())
        settings = self.configuration()
        system = self.kube.store.get("namespaces", "", "kube-system") or {}
        self.marks = Marks(settings["clusterID"], tag_of(system["metadata"]["uid"]))
        quarantine_s = float(settings["quarantine"].removesuffix("s"))
        self.referee = Referee(self.marks, self.kube, self.cloud, quarantine_s)
        self.cloud.judges.append(self.referee.committing)

    # --- life

    def start(self) -> Stage:
        if not self.beside:
            self.cloud_server.start()
        self.kube.start()
        self.kube.write_kubeconfig(str(self.folder / "kubeconfig"))
        self.kube.store.create(
            "customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(CRD.read_text())
        )
        self.namespace(NAMESPACE)
        self.heal()
        return self

    def stop(self) -> None:
        try:
            self.stop_controllers()
        finally:
            self.kube.stop()
            if not self.beside:
                self.cloud_server.stop()
            shutil.rmtree(self.folder)

    def heal(self) -> None:
        """End every fault on both sides."""
        self.cloud.clear_faults()
        self.kube.clear_faults()
        self.gate.open()
        self.kube.faults.on_write = self.gate.on_kube_write

    def start_controller(
        self, *, wait: bool = True, machine: Clock | None = None, **settings: Any
    ) -> Running:
        """Start one more controller; returns once it works, unless it is not to lead yet.

        `machine`: the clock of the machine that it runs on.
        """
        stop = threading.Event()
        client = KubeClient.connect(self.folder / "kubeconfig", 16, clock=machine)
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
            "identity": f"test-{time.monotonic()}",
            "metrics_address": "127.0.0.1:0",
            "health_address": "127.0.0.1:0",
            "status_address": "127.0.0.1:0",
            "changes_a_minute": 10_000,  # tests change their mind faster than people
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
        running = Running(controller, stop, thread)
        self.running.append(running)
        if wait:
            eventually(lambda: controller.parts.standing.working, what="the controller works")
        return running

    def reload(self, **config: Any) -> None:
        """Have every controller take in a file that differs so, as soon as it is there."""
        self.config |= config
        for it in self.running:
            it.controller.reloader.take(parse(yaml.safe_dump(self.configuration())))

    def stop_controllers(self) -> None:
        for it in self.running:
            it.stop.set()
        for it in self.running:
            it.thread.join(PATIENCE_S)
            assert not it.thread.is_alive(), "the controller does not stop"
        self.running.clear()

    def configuration(self) -> Object:
        gateways = self.cloud.scenario.gateways
        base: Object = {
            "clusterID": CLUSTER_ID,
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
                    | self.config.get("pool", {})
                    for g in gateways
                ]
            },
            "credential": {"accessKey": ACCESS_KEY, "accessSecret": ACCESS_SECRET},
            "quarantine": "2s",
            "resync": "60s",
            "publish": {"condition": True} | self.config.get("publish", {}),
        }
        return base | {k: v for k, v in self.config.items() if k not in ("pool", "publish")}

    # --- the user's side

    def namespace(self, name: str) -> str:
        self.kube.store.create("namespaces", {"metadata": {"name": name}})
        return name

    def move_to(self, namespace: str) -> None:
        """Make a namespace, and work there from now on."""
        self.ns = self.namespace(namespace)

    def clear_out(self) -> None:
        """Delete every workload, pod and PodDNAT where we are, and wait until they are gone."""
        for resource in ("deployments.apps", "statefulsets.apps", "pods", RECORDS):
            for obj in self.kube.store.list(resource, self.ns):
                with suppress(ApiError):  # the cluster cleans up as well, and may have been faster
                    self.kube.store.delete(resource, self.ns, obj["metadata"]["name"])
        eventually(
            lambda: not self.kube.store.list("pods", self.ns) and not self.records(self.ns),
            what=lambda: f"{self.ns} empty: {self.records(self.ns)} {self.rows()}",
        )

    def pod(
        self,
        name: str,
        ports: str = "80",
        namespace: str = "",
        owner: Object | None = None,
        spec: Object | None = None,
        **annotations: str,
    ) -> Object:
        """A pod that asks for `ports`; `switch` and the rest are annotations below the prefix."""
        notes = {PREFIX: "", f"{PREFIX}-expose-port": ports} | _notes(annotations)
        place = namespace or self.ns
        meta: Object = {"name": name, "namespace": place, "annotations": notes}
        if owner:
            meta["ownerReferences"] = [owner]
        whole = {"containers": [{"name": "main", "image": "nginx"}]} | (spec or {})
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": whole}
        return self.kube.store.create("pods", pod)

    def annotate(self, name: str, namespace: str = "", **notes: str | None) -> None:
        self.kube.store.patch(
            "pods", namespace or self.ns, name, {"metadata": {"annotations": _notes(notes)}}
        )

    def delete_pod(self, name: str, namespace: str = "", grace: int | None = None) -> None:
        self.kube.store.delete("pods", namespace or self.ns, name, grace=grace)

    def delete_row(self, entry_id: str) -> None:
        """Delete a row as somebody at the console does."""
        self.referee.meddled.add(entry_id)
        self.acts.delete_entry(entry_id)

    def edit_row(self, entry_id: str, **changes: str) -> None:
        """Change a row as somebody at the console does."""
        self.referee.meddled.add(entry_id)
        self.acts.edit_entry(entry_id, **changes)

    # --- what there is

    def record(self, name: str, namespace: str = "") -> Object | None:
        return self.kube.store.get(RECORDS, namespace or self.ns, name)

    def records(self, namespace: str = "") -> list[Object]:
        return self.kube.store.list(RECORDS, namespace)

    def entries(self, name: str, namespace: str = "") -> list[Object]:
        record = self.record(name, namespace)
        found: list[Object] = (record or {}).get("status", {}).get("entries", [])
        return found

    def condition(self, name: str, namespace: str = "") -> Object:
        """The pod's condition; empty if it has none."""
        pod = self.kube.store.get("pods", namespace or self.ns, name) or {}
        conditions = pod.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == POD_READY), {})

    def events(self, name: str, namespace: str = "") -> dict[str, str]:
        """What events say about the pod, by reason."""
        found = self.kube.store.list("events", namespace or self.ns)
        return {
            e["reason"]: e.get("message") or e.get("note", "")
            for e in found
            if (e.get("involvedObject") or e.get("regarding", {})).get("name") == name
        }

    def rows(self) -> list[Object]:
        return [dict(row) for row in rows(self.cloud)]

    def own_rows(self, name: str = "", namespace: str = "") -> list[Object]:
        """Rows with this cluster's mark, of one PodDNAT or of all."""
        record = self.record(name, namespace) if name else None
        uid = record["metadata"]["uid"] if record else None
        return [
            r
            for r in self.rows()
            if (owner := self.marks.owner(r["name"])) and (not name or owner == uid)
        ]

    def calls(self, *apis: str, code: str | None = None, since: int = 0) -> list[Any]:
        """The cloud's own log, by API and result code."""
        return [
            call
            for call in self.cloud.calls(since)
            if (not apis or call.api in apis) and code in (None, call.code)
        ]

    def controller_eips(self, gateway_id: str) -> set[str]:
        """The EIPs of a gateway that the controller takes for usable; none if it cannot use it."""
        gateway = self.running[0].controller.parts.views.gateways.get(gateway_id)
        if gateway is None or gateway.problem:
            return set()
        return {eip.ip for eip in gateway.eips if eip.usable}

    def claims(self) -> dict[str, PodDNATSpec]:
        """What the controller's pool holds as claimed, by PodDNAT UID, as of one moment."""
        views = self.running[0].controller.parts.views
        with views.lock:
            return dict(views.pool.claims())

    # --- waiting

    def ready(
        self, name: str, ports: int = 1, namespace: str = "", seconds: float = PATIENCE_S
    ) -> list[Object]:
        """Wait until the pod has so many usable entries."""

        def found() -> list[Object] | None:
            entries = self.entries(name, namespace)
            return entries if len(entries) == ports else None

        entries: list[Object] = eventually(
            found,
            seconds=seconds,
            what=lambda: f"{name} ready: {self.record(name, namespace)} {self.rows()}",
        )
        return entries

    def gone(self, name: str, namespace: str = "") -> None:
        eventually(
            lambda: self.record(name, namespace) is None,
            what=lambda: f"{name} released: {self.record(name, namespace)} {self.rows()}",
        )

    def told(self, name: str, reason: str, namespace: str = "") -> str:
        """Wait until pod condition and an event of that reason are there; what they say."""
        eventually(
            lambda: (
                self.condition(name, namespace).get("reason") == reason
                and reason in self.events(name, namespace)
            ),
            what=lambda: f"{reason}: {self.condition(name, namespace)} {self.events(name)}",
        )
        return str(self.condition(name, namespace)["message"])

    def writes(self) -> tuple[int, int]:
        """How many writes were sent so far: to Kubernetes (but for Leases), and to the cloud."""
        kube = self.kube.requests.all(lambda r: r.writes and not r.resource.startswith("leases"))
        return len(kube), len(self.calls(*CLOUD_WRITES))

    def wrong(self, but: Collection[tuple[str, str]] = ()) -> list[str]:
        """What is not as it ought to be at rest; see `oracle`."""
        pods, records = self.kube.store.list("pods"), self.records()
        listed = {
            entry["forwardEntryId"]: str(record["metadata"]["uid"])
            for record in records
            for entry in record.get("status", {}).get("entries", [])
        }

        def owner(row: Object) -> str:
            adopted = row["entry_id"] in self.referee.adopted
            return listed.get(row["entry_id"], "") if adopted else self.marks.owner(row["name"])

        return discrepancies(pods, records, self.rows(), owner, but)

    def settled(self, but: Collection[tuple[str, str]] = (), seconds: float = PATIENCE_S) -> None:
        """Wait until everything is as it ought to be."""
        eventually(
            lambda: not self.wrong(but), seconds=seconds, what=lambda: "\n".join(self.wrong(but))
        )

    def assert_at_rest(
        self, but: Collection[tuple[str, str]] = (), seconds: float = PATIENCE_S
    ) -> None:
        """Everything is as it ought to be, and looking at it all again changes nothing."""
        self.quiet()
        self.settled(but, seconds)
        for it in self.running:
            _sweep_what_was_held(it.controller)
        self.quiet()
        before = self.writes()
        since = len(self.kube.requests.all())
        for it in self.running:
            _look_again(it.controller)
        self.quiet()
        extra = [r for r in self.kube.requests.all()[since:] if r.writes]
        extra = [r for r in extra if not r.resource.startswith("leases")]
        assert self.writes() == before, f"writes at rest: {extra} {self.calls(*CLOUD_WRITES)[-3:]}"
        wrong = self.wrong(but)
        assert not wrong, "\n".join(wrong)
        self.assert_fair()

    def assert_fair(self) -> None:
        """No rule was broken at any time, and nothing happened that nobody foresaw."""
        assert not self.referee.violations, "\n".join(self.referee.violations)
        for it in self.running:
            panics = it.controller.parts.metrics.reconcile_panics.labels(CONTROLLER)
            assert not panics._value.get(), "a look failed as nobody foresaw: the log says how"

    def quiet(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until no controller has anything to do, and none has written for a moment."""
        calm, last = time.monotonic(), self.writes()
        deadline = calm + PATIENCE_S
        while time.monotonic() - calm < QUIET_S and not unless():
            time.sleep(0.01)
            now = self.writes()
            pods = self.kube.store.list("pods")
            starting = any(map(_is_starting, pods))
            busy = any(_busy(it.controller, pods) for it in self.running)
            if now != last or starting or busy:
                calm, last = time.monotonic(), now
            assert calm < deadline, "never quiet"


def _is_starting(pod: Object) -> bool:
    """Whether the pod is about to get its IP: nothing keeps it from being placed."""
    conditions = pod["status"].get("conditions", [])
    placeable = all(c["status"] == "True" for c in conditions if c["type"] == "PodScheduled")
    gated = bool(pod["spec"].get("schedulingGates"))
    return pod["status"].get("phase") == "Pending" and placeable and not gated


def _busy(controller: Controller, pods: Iterable[Object]) -> bool:
    """Whether it has something to do, or has not heard yet that a pod has gone."""
    there = {pod["metadata"]["uid"] for pod in pods}
    known = {pod.uid for pod in controller.parts.pods.values()}
    return bool(controller.parts.busy()) or not known <= there


def _look_again(controller: Controller) -> None:
    """Read every table anew, look at every key, and for orphans."""
    if not controller.parts.standing.working:
        return
    began = controller.parts.clock.monotonic()
    gateways = controller.parts.gateways
    gateways.fleet.read_soon()
    eventually(lambda: gateways.fleet.read_since(began), what="tables read anew")
    controller.parts.signals.resync()
    controller.parts.sweeper.sweep()


def _sweep_what_was_held(controller: Controller) -> None:
    """A sweep while many rows were being claimed again has noted that there are too many orphans;
    the next one, which comes in its own time, says that it is over."""
    if controller.parts.identity.braked:
        controller.parts.sweeper.sweep()


def _notes(annotations: Any) -> dict[str, Any]:
    return {
        PREFIX if key == "switch" else f"{PREFIX}-{key.replace('_', '-')}": value
        for key, value in annotations.items()
    }


@contextmanager
def stage(
    scenario: Scenario | None = None,
    kube: KubeSettings | None = None,
    beside: Stage | None = None,
    **config: Any,
) -> Iterator[Stage]:
    """A stage for the length of a test."""
    it = Stage(scenario, kube, beside, **config)
    try:
        yield it.start()
        it.assert_fair()
    finally:
        it.stop()
