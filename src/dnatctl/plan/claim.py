"""Claim: what a pod that has nothing yet is to get."""

from __future__ import annotations

from dnatctl.objects import PodDNATSpec
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Plan, Seen
from dnatctl.pool import Demand, Pool, Shortage


def allot(seen: Seen, pool: Pool) -> PodDNATSpec | Plan:
    """Endpoints for all ports that are asked for, as a claim; a plan to wait if there are none."""
    found = pool.pick(Demand(seen.exposure.ports, seen.zone_id), seen.now)
    if isinstance(found, Shortage):
        return Plan(problem=Problem(found.reason, found.message), retry_in=found.retry_in)
    return PodDNATSpec(
        gateway_id=found.gateway_id,
        external_ip=found.external_ip,
        internal_ip=seen.exposure.ip,
        protocol=found.ports[0].protocol,
        ports=found.ports,
        eni=seen.eni.eni_id if seen.eni else "",
        vswitch=seen.eni.vswitch_id if seen.eni else "",
        zone_id=seen.eni.zone_id if seen.eni else seen.zone_id,
    )
