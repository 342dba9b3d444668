"""Inputs that come by way of the API server: objects, watches, refusals, what leaders left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar

import msgspec
import orjson

from dnatctl.control.cluster import parked
from dnatctl.kube import answers, definition, ledger, orders
from dnatctl.kube.cancel import Canceller
from dnatctl.kube.client import _encode
from dnatctl.kube.errors import KubeError, error_from_answer, error_in_event
from dnatctl.kube.informer import Informer
from dnatctl.kube.lease_record import HANDOVER, LeaseRecord
from dnatctl.kube.lines import LineStream
from dnatctl.kube.nodes import NodeSource
from dnatctl.kube.poddnat_json import PROTOCOLS, READER, spec_json, status_json
from dnatctl.kube.pods import PodSource
from dnatctl.kube.workloads import _READER as WORKLOADS
from dnatctl.model import MOST_PORTS
from dnatctl.objects import POD_READY
from dnatctl.orders import OrderKind
from dnatctl.orders import decode as decode_orders
from dnatctl.plan.exposure import Rules, read_exposure
from dnatctl.pool import handover
from dnatctl.status import document
from tests.fuzz.harness import Harness
from tests.support.clock import FakeClock
from tests.support.kubejson import bookmark, event, listing, pod, poddnat, status

NOW = datetime(2026, 1, 1, tzinfo=UTC)

JSON_WORDS = (
    b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"null", b"true", b"-", b"1e999", b"\xff",
    b"\\ud800", b"\\u0000", b"9" * 30, b"\n", b'"metadata":', b'"name":', b'"uid":', b'"items":',
    b'"type":', b'"object":', b'"ADDED"', b'"DELETED"', b'"BOOKMARK"', b'"ERROR"', b'"spec":',
    b'"status":', b'"annotations":', b'"resourceVersion":', b'"portMapping":', b'"entries":',
)  # fmt: skip

POD = pod(
    annotations={"k8s.aliyun.com/pod-dnat": "", "k8s.aliyun.com/pod-dnat-expose-port": "80"},
    metadata={"labels": {"a": "b"}, "ownerReferences": [{"kind": "StatefulSet", "name": "web"}]},
)
POD["status"]["conditions"] = [{"type": POD_READY, "status": "True", "message": "x"}]
RECORD = poddnat(
    metadata={"annotations": {PROTOCOLS: "512:80/udp"}},
    status={
        "entries": [{"externalIP": "47.0.0.1", "externalPort": "512", "ipProtocol": "tcp"}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "observedGeneration": 1,
    },
)


def _any(_key: object, _uid: str) -> bool:
    return True


def _none(_key: object, _uid: str) -> bool:
    return False


def read_record(data: bytes) -> None:
    with suppress(KubeError):
        record = READER.answer(data)
        assert len(record.spec.ports) <= MOST_PORTS
        assert all(1 <= port.external <= 65535 for port in record.spec.ports)
        orjson.dumps((spec_json(record.spec), status_json(record.status)))
    _lists_and_events(READER, data)


def _lists_and_events(source: Any, data: bytes) -> None:
    for known in (_any, _none):
        with suppress(msgspec.DecodeError):
            source.page(data, known)
        with suppress(msgspec.DecodeError):
            source.event(data, known)


def read_pod(data: bytes) -> None:
    source = PodSource()
    _lists_and_events(source, data)
    with suppress(msgspec.DecodeError):
        found = source.event(b'{"type":"ADDED","object":%s}' % data, _any).object
        if found is not None:
            read_exposure(found, Rules())


def read_others(data: bytes) -> None:
    """Nodes, workloads, the definition of PodDNATs, ledgers: what is looked at now and then."""
    _lists_and_events(NodeSource(), data)
    with suppress(KubeError):
        found = WORKLOADS.answer(data)
        found.keeps(f"{found.key.name}-7")
    for decoder in (definition._DECODER, ledger._DECODER, orders._CONFIG_MAP):
        with suppress(KubeError):
            answers.read(decoder, data)


class _Body:
    """A streamed answer that comes in pieces."""

    headers: ClassVar[dict[str, str]] = {}
    chunked = False

    def __init__(self, data: bytes) -> None:
        size = 1 + (data[0] if data else 0) * 16
        self._pieces = [data[at : at + size] for at in range(1, len(data), size)][::-1]

    def read1(self, _size: int) -> bytes:
        return self._pieces.pop() if self._pieces else b""

    def close(self) -> None: ...

    def release_conn(self) -> None: ...


class _Exchange:
    answer = None

    def extend(self, _seconds: float) -> None: ...


class _Server:
    """A client of a server that has one list, and one watch that is the input."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def request(self, *_args: object, **_options: object) -> bytes:
        return listing(POD)

    def stream(self, *_args: object, **_options: object) -> LineStream:
        body: Any = _Body(self._data)
        exchange: Any = _Exchange()
        return LineStream(body, Canceller(), exchange, 1.0, lambda: None)


