"""What the pool is made from, asked for, and answers with."""

from __future__ import annotations

from dataclasses import dataclass, field

from dnatctl.model import PortRange, Protocol
from dnatctl.objects import PortMapping

Wanted = tuple[tuple[int, Protocol], ...]
"""Internal ports with their protocols, in the order in which they were asked for."""


@dataclass(frozen=True, slots=True)
class GatewayPool:
    """What the configuration offers of one gateway. No `eips`: all that are bound to it.

    `max_entries` None: as many as the cloud allows, learned from its refusals.
    """

    gateway_id: str
    ports: PortRange
    zone_id: str = ""
    eips: tuple[str, ...] = ()
    max_entries: int | None = None
    pack: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What a pod needs: internal ports with their protocols, in order; where it runs.

    `uid`: of its PodDNAT, if it has one. `moving`: it has a claim that is refused, and need not
    leave it for a place that may be no better.
    """

    ports: Wanted
    zone_id: str = ""
    uid: str = ""
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """Free endpoints for a demand: all on one external IP of one gateway."""

    gateway_id: str
    external_ip: str
    ports: tuple[PortMapping, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Nothing fits. `reason` is a condition reason; `message` says why, gateway by gateway.

    `retry_in`: seconds until the next quarantine ends, None if nothing is in quarantine. `resting`:
    endpoints that are.
    """

    reason: str
    message: str
    retry_in: float | None = None
    resting: int = field(default=0, compare=False)
