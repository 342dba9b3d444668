"""The document that `GET /status` answers with: what one replica knows, at one moment.

Times are RFC 3339 in UTC, "" where there is none. Fields may be added; none changes its meaning
while `schema` stays as it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dnatctl import decoding
from dnatctl.orders import Order

SCHEMA = "dnatctl/status/v1"

USUAL_QUOTA: Final = 100
"""Rows that a forward table may have unless the quota was raised
(https://help.aliyun.com/en/nat-gateway/user-guide/quotas/)."""


class State(StrEnum):
    """How an external port of the pool stands. Those that are `free` are counted, not listed.

    `used`: claimed, and its entry is usable. `pending`: claimed, and its entry is not usable, yet
    or any more, or there is none, as for a fixed pod that is away, for as long as its claim is
    kept. `resting`: in quarantine after use. `foreign`: covered by an entry that is not ours.
    `orphan`: covered by an entry of ours that nothing claims; it is going.
    """

    FREE = "free"
    USED = "used"
    PENDING = "pending"
    RESTING = "resting"
    FOREIGN = "foreign"
    ORPHAN = "orphan"


class PortStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One external port of the pool that is not free, or several in a row that stand alike.

    `pod` is `namespace/name`; `uid` its PodDNAT's; `internal` is `IP:port`. `until`: when it has
    rested. `problem`: why it is not usable.
    """

    first: int
    last: int
    protocol: str
    state: State
    pod: str = ""
    uid: str = ""
    internal: str = ""
    entry: str = ""
    since: str = ""
    until: str = ""
    problem: str = ""


class EipStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An external IP of a gateway. `free`: ports that may be handed out now, by protocol."""

    ip: str
    ports: tuple[PortStatus, ...] = ()
    free: dict[str, int] = {}
    problem: str = ""


class TableStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A forward table. `limit`: the rows it may hold, as configured or as a refusal last showed;
    None: not known. `backlog`: writes that wait for it.

    `busy_s`: how long the table is expected to stay busy after a write, in seconds, as learned.
    """

    own: int = 0
    foreign: int = 0
    orphans: int = 0
    limit: int | None = None
    backlog: int = 0
    busy_s: float | None = None
    read_at: str = ""
    in_doubt: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.own + self.foreign + self.orphans


class GatewayStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A NAT gateway of the pool. `problem`: why nothing new is put on it. `leaving`: endpoints in
    use that the configuration offers no more: they go when their pods do. `namespaces`: those that
    it is reserved for; none: it is for all.
    """

    id: str
    first: int
    last: int
    zone: str = ""
    table: TableStatus = TableStatus()
    eips: tuple[EipStatus, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()
    leaving: int = 0
    namespaces: tuple[str, ...] = ()


class Waiter(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A pod that asks for something it does not have yet, or a claim that cannot end."""

    pod: str
    reason: str
    message: str
    since: str = ""
    pod_uid: str = ""


class PastHolder(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who had an endpoint, from when until when ("": still), as far as this replica remembers."""

    endpoint: str
    pod: str
    uid: str
    since: str
    until: str = ""


class Leadership(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who leads. `leading`: the replica that answers does."""

    leading: bool
    identity: str
    holder: str = ""
    since: str = ""


class RulesInForce(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the configuration says of who may be exposed; as in the configuration file."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    selector: str = ""
    vpc_cidrs: tuple[str, ...] = msgspec.field(default=(), name="vpcCIDRs")
    stateful_kinds: tuple[str, ...] = ()
    max_ports_per_pod: int = 0
    denied_ports: tuple[str, ...] = ()


class StatusDocument(Struct, frozen=True, rename="camel"):
    """All of it. `waits_for`: what the controller itself waits for before it works; `notes`: what
    is wrong and stops nothing. A replica that does not lead knows who leads, and no more.
    """

    at: str
    version: str
    cluster: str
    lease: Leadership
    schema: str = msgspec.field(default=SCHEMA)
    ready: bool = False
    waits_for: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rules: RulesInForce = RulesInForce()
    orders: tuple[Order, ...] = ()
    gateways: tuple[GatewayStatus, ...] = ()
    waiting: tuple[Waiter, ...] = ()
    history: tuple[PastHolder, ...] = ()
    history_since: str = ""


def with_content(
    status: StatusDocument,
    gateways: tuple[GatewayStatus, ...],
    waiting: tuple[Waiter, ...],
    history: tuple[PastHolder, ...],
    since: str,
) -> StatusDocument:
    """With what only the leader knows. `since`: from when on it remembers."""
    return replace(status, gateways=gateways, waiting=waiting, history=history, history_since=since)


_DECODER = msgspec.json.Decoder(StatusDocument)


def encode(status: StatusDocument) -> bytes:
    """As it is served."""
    return msgspec.json.encode(status)


def decode(text: bytes) -> StatusDocument:
    """What was served. Raises ValueError where it is no such document."""
    return decoding.decode(_DECODER, text)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the document."""
    return msgspec.json.schema(StatusDocument)
