"""What a leader leaves to the next one: which endpoints are in quarantine, and until when.

Nothing else in the world says so once a row and its PodDNAT are gone. It travels in an annotation
of the leader's Lease, which is renewed every few seconds anyway: no write is added. Times are wall
clock times, as another machine may read them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from dnatctl.model import Endpoint, Protocol


def encode(remaining: Mapping[Endpoint, float], now: datetime) -> str:
    """Endpoints with the seconds that remain of their quarantine, as text."""
    lines: dict[str, dict[str, int]] = {}
    for endpoint, seconds in remaining.items():
        line = lines.setdefault(f"{endpoint.ip}/{endpoint.protocol}", {})
        line[str(endpoint.port)] = round(now.timestamp() + seconds)
    return json.dumps({"quarantine": lines}, separators=(",", ":"), sort_keys=True)


def decode(text: str, now: datetime) -> dict[Endpoint, float]:
    """The reverse of `encode`; what cannot be understood is left out, as is what is over."""
    remaining: dict[Endpoint, float] = {}
    try:
        lines = json.loads(text or "{}")["quarantine"]
        for line, ports in lines.items():
            ip, _, protocol = line.rpartition("/")
            for port, until in ports.items():
                if (seconds := float(until) - now.timestamp()) > 0:
                    remaining[Endpoint(ip, int(port), Protocol(protocol))] = seconds
    except (ValueError, KeyError, TypeError, AttributeError):
        return remaining
    return remaining
