"""What a leader leaves to the next one: which endpoints are in quarantine, and until when.

Nothing else in the world says so once a row and its PodDNAT are gone. It travels in an annotation
of the leader's Lease, which is renewed every few seconds anyway: no write is added. Times are wall
clock times, as another machine may read them.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from dnatctl.model import Endpoint, Protocol

MOST = 8000
"""Endpoints handed over at most: an API server takes 256 KiB of annotations, and a Lease that it
does not take is lost. Those left out are not noted, so their PodDNATs stay until their time is
over, or until there is room.
"""


def encode(remaining: Mapping[Endpoint, float], now: datetime) -> str:
    """Endpoints with the seconds of quarantine that remain, as text; of too many the longest."""
    lines: dict[str, dict[str, int]] = {}
    for endpoint, seconds in heapq.nlargest(MOST, remaining.items(), key=itemgetter(1)):
        line = lines.setdefault(f"{endpoint.ip}/{endpoint.protocol}", {})
        line[str(endpoint.port)] = math.ceil(now.timestamp() + seconds)
    return json.dumps({"quarantine": lines}, separators=(",", ":"), sort_keys=True)


def decode(text: str, now: datetime) -> dict[Endpoint, float]:
    """The reverse of `encode`; what cannot be understood is left out, as is what is over."""
    try:
        lines = json.loads(text or "{}")["quarantine"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    found = (item for line, ports in lines for item in _read(line, ports))
    return {endpoint: left for endpoint, until in found if (left := until - now.timestamp()) > 0}


def _read(line: str, ports: Any) -> Iterator[tuple[Endpoint, float]]:
    """The endpoints of one external IP and protocol, with the wall clock times of their end."""
    ip, _, protocol = line.rpartition("/")
    for port, until in ports.items() if isinstance(ports, dict) else ():
        try:
            yield Endpoint(ip, int(port), Protocol(protocol)), float(until)
        except (ValueError, TypeError):
            continue
