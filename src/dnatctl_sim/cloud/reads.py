"""The reads of gateways, forward tables and EIPs, by page number.

Nothing holds a list still while a client pages through it: rows that come or go in between move
the others, as on the real thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.params import Page, Params
from dnatctl_sim.cloud.table import ForwardTable, Row, Snapshot
from dnatctl_sim.cloud.world import Eip, NatGateway, is_lock

LARGEST_PAGE = 50
LARGEST_EIP_PAGE = 100
_ROW_FILTERS = ("ExternalIp", "ExternalPort", "InternalIp", "InternalPort", "IpProtocol")
_INSTANCE_TYPES = frozenset(
    ("EcsInstance", "SlbInstance", "Nat", "HaVip", "NetworkInterface", "IpAddress")
)


def describe_forward_table_entries(ctx: Context, params: Params) -> dict[str, object]:
    """The rows of one table that match every filter given."""
    gateway = _table_owner(ctx, params)
    page = Page.of(params, LARGEST_PAGE)
    rows, total = _rows(ctx, _backend(ctx, gateway.table), params, page)
    total = max(total + ctx.knobs.total_error, 0)
    if ctx.knobs.lists_nothing:
        rows = []
    return page.describe(total) | {
        "ForwardTableEntries": {"ForwardTableEntry": [_row(ctx, gateway, row) for row in rows]}
    }


def _table_owner(ctx: Context, params: Params) -> NatGateway:
    table_id, gateway_id = params.text("ForwardTableId"), params.text("NatGatewayId")
    if table_id:
        gateway = ctx.world.gateway_of_table(table_id, ctx.region)
        if gateway_id in ("", gateway.gateway_id):
            return gateway
    elif gateway_id:
        found = ctx.world.gateways.get(gateway_id)
        if found and found.vpc.region == ctx.region:
            return found
    else:
        raise refusal("DESCRIBE_FORWARD_PARAM_INVALID")
    raise refusal("InvalidForwardTableId.NotFound")


def _backend(ctx: Context, table: ForwardTable) -> Snapshot | ForwardTable:
    """Who answers: backends take turns, and one may be behind."""
    knobs, now = ctx.knobs, ctx.now
    table.reads += 1
    if knobs.backend_lag:
        table.remember(now, knobs.backend_lag)
        if table.reads % 2 == 0:
            return table.as_of(now - knobs.backend_lag)
    return table.with_dropped(now, knobs.delete_lag) if knobs.delete_lag else table


def _rows(
    ctx: Context, table: Snapshot | ForwardTable, params: Params, page: Page
) -> tuple[Sequence[Row], int]:
    entry_id, name = params.text("ForwardEntryId"), params.text("ForwardEntryName")
    filters = [(key, value) for key in _ROW_FILTERS if (value := params.text(key))]
    rows: Iterable[Row] = table.rows.values()
    if entry_id:
        rows = [table.rows[entry_id]] if entry_id in table.rows else []
    elif not (name or filters or table.hidden_until > ctx.now):
        # A plain list, by far the most frequent read, costs no look at each row.
        return list(islice(_ordered(ctx, table), page.start, page.start + page.size)), len(table)
    elif ctx.knobs.newest_first:
        rows = _ordered(ctx, table)
    found = [
        row
        for row in rows
        if (row.visible_at <= ctx.now or (entry_id and not ctx.knobs.read_lag_by_id))
        and name in ("", row.name)
        and all(_field(row, key) == value.lower() for key, value in filters)
    ]
    return found[page.start : page.start + page.size], len(found)


def _ordered(ctx: Context, table: Snapshot | ForwardTable) -> Iterator[Row]:
    rows = table.rows.values()
    return reversed(rows) if ctx.knobs.newest_first else iter(rows)


def _field(row: Row, key: str) -> str:
    m = row.mapping
    match key:
        case "ExternalIp":
            return m.external_ip
        case "ExternalPort":
            return m.external_port.lower()
        case "InternalIp":
            return m.internal_ip
        case "InternalPort":
            return m.internal_port.lower()
        case _:
            return m.protocol.lower()


def _row(ctx: Context, gateway: NatGateway, row: Row) -> dict[str, object]:
    m = row.mapping
    return {
        "ForwardEntryId": row.entry_id,
        "ForwardTableId": gateway.table.table_id,
        "NatGatewayId": gateway.gateway_id,
        "ExternalIp": m.external_ip,
        "ExternalPort": _port(ctx, m.external_port),
        "InternalIp": m.internal_ip,
        "InternalPort": _port(ctx, m.internal_port),
        "IpProtocol": _protocol(ctx, m.protocol),
        "ForwardEntryName": row.name,
        "Status": row.status,
    }


def _port(ctx: Context, text: str) -> str | int:
    return int(text) if ctx.knobs.ports_as_numbers and text.isdecimal() else text


def _protocol(ctx: Context, text: str) -> str:
    match ctx.knobs.protocol_case:
        case "lower":
            return text.lower()
        case "upper":
            return text if text.lower() == "any" else text.upper()
        case "echo":
            return text


def describe_nat_gateways(ctx: Context, params: Params) -> dict[str, object]:
    """The gateways of the region that match every filter given."""
    page = Page.of(params, LARGEST_PAGE)
    _dry_run(params)
    found = [g for g in ctx.world.gateways.values() if _gateway_matches(ctx, g, params)]
    shown = found[page.start : page.start + page.size]
    return page.describe(len(found)) | {
        "NatGateways": {"NatGateway": [_gateway(ctx, gateway) for gateway in shown]}
    }


def _gateway_matches(ctx: Context, gateway: NatGateway, params: Params) -> bool:
    return (
        gateway.vpc.region == ctx.region
        and params.text("NatGatewayId", gateway.gateway_id) == gateway.gateway_id
        and params.text("VpcId", gateway.vpc.vpc_id) == gateway.vpc.vpc_id
        and params.text("Name", gateway.name) == gateway.name
        and params.text("NetworkType", gateway.network_type) == gateway.network_type
        and params.text("NatType", gateway.nat_type) == gateway.nat_type
        and params.text("Status", gateway.status) == gateway.status
        and params.text("ZoneId", gateway.zone_id) == gateway.zone_id
    )


def _gateway(ctx: Context, gateway: NatGateway) -> dict[str, object]:
    described: dict[str, object] = {
        "NatGatewayId": gateway.gateway_id,
        "Name": gateway.name,
        "RegionId": gateway.vpc.region,
        "VpcId": gateway.vpc.vpc_id,
        "Status": gateway.status,
        "BusinessStatus": gateway.business_status,
        "NatType": gateway.nat_type,
        "NetworkType": gateway.network_type,
        "EipBindMode": "MULTI_BINDED",
        "ForwardTableIds": {"ForwardTableId": [gateway.table.table_id]},
        "SnatTableIds": {"SnatTableId": [f"stb-{gateway.gateway_id.removeprefix('ngw-')}"]},
        "IpLists": {
            "IpList": [_bound(gateway, eip) for eip in ctx.world.eips_of(gateway.gateway_id)]
        },
    }
    if gateway.nat_type == "Enhanced":
        described["NatGatewayPrivateInfo"] = {
            "IzNo": gateway.zone_id,
            "VswitchId": gateway.vswitch_id,
            "EniInstanceId": f"eni-{gateway.gateway_id.removeprefix('ngw-')}",
            "MaxBandwidth": 5120,
        }
    return described


def _bound(gateway: NatGateway, eip: Eip) -> dict[str, object]:
    used = gateway.table.external.uses(eip.ip)
    uses = [name for name, on in (("Forward", used), ("Snat", eip.serves_snat)) if on]
    return {
        "AllocationId": eip.allocation_id,
        "IpAddress": eip.ip,
        "SnatEntryEnabled": gateway.nat_type == "Enhanced",
        "UsingStatus": "".join(f"UsedBy{use}Table" for use in uses) or "Idle",
    }


def describe_eip_addresses(ctx: Context, params: Params) -> dict[str, object]:
    """The EIPs of the region that match every filter given."""
    page = Page.of(params, LARGEST_EIP_PAGE)
    kind = params.text("AssociatedInstanceType")
    if kind and kind not in _INSTANCE_TYPES:
        raise refusal("InvalidIAssociatedInstanceType.ValueNotSupported")
    _dry_run(params)
    ips = params.joined("EipAddress", 50)
    ids = params.joined("AllocationId", 50)
    found = [
        eip
        for eip in ctx.world.eips.values()
        if eip.region == ctx.region
        and (not ips or eip.ip in ips)
        and (not ids or eip.allocation_id in ids)
        and params.text("Status", eip.status) == eip.status
        and kind in ("", eip.instance_type)
        and params.text("AssociatedInstanceId", eip.instance_id) == eip.instance_id
    ]
    shown = found[page.start : page.start + page.size]
    return page.describe(len(found)) | {"EipAddresses": {"EipAddress": [_eip(e) for e in shown]}}


def _eip(eip: Eip) -> dict[str, object]:
    locked = is_lock(eip.business_status)
    return {
        "AllocationId": eip.allocation_id,
        "IpAddress": eip.ip,
        "RegionId": eip.region,
        "InstanceId": eip.instance_id,
        "InstanceType": eip.instance_type,
        "Status": eip.status,
        "BusinessStatus": eip.business_status,
        "Bandwidth": "5",
        "ChargeType": "PostPaid",
        "OperationLocks": {"LockReason": [{"LockReason": "financial"}] if locked else []},
    }


def _dry_run(params: Params) -> None:
    if params.flag("DryRun"):
        raise refusal("DryRunOperation")
