"""DescribeRouteTableList and DescribeRouteEntryList."""

from __future__ import annotations

from collections.abc import Iterable

from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.params import Page, Params
from dnatctl_sim.cloud.world import Route, RouteTable

LARGEST_PAGE = 50


def describe_route_table_list(ctx: Context, params: Params) -> dict[str, object]:
    """The route tables of the region that match every filter given, by page number."""
    page = Page.of(params, LARGEST_PAGE)
    found = [
        table
        for table in _tables(ctx)
        if params.text("VpcId", table.vpc_id) == table.vpc_id
        and params.text("RouteTableId", table.table_id) == table.table_id
        and params.text("RouteTableType", table.kind) == table.kind
    ]
    shown = found[page.start : page.start + page.size]
    return page.describe(len(found)) | {
        "RouterTableList": {"RouterTableListType": [_describe(ctx, table) for table in shown]}
    }


def describe_route_entry_list(ctx: Context, params: Params) -> dict[str, object]:
    """The entries of one route table, by MaxResult and NextToken."""
    table_id = params.required("RouteTableId")
    size = params.number("MaxResult", 10, low=1, high=100)
    table = next((t for t in _tables(ctx) if t.table_id == table_id), None)
    if table is None:
        raise refusal("InvalidRouteTableId.NotFound", status=404)
    found = [route for route in table.routes if _matches(route, params)]
    start = _offset(params.text("NextToken"), table)
    more = start + size < len(found)
    return {
        "RouteEntrys": {"RouteEntry": [_route(route) for route in found[start : start + size]]},
        "NextToken": f"{table.table_id}.{start + size}" if more else "",
    }


def _tables(ctx: Context) -> Iterable[RouteTable]:
    for table in ctx.world.route_tables.values():
        if ctx.world.vpcs[table.vpc_id].region == ctx.region:
            yield table


def _describe(ctx: Context, table: RouteTable) -> dict[str, object]:
    return {
        "RouteTableId": table.table_id,
        "RouteTableType": table.kind,
        "AssociateType": "VSwitch",
        "VSwitchIds": {"VSwitchId": _vswitches(ctx, table)},
        "VpcId": table.vpc_id,
        "RouterType": "VRouter",
        "Status": "Available",
    }


def _vswitches(ctx: Context, table: RouteTable) -> list[str]:
    if table.kind != "System":
        return table.vswitch_ids
    siblings = (t for t in _tables(ctx) if t.vpc_id == table.vpc_id and t is not table)
    taken = {vswitch for sibling in siblings for vswitch in sibling.vswitch_ids}
    return [v for v in ctx.world.vpcs[table.vpc_id].vswitches if v not in taken]


def _matches(route: Route, params: Params) -> bool:
    cidrs = params.listed("DestCidrBlockList", 20)
    return (
        (not cidrs or route.cidr in cidrs)
        and params.text("DestinationCidrBlock", route.cidr) == route.cidr
        and params.text("NextHopType", route.next_hop_type) == route.next_hop_type
        and params.text("NextHopId", route.next_hop_id) == route.next_hop_id
        and params.text("RouteEntryType", route.kind) == route.kind
    )


def _route(route: Route) -> dict[str, object]:
    return {
        "DestinationCidrBlock": route.cidr,
        "Status": "Available",
        "Type": route.kind,
        "IpVersion": "IPv4",
        "NextHops": {
            "NextHop": [
                {"NextHopId": route.next_hop_id, "NextHopType": route.next_hop_type, "Enabled": 1}
            ]
        },
    }


def _offset(token: str, table: RouteTable) -> int:
    if not token:
        return 0
    owner, _, offset = token.rpartition(".")
    if owner != table.table_id or not offset.isdecimal():
        raise refusal("InvalidParameter", "NextToken is not one of this list's.")
    return int(offset)
