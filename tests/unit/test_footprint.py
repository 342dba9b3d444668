"""What a process holds of each exposed pod: pod, PodDNAT, claim and row, from their JSON on."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace
from typing import Any

from dnatctl.cloud import wire
from dnatctl.control.state.views import Views
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.poddnat_json import READER
from dnatctl.kube.pods import PodSource
from dnatctl.model import PortRange
from dnatctl.objects import FINALIZER, POD_READY, Pod, PodDNAT
from dnatctl.pool import GatewayPool
from dnatctl.table.marks import Marks
from dnatctl.table.view import Pass
from tests.support.clock import FakeClock
from tests.support.memory import weighed

PODS = 500
GATEWAY, EIP, CLUSTER = "ngw-bp1000000000001", "203.0.113.1", "c11ba338192aaaaaaa"
SWITCH = "k8s.aliyun.com/pod-dnat"


def since(n: int) -> str:
    return f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"


def meta(n: int, uid: str, **more: Any) -> dict[str, Any]:
    version = str(10**6 + n)
    return {"name": f"lobby-{n}", "namespace": "game", "uid": uid, "resourceVersion": version,
            "creationTimestamp": since(n), **more}  # fmt: skip


def ready(n: int, kind: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": "EntriesAvailable",
            "message": "1 of 1 ports are reachable", "lastTransitionTime": since(n)}  # fmt: skip


def pod(n: int, uid: str) -> dict[str, Any]:
    notes = {SWITCH: "", f"{SWITCH}-expose-port": "8080"}
    status = {"phase": "Running", "podIP": f"172.16.{n // 250}.{n % 250}", "startTime": since(n),
              "conditions": [ready(n, POD_READY)]}  # fmt: skip
    return {"metadata": meta(n, uid, annotations=notes), "spec": {"nodeName": "cn-hangzhou.node-0"},
            "status": status}  # fmt: skip


def record(n: int, uid: str, pod_uid: str) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": f"lobby-{n}", "uid": pod_uid}
    to = {"internalIP": f"172.16.{n // 250}.{n % 250}", "externalIP": EIP}
    ports = {"externalPort": str(1000 + n), "internalPort": "8080"}
    spec = {"eni": f"eni-{n}", "vswitch": "vsw-bp1pods0", "zoneID": "cn-hangzhou-j",
            "protocol": "tcp", "tableId": GATEWAY, "portMapping": [ports], **to}  # fmt: skip
    entry = {**to, **ports, "forwardEntryId": f"fwd-bp1{n:012}", "ipProtocol": "tcp"}
    more = {"finalizers": [FINALIZER], "ownerReferences": [owner]}
    return {"metadata": meta(n, uid, **more), "spec": spec,
            "status": {"entries": [entry], "conditions": [ready(n, "Ready")]}}  # fmt: skip


def row(n: int, uid: str) -> SimpleNamespace:
    """As the SDK gives it: each text is an object of its own."""
    texts = {
        "forward_entry_id": f"fwd-bp1{n:012}", "external_ip": EIP, "external_port": str(1000 + n),
        "internal_ip": f"172.16.{n // 250}.{n % 250}", "internal_port": "8080",
        "ip_protocol": "tcp",
        "forward_entry_name": Marks(CLUSTER).name(uid, f"game/lobby-{n}"), "status": "Available",
    }  # fmt: skip
    return SimpleNamespace(**json.loads(json.dumps(texts)))


def page(objects: list[dict[str, Any]]) -> bytes:
    return json.dumps({"metadata": {"resourceVersion": "2000000"}, "items": objects}).encode()


class Process:
    """What takes in what there is, as a process does when it starts."""

    def __init__(self) -> None:
        clock = FakeClock()
        offer = GatewayPool(GATEWAY, PortRange(1000, 9999))
        self.views = Views(Marks(CLUSTER), [offer], 60.0, clock)
        self.pods: Cache[Pod] = Cache()
        self.records: Cache[PodDNAT] = Cache()
        self.pods.on_change(self.views.ips.pod_changed)
        self.records.on_change(self.views.record_changed)

    def take_in(self, pods: bytes, records: bytes, rows: list[SimpleNamespace]) -> None:
        source = PodSource(neighbours=Neighbours())
        self.pods.replace(source.page(pods, self.pods.holds).items, "2000000")
        self.records.replace(READER.page(records, self.records.holds).items, "2000000")
        entries = {entry.entry_id: entry for entry in map(wire.entry, rows)}
        self.views.table(GATEWAY).merge(Pass(1.0, entries, atomic=True), 2.0)


def test_an_exposed_pod_takes_less_than_four_kilobytes() -> None:
    uids = [(str(uuid.uuid4()), str(uuid.uuid4())) for _ in range(PODS)]
    pods = page([pod(n, uid) for n, (uid, _) in enumerate(uids)])
    records = page([record(n, own, of) for n, (of, own) in enumerate(uids)])
    rows = [row(n, own) for n, (_, own) in enumerate(uids)]
    process = Process()
    with weighed() as weight:
        process.take_in(pods, records, rows)
        del pods, records, rows
    assert len(process.views.table(GATEWAY)) == len(process.pods) == len(process.records) == PODS
    assert all(process.views.pool.claim_of(own) for _, own in uids)
    assert weight.kept / PODS < 4096
