"""What works and may not be what was meant: told, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network

from dnatctl.config.schema import NATGW, Config

PREFIX = "DNATCTL_"
_CLOSE = 0.85
"""Of difflib's measure. Kubernetes sets variables for each Service, DNATCTL_SERVICE_HOST for one of
that name: what is not nearly one of ours is none of our business."""

UNCALLED = ("DescribeRouteEntryList", "DescribeRouteTableList")
"""What `rateLimits` may name, as the older program calls it, and dnatctl does not."""

_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918."""

_ZONE = re.compile(r"[a-z]{2,}(-[a-z0-9]+)*-[a-z]")


def doubts(config: Config) -> Iterator[str]:
    """A sentence for each thing in the configuration."""
    for name in config.enable_controllers:
        if name != NATGW:
            yield f"enableControllers: {name!r} is ignored: dnatctl has no such controller"
    for name in sorted(config.rate_limits.keys() & set(UNCALLED)):
        yield f"rateLimits: {name} is ignored: dnatctl does not call it"
    if _ZONE.fullmatch(config.region_id):
        yield f"regionID: {config.region_id} looks like a zone; a region is such as cn-hangzhou"
    for gateway in config.gateways:
        if gateway.zone_id and not gateway.zone_id.startswith(config.region_id):
            yield (
                f"networkController.natGwPool: {gateway.gateway_id} has zoneId {gateway.zone_id},"
                f" which is not a zone of region {config.region_id}: no pod is nearer to it"
            )
        for ip in gateway.eips:
            if any(IPv4Address(ip) in network for network in _PRIVATE):
                yield (
                    f"networkController.natGwPool: {gateway.gateway_id} has {ip} among its eips,"
                    " which is a private address: an EIP is a public one"
                )
    for name in config.namespaces.allow:
        if name in config.namespaces.deny:
            yield f"namespaces: {name} is in allow and in deny: deny wins"


def misspelt(env: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """A sentence for each variable of the environment that is nearly one of the `known` ones."""
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known:
            for meant in get_close_matches(name, known, 1, _CLOSE):
                yield f"{name} in the environment is ignored; did you mean {meant}?"
