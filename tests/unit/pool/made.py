"""Pools, demands and claims, made from as few words as a test needs."""

from __future__ import annotations

from collections.abc import Mapping

from dnatctl.model import Endpoint, ForwardEntry, GatewayEip, PortRange
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.pool import Allocation, Demand, GatewayPool, Pool, Quota, Shortage
from dnatctl.pool.handover import Resting, Span
from tests.unit.table.made import EIP, GATEWAY, TCP, view

QUARANTINE = 60.0


def offer(gateway_id: str = GATEWAY, ports: str = "600/609", **more) -> GatewayPool:
    return GatewayPool(gateway_id, PortRange.parse(ports), **more)


def resting(remaining: Mapping[Endpoint, float]) -> Resting:
    """What a leader leaves of these quarantines: seconds that remain for each endpoint."""
    spans = (
        Span(e.ip, e.protocol, PortRange(e.port, e.port), left) for e, left in remaining.items()
    )
    return Resting(tuple(spans))


def eip(ip: str = EIP, problem: str = "", *, snat: bool = False) -> GatewayEip:
    return GatewayEip(ip, usable=not problem, serves_snat=snat, problem=problem)


def pool_of(
    *offers: GatewayPool,
    rows: dict[str, list[ForwardEntry]] | None = None,
    eips: dict[str, list[GatewayEip]] | None = None,
    quota: Quota = lambda _namespace: None,
) -> Pool:
    """A pool whose gateways are all described and whose tables have been read."""
    offers = offers or (offer(),)
    tables = {
        o.gateway_id: view(*(rows or {}).get(o.gateway_id, []), gateway_id=o.gateway_id)
        for o in offers
    }
    pool = Pool(offers, tables, QUARANTINE, quota)
    for number, o in enumerate(offers, 1):
        found = (eips or {}).get(o.gateway_id, [eip(f"{number}.{number}.{number}.{number}")])
        pool.describe(o.gateway_id, found, "")
    return pool


def demand(*ports: int | tuple, zone: str = "") -> Demand:
    """TCP ports unless they say otherwise."""
    return Demand(tuple(p if isinstance(p, tuple) else (p, TCP) for p in ports), zone)


def spec_of(found: Allocation) -> PodDNATSpec:
    return PodDNATSpec(found.gateway_id, found.external_ip, ports=found.ports)


def spec(*ports: int, ip: str = EIP, gateway_id: str = GATEWAY, protocol=TCP) -> PodDNATSpec:
    """A claim to those external ports, for internal ports 80, 81 and so on."""
    mappings = (PortMapping(port, 80 + n, protocol) for n, port in enumerate(ports))
    return PodDNATSpec(gateway_id, ip, ports=tuple(mappings))


def endpoint(port: int, ip: str = EIP, protocol=TCP) -> Endpoint:
    return Endpoint(ip, port, protocol)


def got(found: Allocation | Shortage) -> list[str]:
    """External addresses of an allocation, as text; what was short otherwise."""
    if isinstance(found, Shortage):
        return [found.message]
    return [f"{found.external_ip}:{p.external}/{p.protocol}" for p in found.ports]


def take(pool: Pool, uid: str, *ports: int | tuple, zone: str = "", now: float = 0.0) -> list[str]:
    """Pick and claim, as a pod that asks would."""
    found = pool.pick(demand(*ports, zone=zone), now)
    if isinstance(found, Allocation):
        pool.claim(uid, uid, spec_of(found), now)
    return got(found)
