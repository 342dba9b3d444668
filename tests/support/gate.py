"""Every write of a controller passes here, on both emulators, before and after it takes effect."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from dnatctl_sim.cloud import Cloud, Scenario
from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.params import Params
from dnatctl_sim.cloud.wire import Cut, Life, Request
from dnatctl_sim.kube.wire.faults import Fault, Stage, Write

CLOUD_WRITES = ("CreateForwardEntry", "ModifyForwardEntry", "DeleteForwardEntry")


@dataclass(frozen=True, slots=True)
class Passing:
    """A write on its way. `what` and `count` name it alike in every run of the same scenario:
    the n-th write of that kind. `after`: it has been carried out, and its answer is on its way.
    """

    what: str
    count: int
    after: bool

    def __str__(self) -> str:
        return f"{self.what} #{self.count}"


Watcher = Callable[[Passing], bool]
"""Told of every write; answers whether to drop it (or, `after`, its answer)."""


class Gate:
    """Counts writes, asks the watcher, and cuts the connection of those it drops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.watcher: Watcher | None = None

    def open(self) -> None:
        """Forget what passed; let everything pass."""
        with self._lock:
            self.watcher = None
            self._counts.clear()

    def before(self, what: str) -> tuple[Passing, bool]:
        """A write arrives; whether it is dropped."""
        with self._lock:
            self._counts[what] += 1
            passing = Passing(what, self._counts[what], after=False)
            return passing, bool(self.watcher and self.watcher(passing))

    def after(self, passing: Passing) -> bool:
        """It was carried out; whether its answer is dropped."""
        with self._lock:
            done = Passing(passing.what, passing.count, after=True)
            return bool(self.watcher and self.watcher(done))

    # --- the Kubernetes side

    def on_kube_write(self, write: Write) -> Fault | None:
        """See `dnatctl_sim.kube.wire.faults.Hook`."""
        what = kube_name(write)
        if write.stage is Stage.BEFORE:
            return Fault(drop=True) if self.before(what)[1] else None
        with self._lock:
            passing = Passing(what, self._counts[what], after=False)
        return Fault(drop=True, after=True) if self.after(passing) else None


class GatedCloud(Cloud):
    """The emulated cloud with a gate before its writes; judges see each as it takes effect."""

    def __init__(self, scenario: Scenario, gate: Gate) -> None:
        super().__init__(scenario)
        self.gate = gate
        self.judges: list[Callable[[Call], None]] = []

    def serve(self, request: Request) -> Life:
        """See `Cloud`."""
        api = request.headers.get("x-acs-action", "")
        if api not in CLOUD_WRITES:
            return (yield from super().serve(request))
        passing, dropped = self.gate.before(cloud_name(self, request))
        if dropped:
            return Cut("reset")
        answer = yield from super().serve(request)
        return Cut("reset") if self.gate.after(passing) else answer

    def _commit(self, write: Any, job: Any) -> Any:
        for judge in self.judges:
            judge(job.call)
        return super()._commit(write, job)


def kube_name(write: Write) -> str:
    """What a write to Kubernetes is called in every run: events by reason, the rest by name."""
    resource = f"{write.resource}/{write.subresource}" if write.subresource else write.resource
    if write.resource.startswith("events"):
        body = orjson.loads(write.body or b"{}")
        return f"{write.verb} {resource} {body.get('reason', '')}"
    name = write.name
    if not name and write.body:
        name = orjson.loads(write.body).get("metadata", {}).get("name", "")
    return f"{write.verb} {resource} {name}"


def cloud_name(cloud: Cloud, request: Request) -> str:
    """What a write to a table is called in every run: by the pod and its port."""
    call = Call(seq=0, api=request.headers["x-acs-action"], received=0.0)
    params = _params(request)
    call.note(params)
    if call.entry_id:
        with cloud.lock:
            for gateway in cloud.world.gateways.values():
                if row := gateway.table.rows.get(call.entry_id):
                    m = row.mapping
                    return f"{call.api} {_label(row.name)}:{m.internal_port}/{m.protocol.lower()}"
        return f"{call.api} (gone)"
    port = call.internal.rpartition(":")[2]
    return f"{call.api} {_label(call.name)}:{port}/{call.protocol.lower()}"


def _params(request: Request) -> Params:
    return Params(dict(parse_qsl(request.query, keep_blank_values=True)))


def _label(name: str) -> str:
    """The pod, as the name of a row that bears a tag says it."""
    parts = name.split("_")
    return "/".join(parts[4:]) if len(parts) > 4 else name
