"""Scenes: a pod, its PodDNAT, tables and pool, made from as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dnatctl.model import Endpoint, ForwardEntry, GatewayEip, NewEntry, PortRange, Protocol
from dnatctl.objects import (
    FINALIZER,
    READY,
    Condition,
    Key,
    Owner,
    Pod,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    PortMapping,
    StatusEntry,
)
from dnatctl.plan.exposure import FIXED, PORTS, SWITCH, Rules, read_exposure
from dnatctl.plan.plan import plan
from dnatctl.plan.values import Plan, Policy, Publish, Reclaim, Retire, Seen
from dnatctl.pool import GatewayPool, Pool
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Refusal
from tests.unit.pool.made import QUARANTINE, eip, offer
from tests.unit.table.made import EIP, GATEWAY, MARKS, POD_IP, TCP, row, uid, view

KEY = Key("games", "lobby-0")
ME = uid(1)
OTHER = uid(2)
NOW = 1000.0
WALL = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
POD_OWNER = Owner("v1", "Pod", "lobby-0", "uid-pod")
SET = Owner("apps/v1", "StatefulSet", "lobby", "uid-set", controller=True)


def stamp(ago: float = 0.0) -> str:
    """A time so many seconds before now, as Kubernetes writes it."""
    return (WALL - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(ports: str = "80", *, ip: str = POD_IP, fixed: bool = False, **more: Any) -> Pod:
    """The pod of KEY, which exposes those ports."""
    annotations = {SWITCH: "true", PORTS: ports} | ({FIXED: ""} if fixed else {})
    known = {"ips": (ip,) if ip else (), "owner": SET if fixed else None, **more}
    return Pod(KEY, "uid-pod", "1", known.pop("annotations", annotations), **known)


def ports(*pairs: tuple[int, int] | tuple[int, int, Protocol]) -> tuple[PortMapping, ...]:
    """Claimed ports: external, internal, protocol (TCP unless given)."""
    return tuple(PortMapping(p[0], p[1], p[2] if len(p) == 3 else TCP) for p in pairs)


def spec(*pairs: tuple, ip: str = POD_IP, **more: Any) -> PodDNATSpec:
    known = {"gateway_id": GATEWAY, "external_ip": EIP, **more}
    return PodDNATSpec(internal_ip=ip, ports=ports(*(pairs or ((600, 80),))), **known)


def ready(status: str = "True", reason: str = "EntriesAvailable", message: str = "", ago=100.0):
    message = message or "1 of 1 ports are reachable"
    return Condition(READY, status, reason, message, stamp(ago), 1)


def listed(*rows: ForwardEntry) -> tuple[StatusEntry, ...]:
    """How status lists rows: an entry for each port."""
    return tuple(
        StatusEntry(
            Endpoint(r.external_ip, r.external_ports.first + n, r.protocol or TCP),
            r.internal_ip,
            r.internal_ports.first + n,
            r.entry_id,
        )
        for r in rows
        for n in range(len(r.external_ports))
    )


def record(
    *pairs: tuple,
    entries: Iterable[ForwardEntry] = (),
    conditions: tuple[Condition, ...] = (),
    claim: PodDNATSpec | None = None,
    fixed: bool = False,
    **more: Any,
) -> PodDNAT:
    """The PodDNAT of KEY, with finalizer and owner as they should be."""
    known = {"finalizers": (FINALIZER,), "owners": (SET if fixed else POD_OWNER,), **more}
    status = PodDNATStatus(listed(*entries), conditions, 1)
    return PodDNAT(KEY, ME, "1", spec=claim or spec(*pairs), status=status, **known)


def mine(entry_id: str = "fwd-1", *args: Any, **more: Any) -> ForwardEntry:
    """A row of the PodDNAT of KEY."""
    return row(entry_id, *args, **{"owner": ME, **more})


def new_row(external: str, internal: str, protocol: Protocol = TCP, **more: Any) -> NewEntry:
    """A row to be created on EIP for the pod: ranges as the cloud writes them."""
    known = {"external_ip": EIP, "internal_ip": POD_IP, **more}
    return NewEntry(
        external_ports=PortRange.parse(external),
        internal_ports=PortRange.parse(internal),
        protocol=protocol,
        name=MARKS.name(ME, "games-lobby-0"),
        **known,
    )


def create(external: str = "600", internal: str = "80", *args: Any, intent="1/", **more: Any):
    return CreateRow(GATEWAY, new_row(external, internal, *args, **more), intent)


def modify(entry_id: str, external: str, internal: str, *args: Any, intent="1/", **more: Any):
    return ModifyRow(GATEWAY, entry_id, new_row(external, internal, *args, **more), intent)


def delete(entry_id: str = "fwd-1", gateway_id: str = GATEWAY) -> DeleteRow:
    return DeleteRow(gateway_id, entry_id)


WEB = mine()
TLS = mine("fwd-2", f"{EIP}:601", f"{POD_IP}:443")
ONE = record((600, 80), entries=[WEB], conditions=(ready(),))
BOTH = pod("80,443")


class Scene:
    """One name with everything that concerns it; `rows` are those of GATEWAY's table.

    `others`: claims of other PodDNATs by UID. More keywords go into `Seen`.
    """

    def __init__(
        self,
        *rows: ForwardEntry,
        pod: Pod | None = None,
        record: PodDNAT | None = None,
        offers: tuple[GatewayPool, ...] = (offer(),),
        eips: dict[str, list[GatewayEip]] | None = None,
        tables: dict[str, Any] | None = None,
        others: dict[str, PodDNATSpec] | None = None,
        rules: Rules | None = None,
        policy: Policy | None = None,
        **seen: Any,
    ) -> None:
        self.tables = {o.gateway_id: view(gateway_id=o.gateway_id) for o in offers}
        self.tables[GATEWAY] = view(*rows)
        self.tables.update(tables or {})
        self.pool = Pool(offers, self.tables, QUARANTINE)
        for number, o in enumerate(offers, 1):
            found = (eips or {}).get(o.gateway_id, [eip(f"{number}.{number}.{number}.{number}")])
            self.pool.describe(o.gateway_id, found, "")
        for other, claim in (others or {}).items():
            self.pool.claim(other, stamp(5000), claim, 0.0)
        if record is not None:
            self.pool.claim(ME, stamp(1000), record.spec, 0.0)
        self.seen = Seen(
            key=KEY,
            exposure=read_exposure(pod, rules or Rules()),
            pod=pod,
            record=record,
            tables=self.tables,
            marks=MARKS,
            policy=policy or Policy(),
            now=NOW,
            wall=WALL,
            **seen,
        )

    def plan(self, **changes: Any) -> Plan:
        """What is to be done next; `changes` to what is seen."""
        return plan(replace(self.seen, **changes), self.pool)


def refused(entry: NewEntry, why: Any, count: int = 1, generation: int = 1) -> dict:
    """A standing refusal, for `Seen.refusals`."""
    return {entry: Refusal(why, count, generation, f"{why}: no")}


def condition(made: Plan) -> tuple[str, str, str]:
    """The Ready condition that a plan publishes: status, reason, message."""
    assert isinstance(made.step, Publish)
    found = made.step.status.condition("Ready")
    return found.status, found.reason, found.message


def entries(made: Plan) -> list[str]:
    assert isinstance(made.step, Publish)
    return [e.entry_id for e in made.step.status.entries]


def retired(made: Plan) -> list[int]:
    assert isinstance(made.step, Retire)
    return [e.port for e in made.step.endpoints]


def reclaimed(made: Plan) -> PodDNATSpec:
    assert isinstance(made.step, Reclaim)
    return made.step.spec
