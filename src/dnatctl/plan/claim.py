"""Claim: which endpoints a record is to have, and what to do until it has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from dnatctl.amounts import amount
from dnatctl.model import Endpoint
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.plan.case import Case
from dnatctl.plan.exposure import Ask, Problem, owner_for
from dnatctl.plan.regain import regain
from dnatctl.plan.values import CreateRecord, Plan, Reclaim, Retire, Seen
from dnatctl.pool import Allocation, Demand, Pool, Shortage, Wanted


@dataclass(frozen=True, slots=True)
class Lack:
    """Why there is no endpoint for something that is asked for, and in how many seconds there may
    be one; None where that will be heard of."""

    problem: Problem
    retry_in: float | None

    def plan(self) -> Plan:
        """Wait for it."""
        return Plan(problem=self.problem, retry_in=self.retry_in)


# --- a claim where there is none


def claim(seen: Seen, pool: Pool) -> Plan:
    """A pod that has no record gets one, if it asks for it."""
    pod, exposure = seen.pod, seen.exposure
    if pod is None or pod.deleting or exposure.ask is not Ask.ON:
        return Plan(problem=exposure.problem)
    found = _allot(seen, pool)
    if isinstance(found, Lack):
        return found.plan()
    return Plan(CreateRecord(found, owner_for(pod, exposure)))


def fill_in(seen: Seen, pool: Pool) -> Plan:
    """A record that claims nothing anywhere was written so by hand: it is to claim something."""
    if seen.exposure.ask is not Ask.ON:
        return Plan(problem=seen.exposure.problem)
    found = _allot(seen, pool)
    return found.plan() if isinstance(found, Lack) else Plan(Reclaim(found))


def _allot(seen: Seen, pool: Pool) -> PodDNATSpec | Lack:
    """Endpoints for all ports that are asked for, as a claim."""
    wanted = seen.exposure.ports
    had = regain(seen, pool)  # whatever its namespace may have more
    if had is None and (why := _withheld(seen, len(wanted))):
        return why
    demand = Demand(wanted, seen.zone_id, namespace=seen.key.namespace)
    found = had or _asked_before(seen, pool, wanted) or pool.pick(demand, seen.now)
    if isinstance(found, Shortage):
        return _lacking(seen, found)
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


def _withheld(seen: Seen, count: int) -> Lack | None:
    """What keeps the name from taking so many more endpoints now, if anything does."""
    allowance = seen.allowance
    if allowance is None or allowance.left >= count:
        return None
    return Lack(allowance.problem, allowance.retry_in)


def _lacking(seen: Seen, shortage: Shortage) -> Lack:
    """What is wrong where the pool has nothing; what rests is told with the time of its end."""
    detail = ""
    if shortage.resting and shortage.retry_in is not None:
        end = seen.wall + timedelta(seconds=shortage.retry_in)
        rest = amount(shortage.resting, "endpoint rests", "endpoints rest")
        detail = f"{rest} after use, the next until {end:%H:%M:%S} UTC"
    return Lack(Problem(shortage.reason, shortage.message, detail), shortage.retry_in)


def _asked_before(seen: Seen, pool: Pool, wanted: Wanted) -> Allocation | None:
    """The endpoints that were asked for before, with no certain answer: asked for again.

    So of one name no more than one set is ever in doubt.
    """
    asked = seen.asked
    if asked is None:
        return None
    has = {(port.internal, port.protocol): port for port in asked.ports}
    if any(port not in has for port in wanted):
        return None
    if not pool.can_keep(asked, seen.now, seen.key.namespace):
        return None
    ports = tuple(has[port] for port in wanted)
    return Allocation(asked.gateway_id, asked.external_ip, ports)


# --- a claim that is to be another one


def retire(case: Case) -> Retire | None:
    """What is about to be dropped from the claim rests first."""
    kept = _kept(case)
    dropped = dict.fromkeys(case.spec.endpoint(port) for port in _gone(case))
    fresh = tuple(e for e in dropped if e not in kept and e not in case.seen.durable)
    return Retire(fresh) if fresh else None


def align(case: Case) -> tuple[PodDNATSpec, Lack | None]:
    """What the record is to claim, as far as it may be had, and why not more.

    Ports are added and dropped, none before its row is gone, and the IP is the pod's present one.
    """
    gone = _gone(case)
    ports = tuple(dict.fromkeys(port for port in case.spec.ports if port not in gone))
    left = replace(case.spec, ports=ports)
    more = _more(case, left)
    spec, lack = (left, more) if isinstance(more, Lack) else (more, None)
    return _with_address(case, replace(spec, ports=_in_order(spec.ports, case.wanted))), lack


def name_interface(case: Case) -> Reclaim | None:
    """Fill in the network interface once it is known: nothing waits for it.

    It goes before the status if both are due, so that the status is of the latest generation.
    """
    eni = case.seen.eni
    if eni is None or case.ip not in eni.ips:
        return None
    spec = replace(case.spec, eni=eni.eni_id, vswitch=eni.vswitch_id, zone_id=eni.zone_id)
    return Reclaim(spec) if spec != case.spec else None


def _kept(case: Case) -> set[Endpoint]:
    return {case.spec.endpoint(port) for port in case.good}


def _gone(case: Case) -> tuple[PortMapping, ...]:
    """Claimed ports that cannot stay, and that no row is left of, nor may be on its way; or that it
    cannot be seen of: whatever there is of those keeps their endpoints from others."""
    if case.seen.unanswered:
        return ()
    kept, bad = _kept(case), (port for port in case.spec.ports if port not in case.good)
    return tuple(
        port
        for port in bad
        if case.at_once or case.spec.endpoint(port) in kept or not case.has_row(port)
    )


def _more(case: Case, left: PodDNATSpec) -> PodDNATSpec | Lack:
    """What is left of the claim, with the ports that it lacks."""
    has = {(port.internal, port.protocol) for port in case.good}
    missing = tuple(port for port in case.wanted if port not in has)
    if not missing or not case.may_create:
        return left
    if why := _withheld(case.seen, len(missing)):
        return why
    if not left.ports:
        return _elsewhere(case, left)
    return left if case.refused else _beside(case, left, missing)


def _elsewhere(case: Case, left: PodDNATSpec) -> PodDNATSpec | Lack:
    """A claim that has lost all its ports starts anew, on whichever gateway has room."""
    found = _asked_before(case.seen, case.pool, case.wanted) or case.find()
    if isinstance(found, Shortage):
        return _lacking(case.seen, found)
    return replace(
        left, gateway_id=found.gateway_id, external_ip=found.external_ip, ports=found.ports
    )


def _beside(case: Case, left: PodDNATSpec, missing: Wanted) -> PodDNATSpec | Lack:
    """More ports on the IP of the claim."""
    again = _asked_before(case.seen, case.pool, missing)
    place = (case.spec.gateway_id, case.spec.external_ip)
    if again is not None and (again.gateway_id, again.external_ip) == place:
        return replace(left, ports=(*left.ports, *again.ports))
    more = _extend(case, missing)
    if isinstance(more, Shortage):
        return _lacking(case.seen, more)
    return replace(left, ports=(*left.ports, *more))


def _extend(case: Case, missing: Wanted) -> tuple[PortMapping, ...] | Shortage:
    demand = Demand(missing, uid=case.record.uid, namespace=case.seen.key.namespace)
    return case.pool.extend(case.spec, demand, case.seen.now)


def _in_order(ports: tuple[PortMapping, ...], wanted: Wanted) -> tuple[PortMapping, ...]:
    """As the annotation has them; while some are still to go, as they are: that saves a write."""
    place = {port: index for index, port in enumerate(wanted)}
    if any((port.internal, port.protocol) not in place for port in ports):
        return ports
    return tuple(sorted(ports, key=lambda port: place[port.internal, port.protocol]))


def _with_address(case: Case, spec: PodDNATSpec) -> PodDNATSpec:
    protocol = spec.ports[0].protocol if spec.ports else spec.protocol
    if spec.internal_ip != case.ip:
        spec = replace(spec, internal_ip=case.ip, eni="", vswitch="")
    return replace(spec, protocol=protocol)
