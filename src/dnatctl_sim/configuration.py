"""The configuration file that makes `dnatctl run` use an emulated cloud."""

from __future__ import annotations

from typing import Any

import yaml

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.cloud.spec import GatewaySpec

CLUSTER_ID = "c11ba338192xxxxxxx"
PORTS = (512, 1024)
"""The ports handed out, inclusive: those of the vendor's example."""

_TITLE = "# What `dnatctl run` needs to know of the emulated cloud.\n"


def configuration(scenario: Scenario, endpoint: str, *, resync: str) -> str:
    """The file's text, for the VPC of the scenario's first gateway and the gateways in it.

    `endpoint` is the emulator's URL, `resync` a duration as the file has it.
    """
    vpc = next(vpc for vpc in scenario.vpcs if vpc.id == scenario.gateways[0].vpc)
    pool = [
        _pool(gateway)
        for gateway in scenario.gateways
        if gateway.vpc == vpc.id and gateway.network_type == "internet"
    ]
    content: dict[str, Any] = {
        "clusterID": CLUSTER_ID,
        "regionID": vpc.region,
        "vpcID": vpc.id,
        "enableControllers": ["natgw"],
        "networkController": {"natGwPool": pool},
        "endpoints": {"vpc": endpoint, "ecs": endpoint},
        "resync": resync,
    }
    for key in scenario.keys[:1]:
        content["credential"] = {"accessKey": key.id, "accessSecret": key.secret}
    return _TITLE + yaml.safe_dump(content, sort_keys=False)


def _pool(gateway: GatewaySpec) -> dict[str, Any]:
    first, last = PORTS
    return {
        "natgwId": gateway.id,
        "zoneId": gateway.zone,
        "portRangeStart": first,
        "portRangeEnd": last,
        "eips": [],
    }
