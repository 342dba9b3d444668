"""ecs:DescribeNetworkInterfaces: the network interfaces behind pod IPs.

Every address of a pod vSwitch belongs to an interface, as with Terway: runs of consecutive
addresses share one, invented when first asked for and always the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.knobs import Knobs
from dnatctl_sim.cloud.params import Params
from dnatctl_sim.cloud.world import Eni, Vpc, VSwitch, World

MOST_ADDRESSES = 100


def describe_network_interfaces(ctx: Context, params: Params) -> dict[str, object]:
    """The interfaces that match every filter given, by MaxResults and NextToken."""
    ips = params.listed("PrivateIpAddress", MOST_ADDRESSES)
    wanted = [
        eni
        for eni in _candidates(ctx, params, ips)
        if _matches(eni, params, ips, primary_too=ctx.knobs.filter_matches_primary)
    ]
    size = params.number("MaxResults", 10, low=10, high=500)
    start = _offset(params.text("NextToken"))
    rest = start + size < len(wanted)
    return {
        "NetworkInterfaceSets": {
            "NetworkInterfaceSet": [_describe(eni) for eni in wanted[start : start + size]]
        },
        "NextToken": _token(start + size) if rest else "",
        # Meaningless while paging by token, says the reference; so nobody may rely on it.
        "TotalCount": 0,
        "PageSize": size,
        "PageNumber": 1,
    }


def eni_of(world: World, knobs: Knobs, vpc: Vpc, ip: str) -> Eni | None:
    """The interface that owns `ip`, or None."""
    for eni in world.enis.values():
        if eni.vpc_id == vpc.vpc_id and ip in eni.ips:
            return eni
    if not knobs.synthesize_enis or (vpc.vpc_id, ip) in world.unknown_ips:
        return None
    vswitch = vpc.vswitch_of(ip)
    if vswitch is None or not vswitch.pods:
        return None
    return _invent(world, knobs, vpc, vswitch, ip)


def public_ip_of(world: World, vpc_id: str, ip: str) -> str:
    """The EIP that `ip` itself has, or an empty string."""
    for eni in world.enis.values():
        if eni.vpc_id == vpc_id and ip in eni.public_ips:
            return eni.public_ips[ip]
    return world.public_ips.get((vpc_id, ip), "")


def _invent(world: World, knobs: Knobs, vpc: Vpc, vswitch: VSwitch, ip: str) -> Eni:
    base = int(vswitch.network.network_address)
    group = (int(IPv4Address(ip)) - base) // knobs.ips_per_eni
    first = base + group * knobs.ips_per_eni
    last = min(first + knobs.ips_per_eni, base + vswitch.network.num_addresses)
    ips = [str(IPv4Address(number)) for number in range(first, last)]
    ips = [one for one in ips if (vpc.vpc_id, one) not in world.unknown_ips]
    return Eni(
        eni_id=f"eni-{vswitch.vswitch_id.removeprefix('vsw-')}{group:06x}",
        vpc_id=vpc.vpc_id,
        vswitch_id=vswitch.vswitch_id,
        zone_id=vswitch.zone_id,
        ips=ips,
        public_ips={
            one: world.public_ips[vpc.vpc_id, one]
            for one in ips
            if (vpc.vpc_id, one) in world.public_ips
        },
        instance_id=f"i-{vswitch.vswitch_id.removeprefix('vsw-')}{group // 10:06x}",
    )


def _candidates(ctx: Context, params: Params, ips: Iterable[str]) -> Iterable[Eni]:
    found = {eni.eni_id: eni for eni in ctx.world.enis.values()}
    for ip in [*ips, params.text("PrimaryIpAddress")]:
        for vpc in _vpcs(ctx, params):
            if ip and (eni := _valid_eni(ctx, vpc, ip)):
                found[eni.eni_id] = eni
    return found.values()


def _valid_eni(ctx: Context, vpc: Vpc, ip: str) -> Eni | None:
    try:
        return eni_of(ctx.world, ctx.knobs, vpc, ip)
    except ValueError:
        raise refusal("InvalidParameter", f"{ip} is not an IP address.") from None


def _vpcs(ctx: Context, params: Params) -> Iterator[Vpc]:
    wanted = params.text("VpcId")
    for vpc in ctx.world.vpcs.values():
        if vpc.region == ctx.region and wanted in ("", vpc.vpc_id):
            yield vpc


def _matches(eni: Eni, params: Params, ips: list[str], *, primary_too: bool) -> bool:
    ids = params.listed("NetworkInterfaceId", 100)
    own = eni.ips if primary_too else eni.ips[1:]
    return (
        (not ips or any(ip in own for ip in ips))
        and (not ids or eni.eni_id in ids)
        and params.text("PrimaryIpAddress", eni.ips[0]) == eni.ips[0]
        and params.text("VpcId", eni.vpc_id) == eni.vpc_id
        and params.text("VSwitchId", eni.vswitch_id) == eni.vswitch_id
        and params.text("InstanceId", eni.instance_id) == eni.instance_id
        and params.text("Type", eni.kind) == eni.kind
        and params.text("Status", eni.status) == eni.status
    )


def _describe(eni: Eni) -> dict[str, object]:
    return {
        "NetworkInterfaceId": eni.eni_id,
        "VpcId": eni.vpc_id,
        "VSwitchId": eni.vswitch_id,
        "ZoneId": eni.zone_id,
        "InstanceId": eni.instance_id,
        "Status": eni.status,
        "Type": eni.kind,
        "PrivateIpAddress": eni.ips[0],
        "PrivateIpSets": {
            "PrivateIpSet": [_address(eni, index, ip) for index, ip in enumerate(eni.ips)]
        },
        "AssociatedPublicIp": _public(eni, eni.ips[0]),
        "Attachment": {
            "InstanceId": eni.instance_id,
            "TrunkNetworkInterfaceId": eni.trunk_eni_id,
        },
        "SecurityGroupIds": {"SecurityGroupId": ["sg-sim"]},
    }


def _address(eni: Eni, index: int, ip: str) -> dict[str, object]:
    return {
        "PrivateIpAddress": ip,
        "Primary": index == 0,
        "AssociatedPublicIp": _public(eni, ip),
    }


def _public(eni: Eni, ip: str) -> dict[str, object]:
    public = eni.public_ips.get(ip)
    return {"PublicIpAddress": public} if public else {}


def _token(offset: int) -> str:
    return f"{offset:x}".rjust(16, "g")


def _offset(token: str) -> int:
    if not token:
        return 0
    try:
        return int(token.lstrip("g"), 16)
    except ValueError:
        raise refusal("InvalidParameter", "NextToken is not one of ours.") from None
