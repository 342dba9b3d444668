"""The ground truth of the emulated account, for tests and people: no lag, nothing hidden."""

from __future__ import annotations

from dnatctl_sim.cloud.cloud import Cloud
from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.enis import eni_of, public_ip_of
from dnatctl_sim.cloud.table import Row
from dnatctl_sim.cloud.world import NatGateway, is_lock


def truth(cloud: Cloud) -> dict[str, object]:
    """Gateways, EIPs and the rows of every table by ID, as they are now."""
    with cloud.lock:
        ctx = cloud.context()
        world = ctx.world
        return {
            "now": ctx.now,
            "gateways": {g.gateway_id: _gateway(g) for g in world.gateways.values()},
            "eips": {
                eip.ip: {
                    "instance": eip.instance_id,
                    "status": eip.status,
                    "business_status": eip.business_status,
                    "serves_snat": eip.serves_snat,
                }
                for eip in world.eips.values()
            },
            "tables": {
                g.table.table_id: [_row(ctx, g, row) for row in g.table.rows.values()]
                for g in world.gateways.values()
            },
        }


def rows(cloud: Cloud, table_id: str = "") -> list[dict[str, object]]:
    """The rows of one table, or of all; each as `truth` shows it."""
    with cloud.lock:
        ctx = cloud.context()
        return [
            _row(ctx, gateway, row)
            for gateway in ctx.world.gateways.values()
            if table_id in ("", gateway.table.table_id)
            for row in gateway.table.rows.values()
        ]


def why_not(ctx: Context, gateway: NatGateway, row: Row) -> str:
    """Why packets to a row's endpoint do not reach its internal IP; empty if they do."""
    eip = ctx.world.eips.get(row.mapping.external_ip)
    ip = row.mapping.internal_ip
    if row.status != "Available":
        return f"row is {row.status}"
    if is_lock(gateway.business_status) or gateway.status not in ("Available", "Modifying"):
        return f"gateway is {gateway.status}, {gateway.business_status}"
    if eip is None or eip.instance_id != gateway.gateway_id or eip.status != "InUse":
        return "EIP is not in use by the gateway"
    if is_lock(eip.business_status):
        return f"EIP is {eip.business_status}"
    if eni_of(ctx.world, ctx.knobs, gateway.vpc, ip) is None:
        return "no interface owns the internal IP"
    if public_ip_of(ctx.world, gateway.vpc.vpc_id, ip):
        return "the internal IP has an EIP of its own"
    return ""


def _gateway(gateway: NatGateway) -> dict[str, object]:
    return {
        "table": gateway.table.table_id,
        "vpc": gateway.vpc.vpc_id,
        "zone": gateway.zone_id,
        "status": gateway.status,
        "business_status": gateway.business_status,
    }


def _row(ctx: Context, gateway: NatGateway, row: Row) -> dict[str, object]:
    m = row.mapping
    why = why_not(ctx, gateway, row)
    return {
        "entry_id": row.entry_id,
        "table": gateway.table.table_id,
        "gateway": gateway.gateway_id,
        "external_ip": m.external_ip,
        "external_port": m.external_port,
        "internal_ip": m.internal_ip,
        "internal_port": m.internal_port,
        "protocol": m.protocol.lower(),
        "name": row.name,
        "status": row.status,
        "origin": row.origin,
        "works": not why,
        "why_not": why,
    }
