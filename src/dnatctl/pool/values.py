"""What the pool is made from, asked for, and answers with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache

from dnatctl.model import PortRange, Protocol
from dnatctl.objects import PortMapping

Wanted = tuple[tuple[int, Protocol], ...]
"""Internal ports with their protocols, in the order in which they were asked for."""


def number_of(wanted: Wanted, protocol: Protocol) -> int:
    """How many of them are of that protocol."""
    return sum(each == protocol for _, each in wanted)


_REMEMBERED = 256
"""Lists of patterns whose form for matching is kept: one a gateway, and those of all together."""


@dataclass(frozen=True, slots=True)
class GatewayPool:
    """What the configuration offers of one gateway. No `eips`: all that are bound to it.

    `max_entries` None: as many as the cloud allows, learned from its refusals. `namespaces`: those
    that it is reserved for (`*` stands for any characters); none: it is for all.
    """

    gateway_id: str
    ports: PortRange
    zone_id: str = ""
    eips: tuple[str, ...] = ()
    max_entries: int | None = None
    pack: bool = False
    namespaces: tuple[str, ...] = ()

    def serves(self, namespace: str) -> bool:
        """Whether pods of the namespace may get endpoints on it."""
        return not self.namespaces or self.is_reserved_for(namespace)

    def is_reserved_for(self, namespace: str) -> bool:
        """Whether it is for pods of the namespace, and not for those of all."""
        return any_of(self.namespaces).match(namespace) is not None


@dataclass(frozen=True, slots=True)
class Demand:
    """What a pod needs: internal ports with their protocols, in order; where it runs.

    `uid`: of its PodDNAT, if it has one. `moving`: it has a claim that is refused, and need not
    leave it for a place that may be no better. `namespace`: the pod's.
    """

    ports: Wanted
    zone_id: str = ""
    uid: str = ""
    moving: bool = False
    namespace: str = ""


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


@lru_cache(maxsize=_REMEMBERED)
def any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """What matches whatever one of the patterns does, in one go: thousands of names are asked of.

    `*` stands for any characters; no patterns match nothing.
    """
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
