"""The pod IPs of the cluster."""

from __future__ import annotations

import ipaddress
from collections import deque
from enum import StrEnum


class Recycling(StrEnum):
    """Which of the freed addresses is handed out next, or none while fresh ones remain."""

    LIFO = "lifo"
    FIFO = "fifo"


class Addresses:
    """Hands out the addresses of `cidr` from the tenth on.

    LIFO gives the address that was freed last to the next pod, which is the worst case for
    whoever still sends traffic to it; FIFO uses fresh addresses first.
    """

    def __init__(self, cidr: str, recycling: Recycling = Recycling.LIFO) -> None:
        network = ipaddress.IPv4Network(cidr)
        self._first = int(network.network_address) + 10
        self._last = int(network.broadcast_address) - 1
        self._next = self._first
        self._lifo = recycling is Recycling.LIFO
        self._freed: deque[str] = deque()

    def take(self) -> str:
        """An address that nobody has. Raises RuntimeError when all are taken."""
        if self._freed and (self._lifo or self._next > self._last):
            return self._freed.pop() if self._lifo else self._freed.popleft()
        if self._next > self._last:
            raise RuntimeError("no pod IP is free")
        self._next += 1
        return str(ipaddress.IPv4Address(self._next - 1))

    def give_back(self, address: str) -> None:
        """Nobody has `address` any more."""
        self._freed.append(address)
