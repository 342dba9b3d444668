"""A leader that says what a test wants, and a `dnatctl ui` that asks it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import yaml

from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    Leadership,
    PastHolder,
    PortStatus,
    State,
    StatusDocument,
    TableStatus,
    Waiter,
    encode,
)
from dnatctl.times import format_time

INTERRUPTIBLE = ("env", "--default-signal=INT")
"""A shell's background jobs, and what they start, are deaf to Ctrl-C; after this nobody is."""


class Leader:
    """Answers GET /status with `document`, as of now, or of `at`; with 503 while there is none."""

    def __init__(self) -> None:
        self.document: StatusDocument | None = None
        self.usual: StatusDocument | None = None
        """For tests that share a leader: what it says unless one of them wants otherwise."""
        self.at = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.body()
                self.send_response(200 if body and self.path == "/status" else 503)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def body(self) -> bytes:
        if self.document is None:
            return b""
        at = self.at or format_time(datetime.now(UTC))
        return encode(msgspec.structs.replace(self.document, at=at))

    def __enter__(self) -> Leader:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def kubeconfig(folder: Path) -> Path:
    """Of a cluster that nobody can reach: with --server none is asked."""
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    content = {"apiVersion": "v1", "kind": "Config", "current-context": "c"}
    file = folder / "kubeconfig"
    users = [{"name": "u", "user": {}}]
    whole = content | {"clusters": [cluster], "contexts": [context], "users": users}
    file.write_text(yaml.safe_dump(whole), "utf-8")
    return file


@dataclass(frozen=True)
class Served:
    """A running `dnatctl ui`."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return int(self.url.rstrip("/").rpartition(":")[2])


@contextmanager
def serving(folder: Path, leader: str, *arguments: str) -> Iterator[Served]:
    """`dnatctl ui` on a free port."""
    words = ["ui", "--no-browser", "--kubeconfig", str(kubeconfig(folder)), "--server", leader]
    words += arguments or ("--port", "0")
    command = [*INTERRUPTIBLE, sys.executable, "-m", "dnatctl", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Served(process.stdout.readline().partition(" ")[0], process)
    finally:
        process.kill()
        process.communicate()


AT = "2026-11-27T12:00:00Z"
GATEWAYS = ("ngw-bp1uewa15k4iyaa", "ngw-bp1r1mxq0p7kybb")


def _games(ip: str, first: int, count: int, protocol: str) -> Iterator[PortStatus]:
    for i in range(count):
        number = first + i + i // 9
        pending = i % 23 == 20
        yield PortStatus(
            number,
            number,
            protocol,
            State.PENDING if pending else State.USED,
            pod=f"games/room-{i}",
            uid=f"uid-{ip}-{number}",
            internal=f"10.0.{i // 250}.{i % 250 + 2}:7777",
            entry="" if pending else f"fwd-bp1{number}",
            since="2026-11-27T11:20:00Z",
        )


def _eip(ip: str, *ports: PortStatus, **more: Any) -> EipStatus:
    return EipStatus(ip, ports, {"tcp": 513 - len(ports), "udp": 513}, **more)


def _first() -> GatewayStatus:
    eip = _eip(
        "47.110.1.10",
        *_games("47.110.1.10", 512, 150, "tcp"),
        *(PortStatus(n, n, "tcp", State.RESTING, until="2026-11-27T12:00:50Z") for n in (700, 701)),
        PortStatus(720, 735, "tcp", State.FOREIGN, internal="10.0.9.9:80", entry="fwd-foreign"),
        PortStatus(740, 740, "tcp", State.ORPHAN, uid="u", internal="10.0.9.7:80", entry="fwd-old"),
    )
    other = _eip("47.110.1.11", *_games("47.110.1.11", 512, 40, "udp"))
    table = TableStatus(184, 1, 1, 200, 9, 1.25, "2026-11-27T11:59:58Z")
    return GatewayStatus(GATEWAYS[0], 512, 1024, "cn-hangzhou-j", table, (eip, other))


def known_document() -> StatusDocument:
    """What the page is shown in tests, and in the picture of it."""
    second = GatewayStatus(
        GATEWAYS[1],
        512,
        1024,
        "cn-hangzhou-k",
        TableStatus(own=0, limit=100, read_at="2026-11-27T11:59:57Z"),
        (EipStatus("47.110.1.12", (), {"tcp": 0, "udp": 0}),),
        problem="it is being drained (by ops; dnatctl undrain gateway/ngw-bp1r1mxq0p7kybb ends it)",
    )
    waiting = (
        Waiter("games/room-190", "PoolExhausted", "no EIP has a free port left for udp", AT),
        Waiter(
            "shop/web-0",
            "InvalidAnnotation",
            'k8s.aliyun.com/pod-dnat-expose-port: "http" is not a port: write numbers, such as 80',
            "2026-11-27T11:48:00Z",
        ),
    )
    history = (
        PastHolder("47.110.1.10:700/tcp", "games/room-7", "uid-a", "2026-11-27T10:00:00Z", AT),
        PastHolder("47.110.1.10:701/tcp", "games/room-8", "uid-b", "2026-11-27T10:00:00Z", AT),
        PastHolder("47.110.1.10:512/tcp", "games/early-0", "uid-c", "2026-11-27T09:00:00Z", AT),
    )
    return StatusDocument(
        at=AT,
        version="0.1.0",
        cluster="c11ba338192xxxxxxx",
        lease=Leadership(True, "dnatctl-0_1", "dnatctl-0_1", "2026-11-27T09:00:00Z"),
        ready=True,
        notes=("pod IPs of node cn-hangzhou.10.0.0.7 are unsure: it has been silent for 3m",),
        gateways=(_first(), second),
        waiting=waiting,
        history=history,
        history_since="2026-11-27T09:00:00Z",
    )
