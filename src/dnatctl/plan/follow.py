"""Follow: a claim goes where its external IP has gone, so that what people were told stays true."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.objects import PodDNAT
from dnatctl.plan.exposure import Problem
from dnatctl.plan.release import until_rows_are_gone
from dnatctl.plan.status import was_told
from dnatctl.plan.values import Plan, Reclaim, Seen
from dnatctl.pool import Pool


def follow(seen: Seen, record: PodDNAT, pool: Pool) -> Plan | None:
    """What to do for a claim whose external IP is bound to another gateway of the pool, that takes
    it as it is; None for any other.

    The cloud binds an EIP to one gateway at a time, so where another one has it, its own has not;
    but what one answer alone says costs nobody an address (see `dnatctl.control.state.outages`).
    The claim names its own until no row is left there: nothing else would lead a restart to them.
    """
    spec = record.spec
    lacks = pool.lacks(spec.gateway_id, spec.external_ip) and not was_told(record)
    left = spec.gateway_id in seen.absent or bool(seen.outage) or lacks
    if not left or seen.denied:
        return None
    gateway_id = pool.heir(spec, seen.now, seen.key.namespace)
    if not gateway_id:
        return None
    text = f"EIP {spec.external_ip} is bound to {gateway_id} now: the entries move there"
    if waiting := until_rows_are_gone(seen, record, Problem("GatewayUnusable", text)):
        return waiting
    return Plan(Reclaim(replace(spec, gateway_id=gateway_id)))
