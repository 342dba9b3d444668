"""Claim: what a pod that has nothing yet is to get."""

from __future__ import annotations

from datetime import timedelta

from dnatctl.objects import PodDNATSpec
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Allowance, Plan, Seen
from dnatctl.pool import Allocation, Demand, Pool, Shortage, Wanted


def withheld(seen: Seen, count: int) -> Allowance | None:
    """What keeps the name from taking so many more endpoints now, if anything does."""
    allowance = seen.allowance
    return allowance if allowance is not None and allowance.left < count else None


def allot(seen: Seen, pool: Pool) -> PodDNATSpec | Plan:
    """Endpoints for all ports that are asked for, as a claim; a plan to wait if there are none."""
    if why := withheld(seen, len(seen.exposure.ports)):
        return Plan(problem=why.problem, retry_in=why.retry_in)
    found = asked_before(seen, pool, seen.exposure.ports) or pool.pick(
        Demand(seen.exposure.ports, seen.zone_id), seen.now
    )
    if isinstance(found, Shortage):
        return Plan(problem=lacking(seen, found), retry_in=found.retry_in)
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


def lacking(seen: Seen, shortage: Shortage) -> Problem:
    """What is wrong where the pool has nothing; what rests is told with the time of its end."""
    detail = ""
    if shortage.resting and shortage.retry_in is not None:
        end = seen.wall + timedelta(seconds=shortage.retry_in)
        detail = f"{shortage.resting} endpoints rest after use, the next until {end:%H:%M:%S} UTC"
    return Problem(shortage.reason, shortage.message, detail)


def asked_before(seen: Seen, pool: Pool, wanted: Wanted) -> Allocation | None:
    """The endpoints that were asked for before, with no certain answer: asked for again.

    So of one name no more than one set is ever in doubt.
    """
    asked = seen.asked
    if asked is None:
        return None
    has = {(port.internal, port.protocol): port for port in asked.ports}
    if any(port not in has for port in wanted) or not pool.can_keep(asked, seen.now):
        return None
    ports = tuple(has[port] for port in wanted)
    return Allocation(asked.gateway_id, asked.external_ip, ports)