CLOCK = FakeClock()


def read_watch(data: bytes) -> None:
    for source in (PodSource(), _Records()):
        server: Any = _Server(data)
        informer: Any = Informer(server, source, clock=CLOCK, random=Random(1))
        for _ in range(3):  # a list, the watch, and what comes of it
            assert informer.step() >= 0


class _Records:
    resource = "poddnats"
    path = "/poddnats"
    accept = ("", "")
    page = staticmethod(READER.page)
    event = staticmethod(READER.event)


def read_refusal(data: bytes) -> None:
    for error in (error_from_answer(500, data, data[:12].decode("latin-1")), error_in_event(data)):
        assert len(str(error)) < 700
        assert str(error).isprintable()
        assert error.retry_after is None or 0 <= error.retry_after <= 300


def read_lease(data: bytes) -> None:
    try:
        lease = LeaseRecord.read(data)
    except ValueError:
        return
    resting = handover.decode(lease.state)
    assert lease.holder is not None
    taken = lease.taken("me", 15, NOW).renewed(handover.encode({}), 15, NOW).released(None, NOW)
    with suppress(KubeError):
        _encode(taken.body)
    resting.after(1)


def read_handover(data: bytes) -> None:
    resting = handover.decode(data.decode("utf-8", "replace")).after(3)
    # As many as are named, MOST at most, however short the text: what that takes is another matter.
    few = sum(len(span.ports) for span in resting.spans) <= 100
    found = resting.each() if few else None
    assert found is None or len(found) <= 100
    again = handover.encode(found or {}, resting.everything)
    assert len(again) <= handover.LIMIT


def read_ledger(data: bytes) -> None:
    """Parked claims, and orders: texts in ConfigMaps."""
    text = data.decode("utf-8", "replace")
    for endpoint in parked._read(text):
        assert 1 <= endpoint.port <= 65535
    standing, _ = decode_orders([text], NOW)
    for order in standing.each:
        assert str(order)
    with suppress(ValueError):
        document.decode(data)


def _lease(state: str) -> bytes:
    return orjson.dumps(
        {
            "metadata": {
                "name": "dnatctl",
                "resourceVersion": "7",
                "annotations": {HANDOVER: state},
            },
            "spec": {"holderIdentity": "a_b", "leaseDurationSeconds": 15, "leaseTransitions": 3},
        }
    )


def _harness(
    share: int, name: str, read: Callable[[bytes], None], *seeds: bytes, words: Any = JSON_WORDS
) -> Harness:
    return Harness(name, read, seeds, words, share)


HANDED = "47.0.0.1/tcp:512-600=60,700=3;47.0.0.2/udp:1=1"
ORDER = orjson.dumps({"kind": next(iter(OrderKind)), "target": "pod/a/b", "until": "2030-01-01"})
NODE = {"metadata": {"name": "n", "uid": "u"}, "spec": {"providerID": "cn.i-1"}, "status": {}}
WORKLOAD = {
    "metadata": {"name": "web", "uid": "u"},
    "spec": {"replicas": 3, "ordinals": {"start": 1}, "reserveOrdinals": [1, "3-5"]},
}
VERSION = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": {"properties": {"a": {}}}}}
DEFINITION = {"metadata": {}, "spec": {"versions": [VERSION]}, "data": {"fwd-1": "uid"}}
LINES = (event("ADDED", POD), event("MODIFIED", RECORD), bookmark(9), event("DELETED", POD))
STATUS = status(410, "Expired", "too old", causes=[{"reason": "x"}], retryAfterSeconds=3)

HARNESSES = (
    _harness(120, "poddnat", read_record, orjson.dumps(RECORD), listing(RECORD), LINES[1]),
    _harness(100, "pod", read_pod, orjson.dumps(POD), listing(POD), LINES[0]),
    _harness(60, "watch", read_watch, b"\x40" + b"".join(LINES), b"\x02" + LINES[0],
             b"\x10" + LINES[2] + event("ERROR", STATUS)),
    _harness(70, "others", read_others, *map(orjson.dumps, (NODE, WORKLOAD, DEFINITION)),
             listing(NODE)),
    _harness(130, "refusal", read_refusal, orjson.dumps(STATUS), event("ERROR", STATUS),
             b"<html>no</html>"),
    _harness(120, "lease", read_lease, _lease(HANDED), _lease("*=60")),
    _harness(120, "handover", read_handover, HANDED.encode(), b"*=60",
             words=(b";", b"/tcp:", b"/udp:", b"=", b"-", b",", b"1-65535=60", b"*=9", b"7.0.0.1")),
    _harness(130, "ledger", read_ledger, b"47.0.0.1:512/tcp,47.0.0.2:1/udp", ORDER,
             b'{"gateways":[],"waiting":[]}'),
)  # fmt: skip
