"""The emulated account behind a socket, what others do to it, and clients of it."""

from __future__ import annotations

from typing import Any

from dnatctl.cloud.client import Cloud
from dnatctl.cloud.credentials import AccessKey, Keys
from dnatctl.cloud.providers import Provider, open_provider
from dnatctl.model import NewEntry, PortRange, Protocol
from dnatctl.table.marks import Marks
from dnatctl_sim.cloud import Acts, CloudServer, Fault
from dnatctl_sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET, GATEWAY_ID, REGION, VPC_ID

TABLE_ID = f"ftb-{GATEWAY_ID.removeprefix('ngw-')}"
token = Marks("c1").token
STATIC = AccessKey(Keys(ACCESS_KEY, ACCESS_SECRET))


class Bench:
    def __init__(self, server: CloudServer) -> None:
        self.server = server
        self.emulated = server.cloud
        self.acts = Acts(server.cloud)
        self.observed: list[tuple[str, str]] = []

    def connect(self, provider: Provider | None = None, **options: Any) -> Cloud:
        return Cloud.connect(
            REGION,
            VPC_ID,
            provider or open_provider(STATIC),
            vpc_endpoint=self.server.endpoint,
            ecs_endpoint=self.server.endpoint,
            observe=lambda operation, kind, seconds: self.observed.append((operation, str(kind))),
            **options,
        )

    def fault(self, **fields: Any) -> None:
        self.emulated.add_fault(Fault(**fields))

    def calls(self, api: str) -> int:
        return sum(call.api == api for call in self.emulated.calls())


def new_entry(port: int = 512, ip: str = "172.16.0.9", **changes: Any) -> NewEntry:
    fields: dict[str, Any] = {
        "external_ip": "203.0.113.1",
        "external_ports": PortRange(port, port),
        "internal_ip": ip,
        "internal_ports": PortRange(80, 80),
        "protocol": Protocol.TCP,
        "name": "dnatctl_c1_uid",
    }
    return NewEntry(**(fields | changes))
